//! Mail addresses, as they are and as they come out of a sanitiser: `john%40example.com`,
//! `john-at-example-dot-com`, `john.doe.at.example.com`, `max-at-gmx-de`.

use super::{Suspicion, tokens};

/// How far behind `at` an address ends: `mail-dot-example-dot-co-dot-uk` has seven tokens.
const REACH: usize = 8;

/// What ends an address behind a dot, or the word `dot`. The common ones and those reserved for examples, without
/// those that are English words or parts of names (`in`, `is`, `it`, `me`, `to`, `us`, `info`, `app`).
const ENDINGS: &[&[u8]] = &[
    b"com", b"net", b"org", b"edu", b"gov", b"mil", b"biz", b"io", b"co", b"eu", b"uk", b"ie",
    b"de", b"at", b"ch", b"fr", b"es", b"pt", b"nl", b"be", b"lu", b"dk", b"se", b"fi", b"pl",
    b"cz", b"sk", b"hu", b"ro", b"bg", b"gr", b"tr", b"ru", b"ua", b"br", b"mx", b"ar", b"ca",
    b"au", b"nz", b"za", b"jp", b"cn", b"kr", b"tw", b"hk", b"sg", b"il", b"example", b"invalid",
    b"test",
];

/// Whose domains are followed by an ending of any country; behind these a dash is as good as a dot.
const PROVIDERS: &[&[u8]] = &[
    b"gmail",
    b"googlemail",
    b"outlook",
    b"hotmail",
    b"live",
    b"icloud",
    b"yahoo",
    b"aol",
    b"gmx",
    b"web",
    b"proton",
    b"protonmail",
    b"yandex",
    b"qq",
    b"orange",
    b"libero",
];

/// Whether a token is the word that all rules but `@` hang on.
pub(super) fn is_at(token: &[u8]) -> bool {
    token.eq_ignore_ascii_case(b"at")
}

pub(super) fn find(value: &[u8]) -> Option<Suspicion> {
    (has_sign(value) || is_spelt_out(value)).then_some(Suspicion::Mail)
}

/// The sign itself, or its percent encoding, once or twice over.
fn has_sign(value: &[u8]) -> bool {
    value.contains(&b'@')
        || value.windows(3).any(|w| w == b"%40")
        || value.windows(5).any(|w| w == b"%2540")
}

/// Whether some word, `at`, and a domain of one label or more with an ending follow one another.
fn is_spelt_out(value: &[u8]) -> bool {
    /// What was seen behind the last `at`.
    struct Domain<'v> {
        labels: usize,
        last: &'v [u8],
        provider: bool,
    }
    let mut open: Option<Domain<'_>> = None;
    for (position, token) in tokens(value).enumerate() {
        let is = |word: &[u8]| token.text.eq_ignore_ascii_case(word);
        if let Some(domain) = &mut open {
            if domain.labels > 0 && ENDINGS.iter().any(|word| is(word)) {
                let dotted = token.before == b'.' || domain.last.eq_ignore_ascii_case(b"dot");
                // Between dashes an ending is often a word or a language: `look-at-the-org-chart`, `stay-at-home-de`.
                let single = domain.labels == 1 && domain.last.len() >= 4;
                if dotted
                    || domain.provider
                    || is(b"com")
                    || is(b"edu")
                    || (single && (is(b"net") || is(b"org")))
                {
                    return true;
                }
            }
            domain.provider |= PROVIDERS.iter().any(|word| is(word));
            domain.labels += 1;
            domain.last = token.text;
        }
        if is_at(token.text) && position > 0 {
            open = Some(Domain {
                labels: 0,
                last: b"",
                provider: false,
            });
        } else if open.as_ref().is_some_and(|domain| domain.labels == REACH) {
            open = None;
        }
    }
    false
}
