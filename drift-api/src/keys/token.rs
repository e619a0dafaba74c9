//! The text of a key: `drift_<id>_<secret>`. Safe in a URL, so that a DSN can carry it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drift_schema::Digest;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A key as it was presented. Its parts point into the header.
pub struct Token<'a> {
    pub id: &'a str,
    secret: &'a str,
}

impl<'a> Token<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix("drift_")?.split_once('_')?;
        let id_is_ours = id.len() == 12
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        (id_is_ours && secret.len() <= 64).then_some(Self { id, secret })
    }

    /// Whether this is the key with that hash. Takes as long for a near miss as for a far one.
    pub fn is(&self, hash: &[u8; 32]) -> bool {
        Sha256::digest(self.secret.as_bytes()).ct_eq(hash).into()
    }
}

/// A key that was just drawn: shown once, stored as a hash.
pub struct Fresh {
    pub id: String,
    pub key: SecretString,
    pub hash: Digest,
}

impl Fresh {
    pub fn draw() -> anyhow::Result<Self> {
        let mut bytes = [0; 30];
        getrandom::fill(&mut bytes)
            .map_err(|error| anyhow::anyhow!("no randomness from the system: {error}"))?;
        let (id, secret) = bytes.split_at(6);
        let id = hex::encode(id);
        let secret = URL_SAFE_NO_PAD.encode(secret);
        let hash = Digest::parse(&hex::encode(Sha256::digest(secret.as_bytes())))?;
        Ok(Self {
            key: format!("drift_{id}_{secret}").into(),
            id,
            hash,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_drawn_key_is_recognised_by_its_hash_alone() {
        let fresh = Fresh::draw().unwrap();
        let mut hash = [0; 32];
        hex::decode_to_slice(fresh.hash.as_str(), &mut hash).unwrap();
        let text = fresh.key.expose_secret();
        assert!(Token::parse(text).is_some_and(|token| token.id == fresh.id && token.is(&hash)));
        let forged = format!("{}x", &text[..text.len() - 1]);
        assert!(!Token::parse(&forged).unwrap().is(&hash) || forged == text);
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in [
            "",
            "drift_",
            "drift_abc_x",
            "drift_ABCDEF123456_x",
            "other_0123456789ab_x",
            "drift_0123456789ab",
        ] {
            assert!(Token::parse(text).is_none(), "{text}");
        }
    }
}
