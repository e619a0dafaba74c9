//! The lists of words behind N9 and N11 to N13. They are data, in `words/*.txt`; a change of one changes digests, so it
//! raises [`VERSION`], which every record carries.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

pub const VERSION: u32 = 1;

/// One file: plain words, and those that stand behind a mark.
struct Words {
    plain: HashSet<&'static str>,
    marked: HashSet<(char, &'static str)>,
    parts: Vec<&'static str>,
}

impl Words {
    fn read(file: &'static str) -> Self {
        let lines = file
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut words = Self {
            plain: HashSet::new(),
            marked: HashSet::new(),
            parts: Vec::new(),
        };
        for line in lines {
            match line.split_at(1) {
                ("=", rest) => drop(words.marked.insert(('=', rest))),
                ("%", rest) => drop(words.marked.insert(('%', rest))),
                ("~", rest) => words.parts.push(rest),
                _ => drop(words.plain.insert(line)),
            }
        }
        words
    }
}

static ADS: LazyLock<Words> = LazyLock::new(|| Words::read(include_str!("words/ads.txt")));
static CONSENT: LazyLock<Words> = LazyLock::new(|| Words::read(include_str!("words/consent.txt")));
static CHALLENGE: LazyLock<Words> =
    LazyLock::new(|| Words::read(include_str!("words/challenge.txt")));
static PASSING: LazyLock<Words> = LazyLock::new(|| Words::read(include_str!("words/passing.txt")));
static DATES: LazyLock<Words> = LazyLock::new(|| Words::read(include_str!("words/dates.txt")));

/// What a word in an element's markup says of it: one look for three lists.
static MARKS: LazyLock<HashMap<&str, Marks>> = LazyLock::new(|| {
    let mut marks: HashMap<&str, Marks> = HashMap::new();
    for word in &ADS.plain {
        marks.entry(word).or_default().ad = true;
    }
    for word in &CONSENT.plain {
        marks.entry(word).or_default().consent = true;
    }
    for word in &PASSING.plain {
        marks.entry(word).or_default().passing = true;
    }
    marks
});

/// What an element's own markup says about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) ad: bool,
    pub(super) consent: bool,
    pub(super) passing: bool,
}

impl Marks {
    pub(super) fn any(self) -> bool {
        self.ad || self.consent || self.passing
    }

    pub(super) fn add(&mut self, other: Self) {
        self.ad |= other.ad;
        self.consent |= other.consent;
        self.passing |= other.passing;
    }

    /// Takes in the words of one attribute.
    pub(super) fn read(&mut self, attribute: &str) {
        for_each_word(attribute, |word| {
            if let Some(said) = MARKS.get(word) {
                self.add(*said);
            }
        });
    }
}

/// `topAdSlot_2 cookie-bar` is top, ad, slot, 2, cookie, bar, and topadslot too.
fn for_each_word(attribute: &str, mut see: impl FnMut(&str)) {
    let mut lower = String::new();
    for token in attribute.split(|c: char| !c.is_alphanumeric()) {
        if token.is_empty() {
            continue;
        }
        lower.clear();
        lower.extend(token.chars().flat_map(char::to_lowercase));
        see(&lower);
        let mut start = 0;
        let mut before = None;
        for (at, c) in token.char_indices() {
            if c.is_uppercase() && before.is_some_and(|c: char| !c.is_uppercase()) {
                lower.clear();
                lower.extend(token[start..at].chars().flat_map(char::to_lowercase));
                see(&lower);
                start = at;
            }
            before = Some(c);
        }
        if start > 0 {
            lower.clear();
            lower.extend(token[start..].chars().flat_map(char::to_lowercase));
            see(&lower);
        }
    }
}

/// Whether a name or a line of text says no more than that this is an advertisement.
pub(super) fn names_an_ad(text: &str) -> bool {
    text.len() <= 24 && ADS.marked.contains(&('=', text.to_lowercase().as_str()))
}

pub(super) fn speaks_of_consent(text: &str) -> bool {
    let text = text.to_lowercase();
    CONSENT.parts.iter().any(|part| text.contains(part))
}

pub(super) fn answers_consent(label: &str) -> bool {
    label.len() <= 40
        && CONSENT
            .marked
            .contains(&('=', label.to_lowercase().as_str()))
}

pub(super) fn is_challenge(attribute: &str) -> bool {
    let attribute = attribute.to_lowercase();
    CHALLENGE.plain.iter().any(|part| attribute.contains(part))
}

pub(super) fn belongs_to_a_date(word: &str) -> bool {
    word.len() <= 12 && DATES.plain.contains(word.to_lowercase().as_str())
}

pub(super) fn is_currency(word: &str) -> bool {
    word.len() <= 4 && DATES.marked.contains(&('%', word.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(attribute: &str) -> Marks {
        let mut marks = Marks::default();
        marks.read(attribute);
        marks
    }

    #[test]
    fn words_are_found_whole_whatever_separates_them() {
        for ad in [
            "ad",
            "top-ad",
            "topAdSlot",
            "ad_300x250",
            "x adsbygoogle",
            "Sponsored",
        ] {
            assert!(marks(ad).ad, "{ad}");
        }
        for not in [
            "add", "header", "shadow", "badge", "download", "readable", "loading", "admin",
        ] {
            assert!(!marks(not).any(), "{not}");
        }
        assert!(marks("onetrust-banner-sdk").consent);
        assert!(marks("CookieBanner").consent);
        assert!(marks("Toastify__toast").passing);
    }
}
