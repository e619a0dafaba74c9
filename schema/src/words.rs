//! The domain's words as newtypes. Each has one way in, `parse`, so that holding one is the proof that
//! its value is well formed; serde goes through the same door.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Why a text is not the word it should be. Says the rule, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotA(pub &'static str);

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $check:path, $rule:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
        #[cfg_attr(feature = "describe", schemars(extend("pattern" = $pattern)))]
        #[cfg_attr(feature = "describe", schema(pattern = $pattern))]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, NotA> {
                if $check(text) { Ok(Self(text.to_owned())) } else { Err(NotA($rule)) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotA;
            fn from_str(text: &str) -> Result<Self, NotA> {
                Self::parse(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

word!(
    /// Whose page broke: `openai`.
    Service, is_service, "lower-case letters, digits and dashes, 1 to 64 characters, not starting with a dash",
    "^[a-z0-9][a-z0-9-]{0,63}$"
);
word!(
    /// The step of the flow that tripped: `signup-form`.
    Step, is_step, "lower-case letters, digits and . _ : -, 1 to 96 characters, starting with a letter or digit",
    "^[a-z0-9][a-z0-9._:-]{0,95}$"
);
word!(
    /// Lower-hex SHA-256 of a step's name; with the service it is the identity of a drift.
    StepHash, is_sha256_hex, "64 lower-case hexadecimal digits", "^[0-9a-f]{64}$"
);
word!(
    /// Lower-hex SHA-256: the shape of a page, or the name of an artifact.
    Digest, is_sha256_hex, "64 lower-case hexadecimal digits", "^[0-9a-f]{64}$"
);
word!(
    /// The host of the page, cut from its URL: a DNS name in lower case, never an address.
    Host, is_dns_name, "a lower-case DNS name without port, path or IP address, at most 253 characters",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
);
word!(
    /// The version of the scraper that tripped: semver, as the scraper declared it.
    ScraperVersion, is_semver, "a semantic version (1.4.2) of at most 64 characters",
    "^[0-9]+\\.[0-9]+\\.[0-9]+(-[0-9A-Za-z.-]+)?(\\+[0-9A-Za-z.-]+)?$"
);
word!(
    /// What a scraper left at a provider: `account`, `key`.
    ResourceKind, is_service, "lower-case letters, digits and dashes, 1 to 64 characters, not starting with a dash",
    "^[a-z0-9][a-z0-9-]{0,63}$"
);
word!(
    /// Why a scraper gave up where no page had changed: `bad_credentials`. An open set.
    FailureCode, is_code, "lower-case letters, digits, _ and -, 1 to 64 characters, starting with a letter or digit",
    "^[a-z0-9][a-z0-9_-]{0,63}$"
);
word!(
    /// The tenant. Every row carries it; the first one is `default`.
    Workspace, is_service, "lower-case letters, digits and dashes, 1 to 64 characters, not starting with a dash",
    "^[a-z0-9][a-z0-9-]{0,63}$"
);

impl Digest {
    /// From the 32 bytes themselves.
    pub fn from_bytes(sha256: [u8; 32]) -> Self {
        Self(hex::encode(sha256))
    }
}

fn is_service(text: &str) -> bool {
    is_name(text, 64, b"-")
}

fn is_step(text: &str) -> bool {
    is_name(text, 96, b"._:-")
}

fn is_code(text: &str) -> bool {
    is_name(text, 64, b"_-")
}

fn is_name(text: &str, longest: usize, marks: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= longest
        && bytes.first().is_some_and(plain)
        && bytes.iter().all(|b| plain(b) || marks.contains(b))
}

fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_dns_name(text: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    // A last label that reads as a number makes the whole an IPv4 address in one of its spellings.
    let numeric = |l: &str| {
        l.bytes().all(|b| b.is_ascii_digit())
            || l.strip_prefix("0x")
                .is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    text.len() <= 253 && text.split('.').all(label) && !text.rsplit('.').next().is_none_or(numeric)
}

fn is_semver(text: &str) -> bool {
    text.len() <= 64 && semver::Version::parse(text).is_ok()
}

impl Step {
    /// The same as `printf %s signup-form | sha256sum`.
    pub fn hash(&self) -> StepHash {
        StepHash(hex::encode(Sha256::digest(self.0.as_bytes())))
    }
}

impl ScraperVersion {
    /// As semver orders them; what follows a `+` does not count.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.parsed().cmp_precedence(&other.parsed()).is_lt()
    }

    /// The smallest release that is newer than this.
    pub fn next_release(&self) -> Self {
        let semver::Version {
            major,
            minor,
            mut patch,
            pre,
            ..
        } = self.parsed();
        if pre.is_empty() {
            patch = patch.saturating_add(1);
        }
        Self(semver::Version::new(major, minor, patch).to_string())
    }

    fn parsed(&self) -> semver::Version {
        // It is one: `parse` looked.
        semver::Version::parse(&self.0).unwrap_or(semver::Version::new(0, 0, 0))
    }
}

impl Workspace {
    /// The workspace of a fresh installation.
    pub fn default_one() -> Self {
        Self("default".to_owned())
    }
}

/// What a key may do. A key has one or more of these.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
pub enum Scope {
    /// Send reports, and ask whether a step is known to be broken.
    Ingest,
    /// See batches, drifts and the log.
    Read,
    /// Claim and finish replays.
    Runner,
    /// Everything, keys included.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Read, Self::Runner, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Runner => "runner",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Scope {
    type Err = NotA;
    fn from_str(text: &str) -> Result<Self, NotA> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(NotA("one of ingest, read, runner, admin"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_hash_is_what_sha256sum_prints() {
        let step = Step::parse("signup-form").unwrap();
        assert_eq!(
            step.hash().as_str(),
            "780a5726bba40e29925b8a4c32d3dfb2bf1357e6162418bbb587fc9ab4b1ff2f"
        );
    }

    #[test]
    fn hosts_are_names_and_never_addresses() {
        for good in [
            "platform.openai.com",
            "localhost",
            "xn--bcher-kva.example",
            "a-b.c1",
            "3com.com",
        ] {
            assert!(Host::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}.com", "a".repeat(64));
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.com",
            "a-.com",
            "A.com",
            "a.com:443",
            "a.com/x",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "a.0x7f",
            "[::1]",
            "::1",
            "a_b.com",
            "a b.com",
            "user@a.com",
            "a.com\0",
            "bücher.example",
            long.as_str(),
        ] {
            assert!(Host::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_keep_to_their_length_and_alphabet() {
        assert!(Service::parse(&"a".repeat(64)).is_ok());
        assert!(Service::parse(&"a".repeat(65)).is_err());
        assert!(Step::parse(&"a".repeat(96)).is_ok());
        assert!(Step::parse(&"a".repeat(97)).is_err());
        for bad in ["", "-a", "A", "a_b", "a b", "a\n", "ä"] {
            assert!(Service::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", ".a", "a/b", "A", "a\u{0}"] {
            assert!(Step::parse(bad).is_err(), "{bad:?}");
        }
    }
}
