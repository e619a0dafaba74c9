//! Which texts no evidence may show: the secrets that we know, and whatever has the shape of a key, an address or a number
//! of a person. The same list goes into the page, so the picture and the text agree.

use std::borrow::Cow;

use regex::Regex;
use serde_json::{Value, json};

use super::Masked;

/// In place of what was there.
const MASK: &str = "▇▇▇";

/// Less is no secret, and would black out half a page.
const SHORTEST_SECRET: usize = 4;

/// A piece of a secret that is this long says too much of it.
const SHORTEST_PIECE: usize = 6;

/// From this length on, letters and digits in one run are a key until proven otherwise.
const LONG_TOKEN: usize = 24;

/// What keys, mail addresses and phone numbers look like; the page's script compiles the same expressions.
const SHAPES: [&str; 8] = [
    r"(?:^|[^A-Za-z0-9])(?:sk|pk|rk|ak)[-_][A-Za-z0-9_\-]{12,}",
    r"(?:gh[pousr]_|github_pat_|glpat-|hf_|npm_|pypi-|dop_v1_|shpat_|whsec_|sess-|drift_)[A-Za-z0-9_\-]{12,}",
    r"(?:AKIA|ASIA)[0-9A-Z]{12,}",
    r"AIza[0-9A-Za-z_\-]{20,}",
    r"xox[abprs]-[0-9A-Za-z\-]{10,}",
    r"eyJ[A-Za-z0-9_\-]{10,}(?:\.[A-Za-z0-9_\-]+)*",
    r"[A-Za-z0-9._%+\-]+(?:@|%40)[A-Za-z0-9.\-]+\.[A-Za-z]{2,}",
    r"\+[0-9][0-9 ().\-]{7,}[0-9]",
];

pub struct Masker {
    secrets: Vec<String>,
    shapes: Vec<Regex>,
}

impl Masker {
    /// `secrets` are known values, `more_shapes` what the keys of this flow look like.
    pub fn new<'a>(
        secrets: impl IntoIterator<Item = &'a str>,
        more_shapes: impl IntoIterator<Item = Regex>,
    ) -> Self {
        let mut known: Vec<String> = Vec::new();
        for secret in secrets {
            let secret = secret.trim();
            if secret.chars().count() >= SHORTEST_SECRET {
                known.push(secret.to_owned());
                // As it stands in addresses.
                let written = in_an_address(secret);
                known.extend([written.replace("%20", "+"), written]);
            }
        }
        // The longest first, or a short one would leave the rest of a long one standing.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        known.dedup();
        let shapes = SHAPES.iter().filter_map(|shape| Regex::new(shape).ok());
        Self {
            secrets: known,
            shapes: shapes.chain(more_shapes).collect(),
        }
    }

    /// For the script that masks the page.
    pub(super) fn for_page(&self) -> Value {
        let shapes: Vec<&str> = self.shapes.iter().map(Regex::as_str).collect();
        json!({"secrets": self.secrets, "shapes": shapes, "long": LONG_TOKEN})
    }

    pub fn text(&self, text: &str) -> Masked<String> {
        Masked(self.hide(text).into_owned())
    }

    /// The text without what it may not show.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if let Some(hidden) = without(&text, secret) {
                text = Cow::Owned(hidden);
            }
        }
        for shape in &self.shapes {
            if shape.is_match(&text) {
                text = Cow::Owned(shape.replace_all(&text, MASK).into_owned());
            }
        }
        if text
            .split(|c| !is_token(c))
            .any(|token| self.is_telling(token))
        {
            let mut hidden = String::with_capacity(text.len());
            let mut rest: &str = &text;
            while !rest.is_empty() {
                let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
                let (token, after) = rest.split_at(end);
                hidden.push_str(if self.is_telling(token) { MASK } else { token });
                let mut marks = after.chars();
                hidden.extend(marks.next());
                rest = marks.as_str();
            }
            text = Cow::Owned(hidden);
        }
        text
    }

    /// A run of letters and digits that looks like a key, or is a piece of a secret: a page may have cut it in two.
    fn is_telling(&self, token: &str) -> bool {
        let has = |test: fn(&u8) -> bool| token.as_bytes().iter().any(&test);
        let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
        if token.len() >= LONG_TOKEN && mixed {
            return true;
        }
        // A word such as "example" may well be a piece of somebody's address.
        token.len() >= SHORTEST_PIECE
            && has(u8::is_ascii_digit)
            && self.secrets.iter().any(|secret| secret.contains(token))
    }
}

/// Percent-encoded, as a script's `encodeURIComponent` does it.
fn in_an_address(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => written.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                written.push(char::from(byte));
            }
            byte => written += &format!("%{byte:02X}"),
        }
    }
    written
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// The text without a secret, however it is cut: white space between its letters, and their case, do not count. None
/// when it is not in there.
fn without(text: &str, secret: &str) -> Option<String> {
    let squeeze = |text: &str| -> Vec<(usize, char)> {
        let letters = text.char_indices().filter(|(_, c)| !c.is_whitespace());
        letters
            .map(|(at, c)| (at, c.to_ascii_lowercase()))
            .collect()
    };
    let dense = squeeze(text);
    let wanted: Vec<char> = squeeze(secret).into_iter().map(|(_, c)| c).collect();
    let mut hidden = String::new();
    let (mut from, mut at) = (0, 0);
    while at + wanted.len() <= dense.len() {
        let here = dense[at..]
            .iter()
            .zip(&wanted)
            .all(|((_, c), wanted)| c == wanted);
        if !here {
            at += 1;
            continue;
        }
        hidden.push_str(&text[from..dense[at].0]);
        hidden.push_str(MASK);
        at += wanted.len();
        let (last, c) = dense[at - 1];
        from = last + c.len_utf8();
    }
    (from > 0).then(|| hidden + &text[from..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(text: &str) -> String {
        let own = Regex::new("acme-[0-9]{4}").unwrap();
        Masker::new(["hunter2!", "Alice", "sk-or-v1-0a1b2c3d", "abc"], [own])
            .hide(text)
            .into_owned()
    }

    #[test]
    fn known_secrets_go_in_any_case_and_any_number() {
        assert_eq!(hide("alice, ALICE and hunter2!"), "▇▇▇, ▇▇▇ and ▇▇▇");
        assert_eq!(hide("ä hunt\n er2! ö"), "ä ▇▇▇ ö");
        assert_eq!(
            hide("abc is too short to be one"),
            "abc is too short to be one"
        );
    }

    #[test]
    fn shapes_of_keys_and_of_people_go_unknown() {
        for (text, left) in [
            ("key: sk-proj-abcdEFGHijklMNOP", "key:▇▇▇"),
            ("ghp_abcdefghijkl0123", "▇▇▇"),
            ("mail bob.b+x@mail.example.org now", "mail ▇▇▇ now"),
            ("call +49 (170) 123-4567", "call ▇▇▇"),
            ("token 0123456789abcdef0123456789abcdef.", "token ▇▇▇."),
            ("acme-1234", "▇▇▇"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-1", "▇▇▇"),
        ] {
            assert_eq!(hide(text), left, "{text}");
        }
    }

    #[test]
    fn a_piece_of_a_secret_goes_too() {
        assert_eq!(hide("v1-0a1b2c"), "▇▇▇");
        assert_eq!(hide("0a1b2c3d"), "▇▇▇");
    }

    #[test]
    fn ordinary_words_stay() {
        for text in [
            "Create new secret key",
            "task-management-tools for everyone",
            "Step 2 of 3, 1,234 items, 2026-11-21",
            "disk-usage",
        ] {
            assert_eq!(hide(text), text);
        }
    }
}
