//! `POST /hooks/github`: what happens to our issues at GitHub. A hint, since hooks get lost: the runner asks too.

use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use drift_schema::run::Observation;
use drift_schema::{Code, Micros, Problem};
use ring::hmac;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::State;
use super::body::Accepts;
use super::error::ApiError;

/// Several times what an issue with its body takes. It is read before anybody has proved anything.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// The part of GitHub's payload that we look at.
#[derive(Deserialize)]
struct Delivery {
    #[serde(default)]
    action: String,
    repository: Option<Repository>,
    issue: Option<Issue>,
    changes: Option<Changes>,
}

#[derive(Deserialize)]
struct Repository {
    html_url: String,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    html_url: String,
}

#[derive(Deserialize)]
struct Changes {
    new_issue: Option<Issue>,
}

/// Take a webhook of GitHub
///
/// Signed with the secret of `DRIFT_GITHUB_WEBHOOK_SECRET`. A delivery that came before changes nothing.
#[utoipa::path(
    post, path = "/hooks/github", tag = "operations",
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 204, description = "Noted, if it was news"),
        (status = 400, description = "`malformed_request`, `malformed_json`", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "`invalid_signature`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`, `unsupported_encoding`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn github(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    state.readiness.check()?;
    let Some(secret) = &state.webhook_secret else {
        return Err(Code::InvalidSignature.into());
    };
    let headers = request.headers();
    let signature = text(headers, "x-hub-signature-256")
        .and_then(|header| header.strip_prefix("sha256="))
        .and_then(|hex| hex::decode(hex).ok())
        .ok_or(Code::InvalidSignature)?;
    let accepts = Accepts {
        media_types: &["application/json"],
        limit: MOST_BYTES,
        // GitHub sends none, and nobody is to make us inflate what is not proved to be GitHub's.
        gzip: false,
        deadline: state.body_deadline,
    };
    let body = accepts.read(&request, payload).await?;
    // Over the very bytes, in constant time.
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hmac::verify(&key, &body, &signature).map_err(|_| Code::InvalidSignature)?;

    let delivery_id = text(headers, "x-github-delivery")
        .filter(|id| !id.is_empty() && id.len() <= 100)
        .ok_or(Code::MalformedRequest)?;
    let delivery: Delivery = serde_json::from_slice(&body).map_err(|_| Code::MalformedJson)?;
    if let Some(repository) = &delivery.repository {
        // Of whatever it tells: webhooks of this repository do come.
        let heard = state.store.heard(&repository.html_url, Micros::now());
        state.read(heard).await?;
    }
    if text(headers, "x-github-event") != Some("issues") {
        return Ok(HttpResponse::NoContent().finish());
    }
    let Some(issue) = delivery.issue else {
        return Ok(HttpResponse::NoContent().finish());
    };
    let moved_to = delivery.changes.and_then(|changes| changes.new_issue);
    let seen = match (delivery.action.as_str(), moved_to) {
        ("closed", _) => Observation::Closed,
        ("reopened", _) => Observation::Open,
        ("transferred", Some(to)) => Observation::Moved {
            number: to.number,
            url: to.html_url,
        },
        ("deleted" | "transferred", _) => Observation::Gone,
        // Labels are the runner's to look at, and all else changes nothing.
        _ => return Ok(HttpResponse::NoContent().finish()),
    };
    let url = issue.html_url;
    let noted = state.store.observe_delivery(
        delivery_id,
        issue.number,
        |ours| ours.tracker == "github" && ours.url == url,
        seen,
        Micros::now(),
    );
    state.read(noted).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn text<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    headers.get(name)?.to_str().ok()
}
