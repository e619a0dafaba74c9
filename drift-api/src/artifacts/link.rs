//! Links to evidence that work for anybody who has them, until they expire.

use drift_schema::{Digest, Micros, Workspace};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

/// Signs and checks.
pub(crate) struct Signer(hmac::Key);

/// What stands in the query of a link.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    pub(crate) workspace: Workspace,
    /// Seconds since 1970.
    pub(crate) expires: i64,
    /// In hexadecimal.
    pub(crate) signature: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    Signature,
    Expired,
}

impl Signer {
    pub(crate) fn new(key: &SecretString) -> Self {
        Self::of(key.expose_secret().as_bytes())
    }

    pub(crate) fn of(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The query of a link to an artifact.
    pub(crate) fn query(&self, workspace: &Workspace, name: &Digest, expires: i64) -> String {
        let signature = hmac::sign(&self.0, &message(workspace, name, expires));
        let signature = hex::encode(signature);
        format!("workspace={workspace}&expires={expires}&signature={signature}")
    }

    /// In constant time, as far as the signature goes; what has expired says so only if it was ours.
    pub(crate) fn check(&self, signed: &Signed, name: &Digest, now: Micros) -> Result<(), Bad> {
        let signature = hex::decode(&signed.signature).map_err(|_| Bad::Signature)?;
        let message = message(&signed.workspace, name, signed.expires);
        hmac::verify(&self.0, &message, &signature).map_err(|_| Bad::Signature)?;
        if now.0 / 1_000_000 < signed.expires {
            Ok(())
        } else {
            Err(Bad::Expired)
        }
    }
}

fn message(workspace: &Workspace, name: &Digest, expires: i64) -> Vec<u8> {
    format!("drift-artifact/1\n{workspace}\n{name}\n{expires}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(byte: &str) -> Digest {
        Digest::parse(&byte.repeat(32)).unwrap()
    }

    #[test]
    fn a_link_is_good_for_its_artifact_and_its_time_and_nothing_else() {
        let signer = Signer::of(b"a key of at least thirty-two bytes");
        let now = Micros(1_700_000_000_000_000);
        let workspace = Workspace::default_one();
        let query = signer.query(&workspace, &name("ab"), 1_700_000_060);
        let signature = query.rsplit('=').next().unwrap().to_owned();
        let signed = Signed {
            workspace,
            expires: 1_700_000_060,
            signature,
        };
        assert_eq!(signer.check(&signed, &name("ab"), now), Ok(()));
        assert_eq!(
            signer.check(&signed, &name("ab"), now.plus_seconds(60)),
            Err(Bad::Expired)
        );
        assert_eq!(signer.check(&signed, &name("cd"), now), Err(Bad::Signature));
        let longer = Signed {
            expires: signed.expires + 1,
            ..signed.clone()
        };
        assert_eq!(signer.check(&longer, &name("ab"), now), Err(Bad::Signature));
        let theirs = Signed {
            workspace: Workspace::parse("theirs").unwrap(),
            ..signed.clone()
        };
        assert_eq!(signer.check(&theirs, &name("ab"), now), Err(Bad::Signature));
        for signature in ["", "00", "zz"] {
            let forged = Signed {
                signature: signature.to_owned(),
                ..signed.clone()
            };
            assert_eq!(signer.check(&forged, &name("ab"), now), Err(Bad::Signature));
        }
        assert_eq!(
            Signer::of(b"another key").check(&signed, &name("ab"), now),
            Err(Bad::Signature)
        );
    }
}
