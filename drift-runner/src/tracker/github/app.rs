//! Logging in as a GitHub App: a token signed with the App's key, which GitHub exchanges for one of an hour. Signed by the TLS
//! library's RSA: no other implementation, and none with a known timing leak, comes in for this.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use drift_schema::Micros;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

/// GitHub takes ten minutes at most.
const LIFETIME_SECONDS: i64 = 9 * 60;
/// Our clock may be ahead of GitHub's.
const CLOCK_SECONDS: i64 = 60;

#[derive(Clone)]
pub struct AppKey(Arc<dyn SigningKey>);

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey(****)")
    }
}

impl AppKey {
    pub fn parse(pem: &str) -> Result<Self, &'static str> {
        const RULE: &str = "is not an RSA private key in PEM, as GitHub hands it out for an App";
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| RULE)?;
        let key = rustls::crypto::ring::sign::any_supported_type(&der).map_err(|_| RULE)?;
        match key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]) {
            Some(_) => Ok(Self(key)),
            None => Err(RULE),
        }
    }

    /// A JSON Web Token that says: we are this App.
    pub(super) fn token(&self, app: u64, now: Micros) -> anyhow::Result<SecretString> {
        let now = now.0 / 1_000_000;
        let (from, until) = (now - CLOCK_SECONDS, now + LIFETIME_SECONDS);
        let claims = format!(r#"{{"iat":{from},"exp":{until},"iss":"{app}"}}"#);
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!(
            "{}.{}",
            part(r#"{"alg":"RS256","typ":"JWT"}"#),
            part(&claims)
        );
        let signer = self.0.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
        let signer = signer.ok_or_else(|| anyhow!("the App's key cannot sign by RSA"))?;
        let signature = signer
            .sign(signed.as_bytes())
            .context("cannot sign with the App's key")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

#[derive(Deserialize)]
pub(super) struct Installation {
    pub id: u64,
}

#[derive(Deserialize)]
pub(super) struct Token {
    pub token: SecretString,
    pub expires_at: DateTime<Utc>,
    #[serde(default)]
    pub permissions: Value,
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// Of no App.
    const KEY: &str = include_str!("../../../testdata/app-key.pem");
    /// What `openssl dgst -sha256 -sign app-key.pem` makes of the same words.
    const SIGNATURE: &str = "kOklrhtDyphQmT7VM922_Efus6GIWYDa78vivAHE8CPDRDz5-quNL60sIE0r-eug-yzyMzN8S_0WzvCIFuCrONv2yiIm1y1IRbmYllOx1mcdZO8FKL2laBPqDGLgLATTI5wqPyzAjpbYxPpXIKfR6ffN0SmSXGozxCZFR4lPDuRMMEvOADe6Zop-jqW0Fjy-xT7YTMiA1biHIZp_f0Z7SyS48yBs3_D96Z5QyQfSKfio8Sk6P_UGH1XPmXgOYGPGpyh4kOa4BDNEG-0IxIqRWTBnqXMsfvGoCvDdWvLxCfE2yOScyMQqt9lywo4VVeCMBcUv6erjQOixpAlVy_aMZw";

    #[test]
    fn the_token_is_signed_as_openssl_signs() {
        let key = AppKey::parse(KEY).unwrap();
        let token = key.token(12345, Micros(1_700_000_000_000_000)).unwrap();
        let token = token.expose_secret();
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(token.rsplit('.').next(), Some(SIGNATURE));
        assert_eq!(format!("{key:?}"), "AppKey(****)");
    }

    #[test]
    fn what_is_no_rsa_key_is_refused() {
        for bad in [
            "",
            "s3cr3t",
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        ] {
            assert!(AppKey::parse(bad).is_err());
        }
    }
}
