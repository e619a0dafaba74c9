//! `GET /drift/known`: asked before a scraper starts, so that a run that must fail is not even begun.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use drift_schema::answer::Known;
use drift_schema::{Problem, Scope, Service, Step};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::error::ApiError;
use super::{State, query};

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    service: Service,
    step: Step,
}

/// Is this step known to be broken?
///
/// The answer has an ETag that moves only when the answer does, not with every report.
#[utoipa::path(
    get, path = "/drift/known", tag = "ingest", params(Asked),
    responses(
        (status = 200, description = "What is known", body = Known),
        (status = 304, description = "The same as the If-None-Match names"),
        (status = 400, description = "`invalid_query`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["ingest", "read"])),
)]
pub(super) async fn show(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = state
        .authorise(&request, &[Scope::Ingest, Scope::Read])
        .await?;
    let Asked { service, step } = query::read(
        &request,
        "service and step are required, and nothing else is known",
    )?;
    let known = state
        .read(state.store.known(&key.workspace, service, step))
        .await?;
    let body = serde_json::to_vec(&known).unwrap_or_default();
    let etag = format!("\"{}\"", &hex::encode(Sha256::digest(&body))[..32]);
    let unchanged = has_it(&request, &etag);
    let mut answer = if unchanged {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((ETAG, etag))
        .insert_header((CACHE_CONTROL, "private, no-cache"));
    Ok(if unchanged {
        answer.finish()
    } else {
        answer.content_type("application/json").body(body)
    })
}

/// Whether the client named this very answer. Weak tags count: the comparison for `If-None-Match` is the weak one.
fn has_it(request: &HttpRequest, etag: &str) -> bool {
    let headers = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok());
    headers
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}
