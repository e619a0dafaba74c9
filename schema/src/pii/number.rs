//! Numbers that belong to a person or an account: phone, card and bank numbers, account ids, IPv4 addresses.
//! What the calendar explains is none of them.

use super::{Suspicion, hex, tokens};

/// Digits in a row. Six are a build number, the length of a code or a year and month; ids and phone numbers have
/// seven and more.
const LONGEST_RUN: usize = 6;

/// Digits in neighbouring groups of two and more. `1920-1080` and `10.0.19045` have eight; phone numbers with
/// their area have nine, card numbers sixteen. Single digits do not count, or `4.18.0-553.16.1` would be a phone.
const MOST_GROUPED: usize = 8;
/// The same where a group of three and more begins with a zero: area codes do, counters seldom.
const MOST_AFTER_ZERO: usize = 6;
/// A number spelt out digit by digit.
const MOST_SINGLE: usize = 8;

/// How many groups are looked at together. More of them in a row are neither a version nor a time.
const MOST_GROUPS: usize = 24;

/// What git abbreviates a commit to in all but the largest repositories; now and then all of it are digits.
const COMMIT_OF_DIGITS: usize = 8;

/// From here on a number is a card, an account or an id; below it is most likely a phone.
const LONGER_THAN_PHONES: usize = 16;

pub(super) fn find(value: &[u8]) -> Option<Suspicion> {
    let core = version_core(value);
    let mut groups = [Group::default(); MOST_GROUPS];
    let mut count = 0;
    for token in tokens(value) {
        let digits = token
            .text
            .iter()
            .filter(|byte| byte.is_ascii_digit())
            .count();
        let commit = core.is_some() && hex::is_short_commit(token.text);
        let excused = commit
            && (digits < token.text.len() || (token.before == b'+' && digits <= COMMIT_OF_DIGITS));
        if let Some(length) = long_run(token.text).filter(|_| !excused) {
            return Some(by_length(length));
        }
        let number = digits == token.text.len() && !excused;
        let apart = token.gap > 3
            || token.before == b'+'
            || core.is_some_and(|core| token.start == core + 1);
        if !number || apart || count == MOST_GROUPS {
            if let Some(suspicion) = judge(&groups[..count]) {
                return Some(suspicion);
            }
            count = 0;
        }
        if number {
            groups[count] = Group {
                digits: token.text,
                before: token.before,
            };
            count += 1;
        }
    }
    judge(&groups[..count])
}

fn by_length(digits: usize) -> Suspicion {
    if digits < LONGER_THAN_PHONES {
        Suspicion::Phone
    } else {
        Suspicion::Identifier
    }
}

/// The length of `1.4.2` if the value is that, alone or before a dash or a plus. What follows counts apart.
fn version_core(value: &[u8]) -> Option<usize> {
    let core = value.split(|byte| matches!(byte, b'-' | b'+')).next()?;
    let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = core.split(|&byte| byte == b'.');
    let three = (0..3).all(|_| parts.next().is_some_and(number)) && parts.next().is_none();
    three.then_some(core.len())
}

/// The length of a run of digits that is too long and not a time.
fn long_run(token: &[u8]) -> Option<usize> {
    token
        .split(|byte| !byte.is_ascii_digit())
        .find(|run| run.len() > LONGEST_RUN && !is_date(run) && !is_moment(run))
        .map(<[u8]>::len)
}

/// A token that is all digits.
#[derive(Clone, Copy, Default)]
struct Group<'v> {
    digits: &'v [u8],
    /// The separator before it.
    before: u8,
}

/// Judges neighbouring groups as one number.
fn judge(groups: &[Group<'_>]) -> Option<Suspicion> {
    if has_address(groups) {
        return Some(Suspicion::Identifier);
    }
    let (mut grouped, mut single, mut after_zero) = (0, 0, false);
    // A year in front belongs to a name: `cve-2026-12345`.
    let mut rest = match groups {
        [year, behind @ ..] if is_year(year.digits) && after_time(groups).is_none() => behind,
        _ => groups,
    };
    while let [first, behind @ ..] = rest {
        if let Some(later) = after_time(rest) {
            rest = later;
            continue;
        }
        match first.digits {
            [_] => single += 1,
            digits => {
                grouped += digits.len();
                after_zero |= digits.len() >= 3 && digits[0] == b'0';
            }
        }
        rest = behind;
    }
    let most = if after_zero {
        MOST_AFTER_ZERO
    } else {
        MOST_GROUPED
    };
    (grouped > most || single > MOST_SINGLE).then(|| by_length(grouped + single))
}

/// Exactly four numbers up to 255 between equal separators. With dots `1.1.1.1` still passes: so few digits are an
/// outline, or an address that belongs to nobody in particular. With other separators (`ec2-54-12-34-56`) it
/// takes more, as `12-10-8-6` is a list.
fn has_address(groups: &[Group<'_>]) -> bool {
    let octet = |group: &Group<'_>| {
        matches!(
            group.digits,
            [_] | [b'1'..=b'9', _]
                | [b'1', _, _]
                | [b'2', b'0'..=b'4', _]
                | [b'2', b'5', b'0'..=b'5']
        )
    };
    groups.windows(4).enumerate().any(|(at, four)| {
        let mark = four[1].before;
        let alone = (at == 0 || four[0].before != mark)
            && groups.get(at + 4).is_none_or(|next| next.before != mark);
        let digits: usize = four.iter().map(|group| group.digits.len()).sum();
        let least = if mark == b'.' { 5 } else { 7 };
        alone
            && digits >= least
            && four[2].before == mark
            && four[3].before == mark
            && four.iter().all(octet)
    })
}

/// What follows a date, or a date and a time of day, if the groups begin with one: `2026-11-21`, `2026.1121.1030`,
/// `20261121-103000`, `2026-11`.
fn after_time<'g, 'v>(groups: &'g [Group<'v>]) -> Option<&'g [Group<'v>]> {
    match groups {
        [moment, rest @ ..] if is_moment(moment.digits) => Some(rest),
        [date, rest @ ..] if is_date(date.digits) => Some(after_clock(rest)),
        [year, date, rest @ ..] if is_year(year.digits) && is_month_and_day(date.digits) => {
            Some(after_clock(rest))
        }
        [year, month, rest @ ..] if is_year(year.digits) && within(month.digits, 1, 12) => {
            match rest {
                [day, rest @ ..] if within(day.digits, 1, 31) => Some(after_clock(rest)),
                _ => Some(rest),
            }
        }
        _ => None,
    }
}

fn after_clock<'g, 'v>(groups: &'g [Group<'v>]) -> &'g [Group<'v>] {
    match groups {
        [clock, rest @ ..] if is_clock(clock.digits) => rest,
        [hour, minute, rest @ ..] if within(hour.digits, 0, 23) && within(minute.digits, 0, 59) => {
            match rest {
                [second, rest @ ..] if within(second.digits, 0, 59) => rest,
                _ => rest,
            }
        }
        _ => groups,
    }
}

/// From 2000 to 2049: scrapers work in the present, and dates of the last century are dates of birth.
fn is_year(digits: &[u8]) -> bool {
    matches!(digits, [b'2', b'0', b'0'..=b'4', _])
}

fn is_month_and_day(digits: &[u8]) -> bool {
    digits.len() == 4 && within(&digits[..2], 1, 12) && within(&digits[2..], 1, 31)
}

fn is_date(digits: &[u8]) -> bool {
    digits.len() == 8 && is_year(&digits[..4]) && is_month_and_day(&digits[4..])
}

/// Hours and minutes, with or without seconds.
fn is_clock(digits: &[u8]) -> bool {
    matches!(digits.len(), 4 | 6)
        && within(&digits[..2], 0, 23)
        && digits[2..].chunks(2).all(|part| within(part, 0, 59))
}

fn is_moment(digits: &[u8]) -> bool {
    digits.len() > 8 && is_date(&digits[..8]) && is_clock(&digits[8..])
}

/// Two digits and the number they make.
fn within(digits: &[u8], least: u8, most: u8) -> bool {
    matches!(digits, &[tens, ones] if (least..=most).contains(&((tens - b'0') * 10 + (ones - b'0'))))
}
