//! A provider's key, between the scraper that found it and the store that keeps it. Prints as its mask, always.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use crate::words::NotA;

/// Wiped from memory when dropped. `expose` is the only way to its value.
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    pub fn parse(text: &str) -> Result<Self, NotA> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        if printable && (1..=4096).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(NotA(
                "1 to 4096 printable ASCII characters without white space",
            ))
        }
    }

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub fn masked(&self) -> String {
        mask_key(self.expose())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.masked())
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// In the clear: this is for a scraper that writes its last line.
impl serde::Serialize for ApiKey {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.expose())
    }
}

/// The first 8 characters, `****...` and the last 4. Of less than 12 characters nothing is shown.
pub fn mask_key(key: &str) -> String {
    let characters = key.chars().count();
    if characters < 12 {
        return "****".to_owned();
    }
    let head: String = key.chars().take(8).collect();
    let tail: String = key.chars().skip(characters - 4).collect();
    format!("{head}****...{tail}")
}
