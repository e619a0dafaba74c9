//! One request to the backend and what its answer means: sent, refused for good, or later.

use std::time::Duration;

use drift_schema::answer::{Known, KnownIssue};
use drift_schema::{Code, Digest, Service, Step};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::Dsn;
use super::queue::Entry;
use crate::http;

/// For one request, from the look-up of the name to the last byte of the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Of which a picture may take this much; the report itself comes after it.
const PICTURE_PATIENCE: Duration = Duration::from_secs(1);
/// A thousand rejected lines fit.
const ANSWER_BYTES: usize = 256 * 1024;

/// Its own limit is behind ours, so that ours is the one that is told.
pub(super) fn client() -> reqwest::Result<Client> {
    http::client(PATIENCE * 2)
}

/// What came of a request.
pub(super) enum Answer<T> {
    Taken(T),
    /// It would be refused again.
    Refused(String),
    Later {
        why: String,
        retry_after: Option<Duration>,
    },
}

/// Sends one report, with its picture before it.
pub(super) async fn one(
    client: &Client,
    dsn: &Dsn,
    entry: &mut Entry,
) -> Answer<Option<KnownIssue>> {
    let within = tokio::time::timeout(PATIENCE, one_by_one(client, dsn, entry));
    within.await.unwrap_or_else(|_| later("no answer in time"))
}

async fn one_by_one(client: &Client, dsn: &Dsn, entry: &mut Entry) -> Answer<Option<KnownIssue>> {
    if let (Some(picture), Some(digest)) = (entry.picture(), entry.report.screenshot_ref.clone()) {
        match put(client, dsn, picture, &digest).await {
            Picture::Taken => entry.picture_is_sent(),
            // The report goes without a picture rather than not at all.
            Picture::Refused => {
                if entry.give_up_picture().is_err() {
                    return later("the queue cannot be written");
                }
            }
            Picture::Unreachable(why) => return later(&why),
        }
    }
    let request = client
        .post(dsn.url("drift/report"))
        .bearer_auth(dsn.key())
        .header(CONTENT_TYPE, "application/json")
        .body(entry.payload.clone());
    let (status, body) = match exchange(request).await {
        Ok(answer) => answer,
        Err(why) => return later(&why),
    };
    match status {
        // Only 202 says that it is stored. Whatever else the answer has is a courtesy.
        Ok(StatusCode::ACCEPTED) => {
            let json: Option<Value> = serde_json::from_slice(&body).ok();
            let issue = json.and_then(|mut json| Some(json.get_mut("known_issue")?.take()));
            Answer::Taken(issue.and_then(|issue| serde_json::from_value(issue).ok()))
        }
        Ok(_) => later("the answer is not a drift tracker's"),
        Err(no) => no.into_answer(&body),
    }
}

/// How many of a batch were taken, and which lines were refused or are for later (counted from 0).
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    pub(super) refused: Vec<usize>,
    pub(super) later: Vec<usize>,
}

/// Sends many reports as lines.
pub(super) async fn many(client: &Client, dsn: &Dsn, lines: Vec<u8>) -> Answer<Verdicts> {
    #[derive(Deserialize)]
    struct Lines {
        rejected: Vec<Rejected>,
    }
    #[derive(Deserialize)]
    struct Rejected {
        line: usize,
        code: Value,
    }
    let request = client
        .post(dsn.url("drift/reports"))
        .bearer_auth(dsn.key())
        .header(CONTENT_TYPE, "application/x-ndjson")
        .body(lines);
    let (status, body) = match exchange(request).await {
        Ok(answer) => answer,
        Err(why) => return later(&why),
    };
    if let Err(no) = status {
        return no.into_answer(&body);
    }
    let Ok(answer) = serde_json::from_slice::<Lines>(&body) else {
        return later("the answer is not a drift tracker's");
    };
    let mut verdicts = Verdicts::default();
    for Rejected { line, code } in answer.rejected {
        let code = serde_json::from_value::<Code>(code).ok();
        let transient = code.is_some_and(|code| code.status() >= 500 || code.status() == 429);
        let side = if transient {
            &mut verdicts.later
        } else {
            &mut verdicts.refused
        };
        side.extend(line.checked_sub(1));
    }
    Answer::Taken(verdicts)
}

enum Picture {
    Taken,
    Refused,
    Unreachable(String),
}

async fn put(client: &Client, dsn: &Dsn, picture: Vec<u8>, digest: &Digest) -> Picture {
    #[derive(Deserialize)]
    struct Stored {
        sha256: String,
    }
    let request = client
        .put(dsn.url("drift/artifacts"))
        .bearer_auth(dsn.key())
        .header(CONTENT_TYPE, "image/png")
        .timeout(PICTURE_PATIENCE)
        .body(picture);
    match request.send().await {
        Ok(answer) if answer.status().is_success() => {
            let body = http::body(answer, ANSWER_BYTES).await.unwrap_or_default();
            match serde_json::from_slice::<Stored>(&body) {
                Ok(stored) if stored.sha256 == digest.as_str() => Picture::Taken,
                _ => Picture::Refused,
            }
        }
        Err(error) if error.is_connect() => Picture::Unreachable(explain(&error)),
        _ => Picture::Refused,
    }
}

/// Asks whether a step is known to be broken.
pub async fn ask_known(dsn: &Dsn, service: &Service, step: &Step) -> Result<Known, String> {
    let client = client().map_err(|error| explain(&error))?;
    let url = dsn.url("drift/known");
    let query = format!("{url}?service={service}&step={step}");
    let (status, body) = exchange(client.get(query).bearer_auth(dsn.key())).await?;
    match status {
        Ok(_) => serde_json::from_slice(&body)
            .map_err(|_| "the answer is not a drift tracker's".to_owned()),
        Err(no) => Err(no.why(&body)),
    }
}

/// A status that is not a yes.
struct No {
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl No {
    fn into_answer<T>(self, body: &[u8]) -> Answer<T> {
        let status = self.status.as_u16();
        // A redirect is a wrong DSN or a login page in between. Following it would hand out the key.
        let later = self.status.is_server_error()
            || self.status.is_redirection()
            || matches!(status, 408 | 425 | 429);
        let why = self.why(body);
        if later {
            Answer::Later {
                why,
                retry_after: self.retry_after,
            }
        } else {
            Answer::Refused(why)
        }
    }

    /// The status, and the code of a problem document if it is one of ours: nothing else of the answer is repeated.
    fn why(&self, body: &[u8]) -> String {
        let status = self.status.as_u16();
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let code =
            json.and_then(|json| serde_json::from_value::<Code>(json.get("code")?.clone()).ok());
        match code {
            Some(code) => format!("status {status}, {code}"),
            None if self.status.is_redirection() => {
                format!("status {status}, a redirect, which is not followed with the key")
            }
            None => format!("status {status}"),
        }
    }
}

type Exchanged = (Result<StatusCode, No>, Vec<u8>);

async fn exchange(request: RequestBuilder) -> Result<Exchanged, String> {
    let within = tokio::time::timeout(PATIENCE, ask(request)).await;
    within.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

async fn ask(request: RequestBuilder) -> Result<Exchanged, String> {
    let answer = request.send().await.map_err(|error| explain(&error))?;
    let status = answer.status();
    let verdict = if status.is_success() && !is_html(&answer) {
        Ok(status)
    } else if status.is_success() {
        return Err("the answer is a web page".to_owned());
    } else {
        Err(No {
            status,
            retry_after: retry_after(answer.headers()),
        })
    };
    let body = http::body(answer, ANSWER_BYTES).await;
    // What refuses needs no body; what takes has one that arrives.
    match (verdict, body) {
        (Ok(status), Some(body)) => Ok((Ok(status), body)),
        (Ok(_), None) => Err("the answer broke off".to_owned()),
        (Err(no), body) => Ok((Err(no), body.unwrap_or_default())),
    }
}

fn is_html(answer: &Response) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let wait = date.signed_duration_since(chrono::Utc::now());
    Some(wait.to_std().unwrap_or_default())
}

fn later<T>(why: &str) -> Answer<T> {
    Answer::Later {
        why: why.to_owned(),
        retry_after: None,
    }
}

/// reqwest's own text has the address in it.
fn explain(error: &reqwest::Error) -> String {
    let why = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "the connection broke"
    };
    why.to_owned()
}
