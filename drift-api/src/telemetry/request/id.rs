//! The name of one request, in its answer, in the log and in the trace.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use actix_web::http::header::HeaderValue;

/// The client's own name for the request if it is harmless, else one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Name);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Given(Box<str>),
    New(u64),
}

impl RequestId {
    /// 1 to 64 letters, digits and hyphens: nothing that could break a log line.
    pub fn parse(text: &str) -> Option<Self> {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let valid = (1..=64).contains(&text.len()) && text.bytes().all(harmless);
        valid.then(|| Self(Name::Given(text.into())))
    }

    pub(super) fn given_or_new(header: Option<&HeaderValue>) -> Self {
        let given = header.and_then(|value| Self::parse(value.to_str().ok()?));
        given.unwrap_or_else(Self::new)
    }

    /// Different for every call in this process, and in others very probably.
    fn new() -> Self {
        // The standard library's keys are random, and cannot fail to be.
        static START: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(()));
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        Self(Name::New(scatter(
            START.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        )))
    }

    pub(super) fn to_header(&self) -> HeaderValue {
        let mut hex = [0; 16];
        // Neither text can hold a byte that a header may not.
        HeaderValue::from_str(self.text(&mut hex)).unwrap_or(HeaderValue::from_static("invalid"))
    }

    fn text<'a>(&'a self, hex: &'a mut [u8; 16]) -> &'a str {
        match &self.0 {
            Name::Given(name) => name,
            Name::New(number) => {
                // The buffer has the right length, and hexadecimal digits are UTF-8.
                let _ = hex::encode_to_slice(number.to_be_bytes(), hex);
                std::str::from_utf8(hex).unwrap_or_default()
            }
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text(&mut [0; 16]))
    }
}

/// The last step of SplitMix64: neighbours look unrelated, and no two inputs meet.
fn scatter(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_name_is_kept() {
        let longest = "x".repeat(64);
        for name in ["7", "0199aa-BB", &longest] {
            let header = HeaderValue::from_str(name).unwrap();
            let id = RequestId::given_or_new(Some(&header));
            assert_eq!(id.to_string(), name);
            assert_eq!(id.to_header(), name);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        let long = "x".repeat(65);
        for name in ["", " ", "a b", "a_b", "a\tb", "a\"b", "é", &long] {
            assert_eq!(RequestId::parse(name), None, "{name:?}");
            let header = HeaderValue::from_bytes(name.as_bytes()).unwrap();
            let id = RequestId::given_or_new(Some(&header)).to_string();
            assert!(
                id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{id}"
            );
        }
    }

    #[test]
    fn new_names_differ() {
        let ids: std::collections::HashSet<_> =
            (0..10_000).map(|_| RequestId::new().to_string()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
