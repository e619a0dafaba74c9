//! Small things that several pages show.

use std::borrow::Borrow;

use drift_schema::run::Issue;
use drift_schema::{Service, Step};

use super::PageError;

/// The one service that a page is asked for. A form that was sent empty asks for all.
pub(super) fn asked_service(name: Option<&str>) -> Result<Option<Service>, PageError> {
    match name.map(str::trim) {
        None | Some("") => Ok(None),
        Some(name) => match Service::parse(name) {
            Ok(service) => Ok(Some(service)),
            Err(_) => Err(PageError::NotFound("service")),
        },
    }
}

/// Where the page about a drift is.
pub(super) fn drift_url(service: &Service, step: &Step) -> String {
    format!("/drifts/{service}/{}", step.hash())
}

/// An issue, as a link if it can be one: that of a local tracker is a file somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IssueLink {
    pub(super) name: String,
    pub(super) url: Option<String>,
    /// Where it is, if that is no link.
    pub(super) place: String,
    pub(super) state: &'static str,
}

impl IssueLink {
    pub(super) fn of(issue: &Issue) -> Self {
        let is_link = ["https://", "http://"]
            .iter()
            .any(|scheme| issue.url.starts_with(scheme));
        Self {
            name: format!("#{}", issue.number),
            url: is_link.then(|| issue.url.clone()),
            place: issue.url.clone(),
            state: match issue.state {
                drift_schema::run::IssueState::Open => "open",
                drift_schema::run::IssueState::Closed => "closed",
            },
        }
    }
}

/// A count in few characters, as in `1.2k`.
pub(super) fn compact(count: i64) -> String {
    let tenths = |unit: i64| count / (unit / 10);
    match count {
        ..1_000 => count.to_string(),
        1_000..10_000 => format!("{}.{}k", tenths(1_000) / 10, tenths(1_000) % 10),
        10_000..1_000_000 => format!("{}k", count / 1_000),
        1_000_000..10_000_000 => format!("{}.{}M", tenths(1_000_000) / 10, tenths(1_000_000) % 10),
        _ => format!("{}M", count / 1_000_000),
    }
}

/// A count with its thousands apart, by thin spaces.
pub(super) fn grouped(count: impl Borrow<i64>) -> String {
    let count = *count.borrow();
    let digits = count.unsigned_abs().to_string();
    let mut text = if count < 0 {
        "\u{2212}".to_owned()
    } else {
        String::new()
    };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 report`, `2 reports`.
pub(super) fn counted(count: impl Borrow<i64>, what: &str) -> String {
    let count = *count.borrow();
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count))
}

/// A digest in as many digits as tell it from others.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use drift_schema::run::IssueState;

    use super::*;

    #[test]
    fn counts_are_short_where_there_is_no_room_and_whole_elsewhere() {
        let shown = [0, 999, 1_234, 45_678, 1_950_000, 12_000_000].map(compact);
        assert_eq!(shown, ["0", "999", "1.2k", "45k", "1.9M", "12M"]);
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(123), "123");
        assert_eq!(counted(1, "report"), "1 report");
    }

    #[test]
    fn only_an_address_of_the_web_is_a_link() {
        let link = |url: &str| {
            IssueLink::of(&Issue {
                tracker: "local".to_owned(),
                number: 7,
                url: url.to_owned(),
                state: IssueState::Open,
            })
            .url
        };
        assert!(link("https://github.com/o/r/issues/7").is_some());
        for url in [
            "issues/7.md",
            "javascript:alert(1)",
            " https://x",
            "data:text/html,x",
        ] {
            assert_eq!(link(url), None, "{url}");
        }
    }
}
