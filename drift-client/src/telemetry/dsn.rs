//! `DRIFT_DSN`: where reports go, and the key for it, in one value.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// `https://<ingest key>@host/`. Prints without its key.
#[derive(Clone)]
pub struct Dsn {
    base: Url,
    key: SecretString,
}

impl Dsn {
    /// The problem is told without the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = "DRIFT_DSN is not of the form https://<ingest key>@host/";
        let mut base = Url::parse(text.trim()).map_err(|_| shape.to_owned())?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(shape.to_owned());
        }
        if base.username().is_empty() {
            return Err(format!("{shape}: the key is missing"));
        }
        let key = SecretString::from(base.username());
        base.set_username("").map_err(|()| shape.to_owned())?;
        base.set_password(None).map_err(|()| shape.to_owned())?;
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { base, key })
    }

    /// An address under the base, `drift/report`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub fn key(&self) -> &str {
        self.key.expose_secret()
    }

    /// For people: without the key.
    pub fn shown(&self) -> &str {
        self.base.as_str()
    }
}

impl std::fmt::Debug for Dsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dsn({})", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_is_an_address_and_a_key() {
        for (text, url) in [
            (
                "https://drift_k@h.example/",
                "https://h.example/drift/report",
            ),
            (
                "https://drift_k@h.example",
                "https://h.example/drift/report",
            ),
            (
                "http://drift_k:x@127.0.0.1:8080/sub?q#f",
                "http://127.0.0.1:8080/sub/drift/report",
            ),
        ] {
            let dsn = Dsn::parse(text).unwrap();
            assert_eq!(
                (dsn.url("drift/report").as_str(), dsn.key()),
                (url, "drift_k")
            );
            assert!(!format!("{dsn:?}").contains("drift_k"));
        }
        for bad in [
            "",
            "h.example",
            "ftp://k@h/",
            "https://h.example/",
            "https://k@/",
        ] {
            assert!(Dsn::parse(bad).is_err(), "{bad}");
        }
    }
}
