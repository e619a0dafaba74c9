//! Keys that say what they are: vendors give theirs a prefix so that nets like this one find them.

use super::{Suspicion, random, tokens};

/// No vendor has fewer characters behind the prefix; the words behind `sk-`, `hf-` or `npm-` usually have.
pub(super) const SHORTEST_TAIL: usize = 10;

/// A tail need not look as random as a token elsewhere. One in a thousand words of ten letters and more reaches
/// this; of random tails of twenty characters all but one in a thousand do.
const SURPRISE: u32 = 8;

/// From this length on a tail is a key however it reads, behind a prefix that nothing else begins with.
const LONG: usize = 16;
/// The same behind a prefix that could be a country or a tool: `internationalization` has twenty letters.
const LONGER: usize = 24;
/// Behind a plain word length says nothing.
const NEVER: usize = usize::MAX;

/// How a key begins, and from which length its tail is enough; by first letter, since this runs at each token.
/// `_` is any of `-` `_` `.` `:`. Without it the tail is the rest of the same token. What continues another entry
/// is not listed: `sk_` covers `sk-ant-`, `sk-or-`, `sk-proj-` and `sk_live_`.
const fn prefixes(first: u8) -> &'static [(&'static [u8], usize)] {
    match first {
        b'a' => &[
            (b"akia", LONG),
            (b"asia", LONGER),
            (b"aiza", LONG),
            (b"apikey_", NEVER),
        ],
        b'b' => &[(b"bearer_", NEVER)],
        b'd' => &[(b"drift_", LONGER), (b"dop_v1_", LONG)],
        b'e' => &[(b"eyj", SHORTEST_TAIL)], // `{"` in base64: a JWT
        b'g' => &[
            (b"ghp_", LONG),
            (b"gho_", LONG),
            (b"ghu_", LONG),
            (b"ghs_", LONG),
            (b"ghr_", LONG),
            (b"github_pat_", LONG),
            (b"glpat_", LONG),
        ],
        b'h' => &[(b"hf_", LONGER)],
        b'k' => &[(b"key_", NEVER)],
        b'n' => &[(b"npm_", LONGER)],
        b'p' => &[(b"pk_", LONGER), (b"pypi_", LONGER), (b"password_", NEVER)],
        b'r' => &[(b"rk_", LONGER)],
        b's' => &[
            (b"sk_", LONGER),
            (b"sg_", LONGER),
            (b"secret_", NEVER),
            (b"shpat_", LONG),
        ],
        b't' => &[(b"token_", NEVER)],
        b'w' => &[(b"whsec_", LONG)],
        b'x' => &[
            (b"xoxa_", LONG),
            (b"xoxb_", LONG),
            (b"xoxp_", LONG),
            (b"xoxr_", LONG),
            (b"xoxs_", LONG),
            (b"xapp_", LONG),
        ],
        b'y' => &[(b"ya29_", LONG)],
        _ => &[],
    }
}

pub(super) fn find(value: &[u8]) -> Option<Suspicion> {
    let mut announced = None;
    for token in tokens(value) {
        if announced.is_some_and(|enough| is_tail(token.text, enough)) {
            return Some(Suspicion::Secret);
        }
        let rest = &value[token.start..];
        let found = prefixes(rest[0].to_ascii_lowercase())
            .iter()
            .find(|(prefix, _)| begins_with(rest, prefix));
        match found {
            Some(&(prefix, enough)) if prefix.ends_with(b"_") => {
                announced = Some(announced.map_or(enough, |before: usize| before.min(enough)));
            }
            Some(&(prefix, enough)) if is_tail(&token.text[prefix.len()..], enough) => {
                return Some(Suspicion::Secret);
            }
            _ => {}
        }
    }
    None
}

fn is_tail(text: &[u8], enough: usize) -> bool {
    text.len() >= SHORTEST_TAIL && (text.len() >= enough || random::surprise(text) >= SURPRISE)
}

fn begins_with(value: &[u8], prefix: &[u8]) -> bool {
    let same = |(&byte, &expected): (&u8, &u8)| match expected {
        b'_' => matches!(byte, b'-' | b'_' | b'.' | b':'),
        _ => byte.to_ascii_lowercase() == expected,
    };
    value.len() >= prefix.len() && value.iter().zip(prefix).all(same)
}
