//! What keeps secrets out of everything that is printed or logged: known values, and words that look like one.

use drift_schema::pii::{self, Suspicion};
use drift_schema::scraper::ApiKey;
pub use drift_schema::scraper::mask_key;
use secrecy::{ExposeSecret as _, SecretString};

/// Shorter values would blacken half of every text, and keep nothing secret.
const SHORTEST: usize = 4;

/// Known secrets of one run.
#[derive(Debug, Default)]
pub struct Mask {
    values: Vec<SecretString>,
    keys: Vec<ApiKey>,
}

impl Mask {
    pub fn of(values: impl IntoIterator<Item = SecretString>) -> Self {
        let long = |value: &SecretString| value.expose_secret().len() >= SHORTEST;
        Self {
            values: values.into_iter().filter(long).collect(),
            keys: Vec::new(),
        }
    }

    pub fn add_key(&mut self, key: ApiKey) {
        self.keys.push(key);
    }

    /// The text of a stranger, fit to be printed: no secrets, nothing that a terminal would obey.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for key in &self.keys {
            text = text.replace(key.expose(), &key.masked());
        }
        for value in &self.values {
            text = text.replace(value.expose_secret(), "****");
        }
        printable(&words(&text))
    }
}

/// Without control characters, but with line feeds.
pub fn printable(text: &str) -> String {
    let plain = |c: char| {
        if c == '\n' || !c.is_control() { c } else { ' ' }
    };
    text.chars().map(plain).collect()
}

/// Masks every word that looks like a secret. A word ends where no key goes on.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    for piece in text.split_inclusive(ends) {
        let word = piece.trim_end_matches(ends);
        let secret = word.len() <= 512
            && matches!(
                pii::suspect(word),
                Some(Suspicion::Secret | Suspicion::HighEntropy)
            );
        out.push_str(if secret || word.len() > 512 {
            "****"
        } else {
            word
        });
        out.push_str(&piece[word.len()..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_and_words_that_look_like_keys_are_masked() {
        let mut mask = Mask::of(["hunter2 it is".into(), "abc".into()]);
        mask.add_key(ApiKey::parse("my-own-key-0123456789").unwrap());
        for (text, masked) in [
            (
                "all is well: abc, step 3 of 12",
                "all is well: abc, step 3 of 12",
            ),
            ("password=hunter2 it is!", "password=****!"),
            ("got my-own-key-0123456789.", "got my-own-k****...6789."),
            (
                "key: \"sk-or-v1-8d5f6b0e1c9a7f3e2d4b6a8c0e1f3d5b\"\n",
                "key: \"****\"\n",
            ),
        ] {
            assert_eq!(mask.text(text), masked);
        }
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        let text = Mask::default().text("a\x1b[2Jb\r\nc\u{9b}d\0");
        assert_eq!(text, "a [2Jb \nc d ");
    }
}
