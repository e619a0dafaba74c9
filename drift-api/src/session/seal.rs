//! What a browser keeps for us and must not change: signed for one purpose each, so that none passes for another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Signs and checks.
pub(crate) struct Seal(hmac::Key);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Session,
    /// What the next page tells of the action before it.
    Notice,
    /// Somebody is at GitHub and comes back.
    SignIn,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Self::Session => "drift-session/1",
            Self::Notice => "drift-notice/1",
            Self::SignIn => "drift-sign-in/1",
        }
    }
}

impl Seal {
    pub(crate) fn of(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Letters, digits, `-`, `_` and one point: fit for a cookie.
    pub(crate) fn seal(&self, purpose: Purpose, value: &impl Serialize) -> String {
        // Texts and numbers of our own; they always have a JSON.
        let json = serde_json::to_vec(value).unwrap_or_default();
        let tag = hmac::sign(&self.0, &message(purpose, &json));
        let [json, tag] = [&json[..], tag.as_ref()].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        format!("{json}.{tag}")
    }

    /// In constant time, as far as the signature goes.
    pub(crate) fn open<T: DeserializeOwned>(&self, purpose: Purpose, text: &str) -> Option<T> {
        let (json, tag) = text.split_once('.')?;
        let json = URL_SAFE_NO_PAD.decode(json).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.0, &message(purpose, &json), &tag).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// A text that only we can make from this one.
    pub(crate) fn token(&self, from: &str) -> String {
        hex::encode(hmac::sign(
            &self.0,
            format!("drift-form/1\n{from}").as_bytes(),
        ))
    }
}

fn message(purpose: Purpose, json: &[u8]) -> Vec<u8> {
    [purpose.label().as_bytes(), b"\n", json].concat()
}
