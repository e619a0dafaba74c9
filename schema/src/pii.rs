//! The second net behind the allow-list. The first net (`words`) fixes the alphabet of a value; this one refuses
//! values that fit it and still look like a secret, a mail address, a phone number or an id. `report` calls it
//! for service, step, host and version; nothing else does.
//!
//! Two mistakes are possible, and they do not cost the same. A leak that passes is in an append-only log; an
//! honest name that is held back costs its author one rename, but a net that cries wolf is switched off. So each
//! rule is a shape that honest names do not have, and its threshold stands beside it with the reason. What no
//! shape can tell apart passes: a first name, a six-digit code, a seven-digit number written `555-1234`.
//!
//! All rules ignore case, because steps and services arrive in lower case, and take any of `-` `_` `.` `:` for
//! any other, because a service can only write dashes. Nothing here allocates; most values are done after `Signs`.

mod hex;
mod mail;
mod number;
mod random;
mod secret;
#[cfg(test)]
mod tests;

/// Why a value was held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    Secret,
    Mail,
    Phone,
    Identifier,
    HighEntropy,
}

impl Suspicion {
    /// The rule in words that are safe to answer.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Secret => "looks like a secret",
            Self::Mail => "looks like a mail address",
            Self::Phone => "looks like a phone number",
            Self::Identifier => "looks like an id",
            Self::HighEntropy => "looks random",
        }
    }
}

/// Whether a value should be held back, and why. The first rule that fires names the reason.
pub fn suspect(value: &str) -> Option<Suspicion> {
    let value = value.as_bytes();
    let signs = Signs::of(value);
    let long = signs.longest >= secret::SHORTEST_TAIL;
    let numeric = signs.digits >= hex::FEWEST_DIGITS;
    None.or_else(|| long.then(|| secret::find(value)).flatten())
        .or_else(|| signs.mail.then(|| mail::find(value)).flatten())
        .or_else(|| numeric.then(|| hex::find(value)).flatten())
        .or_else(|| numeric.then(|| number::find(value)).flatten())
        .or_else(|| long.then(|| random::find(value)).flatten())
}

/// What one look over a value says about which rules could fire at all.
struct Signs {
    digits: usize,
    /// Length of the longest token.
    longest: usize,
    /// An `@`, a `%`, or the word `at` with something behind it.
    mail: bool,
}

impl Signs {
    fn of(value: &[u8]) -> Self {
        let mut signs = Self {
            digits: 0,
            longest: 0,
            mail: false,
        };
        let mut length = 0;
        for (at, &byte) in value.iter().enumerate() {
            if byte.is_ascii_alphanumeric() {
                signs.digits += usize::from(byte.is_ascii_digit());
                length += 1;
                continue;
            }
            signs.mail |=
                matches!(byte, b'@' | b'%') || (length == 2 && mail::is_at(&value[at - 2..at]));
            signs.longest = signs.longest.max(length);
            length = 0;
        }
        signs.longest = signs.longest.max(length);
        signs
    }
}

/// A run of ASCII letters and digits; all else is a separator, the bytes of other scripts too.
#[derive(Clone, Copy)]
struct Token<'v> {
    text: &'v [u8],
    start: usize,
    /// How many separators stand before it.
    gap: usize,
    /// The last of them, or 0 at the start.
    before: u8,
}

fn tokens(value: &[u8]) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric();
        let gap = value[at..].iter().position(plain)?;
        let start = at + gap;
        let length = value[start..]
            .iter()
            .position(|byte| !plain(byte))
            .unwrap_or(value.len() - start);
        at = start + length;
        let before = if start == 0 { 0 } else { value[start - 1] };
        Some(Token {
            text: &value[start..at],
            start,
            gap,
            before,
        })
    })
}
