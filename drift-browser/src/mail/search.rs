//! One look into the mailbox: the newest mails that came since, and whether one has the code.

use futures_util::TryStreamExt as _;
use mail_parser::{Address, MessageParser};

use super::connect::Session;
use super::{Error, Wanted};

/// Of more new mails than these, the newest are looked at.
const MOST_MAILS: usize = 25;

/// Of a mail, in bytes: whatever is attached to it comes behind what it says.
const MOST_OF_A_MAIL: u32 = 512 * 1024;

/// Clocks differ: a mail may seem a little older than the run that asked for it.
const CLOCK_SKEW: i64 = 60;

pub(super) async fn look(
    session: &mut Session,
    wanted: &Wanted,
    seen: &mut usize,
) -> Result<Option<String>, Error> {
    let day = chrono::DateTime::from_timestamp(wanted.since - 86_400, 0).unwrap_or_default();
    let query = format!("SINCE {}", day.format("%d-%b-%Y"));
    let mut mails: Vec<u32> = session.uid_search(query).await?.into_iter().collect();
    mails.sort_unstable_by(|one, other| other.cmp(one));
    mails.truncate(MOST_MAILS);
    if mails.is_empty() {
        return Ok(None);
    }
    let set: Vec<String> = mails.iter().map(u32::to_string).collect();
    // PEEK: whoever reads this mailbox finds its mails unread.
    let fetched = session
        .uid_fetch(
            set.join(","),
            format!("(UID INTERNALDATE BODY.PEEK[]<0.{MOST_OF_A_MAIL}>)"),
        )
        .await?;
    let mut fetched: Vec<_> = fetched.try_collect().await?;
    fetched.sort_by_key(|mail| std::cmp::Reverse(mail.uid));
    let new = fetched.iter().filter(|mail| {
        let came = mail.internal_date().map(|date| date.timestamp());
        came.is_none_or(|came| came >= wanted.since - CLOCK_SKEW)
    });
    let new: Vec<_> = new.collect();
    *seen = new.len();
    Ok(new.iter().find_map(|mail| code_in(mail.body()?, wanted)))
}

/// The code in a mail, when every filter fits.
fn code_in(mail: &[u8], wanted: &Wanted) -> Option<String> {
    let mail = MessageParser::default().parse(mail)?;
    let subject = mail.subject().unwrap_or_default();
    if let Some(pattern) = &wanted.subject
        && !pattern.matches(subject)
    {
        return None;
    }
    if let Some(pattern) = &wanted.from
        && !people(mail.from())
            .iter()
            .any(|person| pattern.matches(person))
    {
        return None;
    }
    if let Some(to) = &wanted.to {
        let mut recipients = people(mail.to());
        recipients.extend(people(mail.cc()));
        let delivered = ["Delivered-To", "X-Original-To"];
        let delivered = delivered.iter().filter_map(|name| mail.header_raw(*name));
        recipients.extend(delivered.map(|line| line.trim().to_owned()));
        if !recipients.iter().any(|one| one.eq_ignore_ascii_case(to)) {
            return None;
        }
    }
    // An HTML part is turned into its text.
    let texts = (0..mail.text_body_count()).filter_map(|part| mail.body_text(part));
    let texts = texts.chain(std::iter::once(subject.into()));
    texts.into_iter().find_map(|text| {
        let found = wanted.pattern.captures(&text)?;
        let code = found.get(1).or_else(|| found.get(0))?;
        Some(code.as_str().to_owned())
    })
}

/// Addresses, and names with their addresses as people write them.
fn people(list: Option<&Address<'_>>) -> Vec<String> {
    let Some(list) = list else { return Vec::new() };
    let mut people = Vec::new();
    for person in list.iter() {
        let address = person.address().unwrap_or_default();
        people.push(address.to_owned());
        if let Some(name) = person.name() {
            people.push(format!("{name} <{address}>"));
        }
    }
    people
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::TextPattern;
    use regex::Regex;

    fn wanted(from: &str, subject: &str, to: &str) -> Wanted {
        let pattern = |text: &str| (!text.is_empty()).then(|| TextPattern::parse(text).unwrap());
        Wanted {
            since: 0,
            to: (!to.is_empty()).then(|| to.to_owned()),
            from: pattern(from),
            subject: pattern(subject),
            pattern: Regex::new(r"\b(\d{6})\b").unwrap(),
        }
    }

    const MAIL: &str = "From: Acme <no-reply@acme.example>\r\nTo: alice+d1@a.example\r\n\
        Subject: =?utf-8?q?Your_c=C3=B6de?=\r\nContent-Type: text/html; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n\
        <style>.x{color:#111111}</style><p>Your code is <b>123=\r\n456</b>.</p>\r\n";

    #[test]
    fn a_code_is_found_behind_encodings_when_the_filters_fit() {
        for (from, subject, to, fits) in [
            ("", "", "", true),
            ("/@acme\\.example/", "/c.de/", "alice+d1@a.example", true),
            ("\"no-reply@acme.example\"", "", "ALICE+d1@a.example", true),
            ("/Acme </", "", "", true),
            ("\"acme.example\"", "", "", false),
            ("", "/invoice/i", "", false),
            ("", "", "bob@a.example", false),
        ] {
            let found = code_in(MAIL.as_bytes(), &wanted(from, subject, to));
            assert_eq!(
                found.as_deref(),
                fits.then_some("123456"),
                "{from} {subject} {to}"
            );
        }
    }
}
