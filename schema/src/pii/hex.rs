//! Identifiers written in hexadecimal: UUIDs with and without their dashes, hardware and IPv6 addresses, trace
//! ids, digests, full commits.

use super::{Suspicion, tokens};

/// Below this many digits hexadecimal text cannot be told from words (`decade`, `face-feed`).
pub(super) const FEWEST_DIGITS: usize = 3;

/// 64 bits. Twelve digits are a short commit, fourteen the name of a CDN distribution; ids begin here.
const LONGEST_RUN: usize = 15;

/// Groups of four and more with digits and letters in them: one is a commit beside its date, two are an id.
const MIXED_GROUPS: usize = 2;
/// With less in the whole chain it may still be a list of short names.
const CHAIN: usize = 12;

/// The lengths of the last groups, a byte each, the newest lowest.
const UUID: u64 = 0x08_04_04_04_0c;
const HARDWARE_ADDRESS: u64 = 0x02_02_02_02_02_02;

pub(super) fn find(value: &[u8]) -> Option<Suspicion> {
    let mut chain = Chain::default();
    for token in tokens(value) {
        if has_long_run(token.text) {
            return Some(Suspicion::Identifier);
        }
        // A version's `+` begins something new.
        if token.gap > 2 || token.before == b'+' {
            chain = Chain::default();
        }
        if token.text.iter().all(u8::is_ascii_hexdigit) {
            chain.add(token.text);
        } else {
            chain = Chain::default();
        }
        if chain.is_id() {
            return Some(Suspicion::Identifier);
        }
    }
    None
}

/// As git writes it, with or without the `g` of `git describe`.
pub(super) fn is_short_commit(token: &[u8]) -> bool {
    let digits = match token {
        [b'g' | b'G', digits @ ..] => digits,
        digits => digits,
    };
    (7..=12).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit)
}

/// Also inside a longer token. A run without letters is for `number` to judge: it could be a time.
fn has_long_run(token: &[u8]) -> bool {
    token.len() > LONGEST_RUN
        && token
            .split(|byte| !byte.is_ascii_hexdigit())
            .filter(|run| run.len() > LONGEST_RUN)
            .any(|run| {
                let digits = count_digits(run);
                digits >= FEWEST_DIGITS && digits < run.len()
            })
}

fn count_digits(text: &[u8]) -> usize {
    text.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// Neighbouring tokens that are all hexadecimal.
#[derive(Default)]
struct Chain {
    lengths: u64,
    groups: usize,
    mixed: usize,
    total: usize,
    digits: usize,
}

impl Chain {
    fn add(&mut self, group: &[u8]) {
        let digits = count_digits(group);
        self.lengths = self.lengths << 8 | group.len().min(0xff) as u64;
        self.groups += 1;
        self.mixed += usize::from(group.len() >= 4 && digits > 0 && digits < group.len());
        self.total += group.len();
        self.digits += digits;
    }

    fn is_id(&self) -> bool {
        let grouped = self.groups >= 3 && self.mixed >= MIXED_GROUPS && self.total >= CHAIN;
        let uuid = self.lengths & 0xff_ffff_ffff == UUID;
        let hardware = self.lengths & 0xffff_ffff_ffff == HARDWARE_ADDRESS;
        self.digits >= FEWEST_DIGITS && (grouped || uuid || hardware)
    }
}
