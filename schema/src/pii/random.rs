//! Tokens that read like nothing: keys without a prefix, session ids, passwords.
//!
//! Entropy of single characters does not tell `k3vq9x` from `signup` at such lengths; pairs of neighbours do. In
//! the words of any language that is written with these letters few pairs are common, in random text all are alike.

use super::{Suspicion, hex, tokens};

/// From this length on a token by itself can be random. Shorter ones hold too little to guess from, and real
/// names of that size are often abbreviations (`hf8x2kq` is somebody's product).
const SHORTEST: usize = 12;

/// What a random token piles up. Random tokens of letters and digits reach it in 9 of 10 cases at 14 characters
/// and in 99 of 100 from 22 on; words and compounds of two or three words in less than 1 of 5,000, and those that
/// did were themselves noise (`abefhkmnptuvxbchp`).
const SURPRISE: u32 = 15;

/// What a pair costs in running text is below this, what it costs in random text above.
const USUAL: u32 = 5;

/// How unlikely the second character is after the first, in bits: row, then column, `a` to `z` and any digit.
/// Counted over English manuals and the translations of common tools into fourteen other languages, accents
/// removed and words also glued to one another; the digits are chosen so that `step2form3` stays calm.
const COST: [&[u8; 27]; 27] = [
    b"554477575753437593436678668", // a
    b"367828883683873794573989598", // b
    b"386838933745873795645899668", // c
    b"367527773776763695464779668", // d
    b"565466575754537582347676778", // e
    b"377634782884783894554999698", // f
    b"377627553875654794454789688", // g
    b"277628873765663795644879698", // h
    b"464546587754524695348598768", // i
    b"288627894865763797464789978", // j
    b"277738863955763795444779698", // k
    b"377527773864663798554799598", // l
    b"257728893976564497574899698", // m
    b"375336373866754797435689578", // n
    b"655466576754426593455558868", // o
    b"386737764974773493544999798", // p
    b"587668995994887776670969998", // q
    b"366527673756553795445689668", // r
    b"474737753945664587425779658", // s
    b"386727853876773794544779588", // t
    b"555546585654436593336688768", // u
    b"287828893987864796676899588", // v
    b"287738863976844794576989488", // w
    b"464636763976675396526785598", // x
    b"354546664655444395345669678", // y
    b"277629773866643697655769468", // z
    b"888888888888888888888888884", // a digit
];

pub(super) fn find(value: &[u8]) -> Option<Suspicion> {
    tokens(value)
        .filter(|token| token.text.len() >= SHORTEST)
        // A git commit of up to twelve digits is part of honest versions.
        .filter(|token| !hex::is_short_commit(token.text))
        // A name in another script reads like nothing by design (`xn--`).
        .filter(|token| !(token.gap == 2 && is_punycode(&value[..token.start])))
        .any(|token| surprise(token.text) >= SURPRISE)
        .then_some(Suspicion::HighEntropy)
}

/// The most that any stretch of the token costs above the usual, so that a random tail does not hide behind the
/// word it is glued to.
pub(super) fn surprise(token: &[u8]) -> u32 {
    let (mut run, mut most) = (0, 0);
    for pair in token.windows(2) {
        let cost = COST[column(pair[0])][column(pair[1])] - b'0';
        run = (run + u32::from(cost)).saturating_sub(USUAL);
        most = most.max(run);
    }
    most
}

fn column(byte: u8) -> usize {
    if byte.is_ascii_alphabetic() {
        usize::from(byte.to_ascii_lowercase() - b'a')
    } else {
        26
    }
}

fn is_punycode(before: &[u8]) -> bool {
    before.len() >= 4 && before[before.len() - 4..].eq_ignore_ascii_case(b"xn--")
}
