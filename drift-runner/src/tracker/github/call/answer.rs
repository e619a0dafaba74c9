//! An answer of GitHub's: its limits, its pages, and what to tell a person about it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{self, HeaderMap, HeaderValue};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use url::Url;

use crate::tracker::board::Trouble;
use crate::tracker::text::neutral;

/// What GitHub asks for where it names no time.
const SECONDARY_LIMIT: Duration = Duration::from_secs(60);

const SHORTEST_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(in crate::tracker::github) struct Answer {
    pub status: u16,
    headers: HeaderMap,
    body: String,
    api: Url,
}

impl Answer {
    pub fn new(status: u16, headers: HeaderMap, body: String, api: Url) -> Self {
        Self {
            status,
            headers,
            body,
            api,
        }
    }

    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        serde_json::from_str(&self.body)
            .map_err(|error| self.strange(&format!("JSON that we do not understand: {error}")))
    }

    /// Everything but a token that is not accepted, which is the same whatever was asked.
    pub fn known(self) -> Result<Self, Trouble> {
        match self.status {
            401 => Err(Trouble::Refused {
                why: format!(
                    "GitHub does not accept the token ({}): check GITHUB_TOKEN, or the App's id and key",
                    self.said()
                ),
            }),
            _ => Ok(self),
        }
    }

    pub fn expect(self, statuses: &[u16], what: &str, right: &str) -> Result<Self, Trouble> {
        if statuses.contains(&self.status) {
            Ok(self)
        } else {
            Err(self.refused(what, right))
        }
    }

    pub fn etag(&self) -> Option<&HeaderValue> {
        self.headers.get(header::ETAG)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A list with as much as a page may have, and none after it.
    pub fn is_full_and_last(&self, per_page: usize) -> bool {
        let items = serde_json::from_str::<Vec<IgnoredAny>>(&self.body);
        items.is_ok_and(|items| items.len() >= per_page) && self.next_page().is_none()
    }

    /// How long a limit of GitHub's keeps us out.
    pub fn limit(&self, now: DateTime<Utc>) -> Option<Duration> {
        if !matches!(self.status, 403 | 429) {
            return None;
        }
        if let Some(seconds) = self
            .header("retry-after")
            .and_then(|text| text.parse().ok())
        {
            // A server that asks for none would have us ask without end.
            return Some(Duration::from_secs(seconds).max(SHORTEST_WAIT));
        }
        if self.header("x-ratelimit-remaining") == Some("0") {
            let reset: i64 = self.header("x-ratelimit-reset")?.parse().ok()?;
            // A second more, since clocks differ.
            let seconds = reset.saturating_sub(now.timestamp()).saturating_add(1);
            return Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(1)));
        }
        let says_so =
            self.body.contains("secondary rate limit") || self.body.contains("abuse detection");
        (self.status == 429 || says_so).then_some(SECONDARY_LIMIT)
    }

    /// The path of the next page, at the same API.
    pub fn next_page(&self) -> Option<String> {
        let links = self.header("link")?;
        let next = links
            .split(',')
            .find(|link| link.contains("rel=\"next\""))?;
        self.path_of(next.trim().strip_prefix('<')?.split('>').next()?)
    }

    pub fn location(&self) -> Option<String> {
        self.path_of(self.header("location")?)
    }

    /// Of an address at this API. Others are none of ours: our token goes nowhere else.
    fn path_of(&self, address: &str) -> Option<String> {
        let url = self.api.join(address).ok()?;
        if url.origin() != self.api.origin() {
            return None;
        }
        let base = self.api.path().trim_end_matches('/');
        let path = url.path().strip_prefix(base)?;
        Some(
            url.query()
                .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")),
        )
    }

    /// The status with GitHub's own words.
    pub fn said(&self) -> String {
        let message = serde_json::from_str::<Value>(&self.body).ok();
        let message = message.as_ref().and_then(|body| body["message"].as_str());
        match message {
            Some(message) => format!("{}: {}", self.status, neutral::line(message, 200)),
            None => format!("{}", self.status),
        }
    }

    pub fn refused(&self, what: &str, right: &str) -> Trouble {
        let accepted = self
            .header("x-accepted-github-permissions")
            .filter(|rights| !rights.is_empty());
        let right =
            accepted.map_or_else(|| right.to_owned(), |accepted| accepted.replace('=', ": "));
        let hint = match self.status {
            301 | 307 | 308 => {
                "the repository has another name now, which GITHUB_REPOSITORY is to say".to_owned()
            }
            403 => format!("the token lacks the right `{right}`"),
            404 => format!(
                "either it is not there, or the token lacks the right `{right}`, for which GitHub says 404 too"
            ),
            410 => format!("this needs {right}"),
            _ => format!("it needs the right `{right}`"),
        };
        Trouble::Refused {
            why: format!("GitHub refused to {what} ({}): {hint}", self.said()),
        }
    }

    pub fn strange(&self, what: &str) -> Trouble {
        Trouble::Refused {
            why: format!("GitHub answered {} with {what}", self.status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            (
                header::HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        Answer::new(
            status,
            headers.collect(),
            body.to_owned(),
            Url::parse("https://git.example/api/v3").unwrap(),
        )
    }

    #[test]
    fn a_limit_says_how_long_it_lasts() {
        let now = DateTime::from_timestamp(1_000, 0).unwrap();
        let seconds = |status, headers: &[(&'static str, &str)], body| {
            answer(status, headers, body)
                .limit(now)
                .map(|wait| wait.as_secs())
        };
        assert_eq!(seconds(403, &[("retry-after", "7")], ""), Some(7));
        assert_eq!(
            seconds(
                403,
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1030")
                ],
                ""
            ),
            Some(31)
        );
        assert_eq!(
            seconds(
                403,
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "900")],
                ""
            ),
            Some(1)
        );
        assert_eq!(
            seconds(
                403,
                &[],
                r#"{"message": "You have exceeded a secondary rate limit."}"#
            ),
            Some(60)
        );
        assert_eq!(seconds(429, &[], ""), Some(60));
        assert_eq!(seconds(429, &[("retry-after", "0")], ""), Some(1));
        // A missing right is no limit.
        assert_eq!(
            seconds(
                403,
                &[("x-ratelimit-remaining", "4999")],
                r#"{"message": "Resource not accessible by integration"}"#
            ),
            None
        );
        assert_eq!(seconds(200, &[("retry-after", "7")], ""), None);
    }

    #[test]
    fn the_next_page_is_at_the_same_server_or_nowhere() {
        let next = |link| answer(200, &[("link", link)], "").next_page();
        let page = "<https://git.example/api/v3/repos/a/b/issues?page=2>; rel=\"next\"";
        assert_eq!(next(page).as_deref(), Some("/repos/a/b/issues?page=2"));
        assert_eq!(next("<https://git.example/api/v3/x?page=1>; rel=\"prev\", <https://git.example/api/v3/x?page=3>; rel=\"next\"").as_deref(), Some("/x?page=3"));
        assert_eq!(
            next("<https://evil.example/api/v3/x?page=2>; rel=\"next\""),
            None
        );
        assert_eq!(next("<https://git.example/x>; rel=\"last\""), None);
    }

    #[test]
    fn a_refusal_names_the_right() {
        let message = r#"{"message": "Resource not accessible by integration"}"#;
        let told = answer(
            403,
            &[("x-accepted-github-permissions", "issues=write")],
            message,
        )
        .refused("open an issue", "x")
        .to_string();
        assert_eq!(
            told,
            "GitHub refused to open an issue (403: Resource not accessible by integration): the token lacks the right `issues: write`"
        );
        let told = answer(404, &[], r#"{"message": "Not Found"}"#)
            .refused("open an issue", "issues: write")
            .to_string();
        assert!(
            told.contains("`issues: write`") && told.contains("404 too"),
            "{told}"
        );
    }
}
