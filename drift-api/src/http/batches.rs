//! `GET /drift/batches`: the counters, newest day first, page by page.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use drift_schema::answer::Batches;
use drift_schema::{Problem, Scope, Service};
use serde::Deserialize;

use super::error::ApiError;
use super::{State, query};
use crate::store::BatchCursor;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only this service's.
    service: Option<Service>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 1,000; 100 if not given.
    limit: Option<u16>,
}

/// Reports per step and day
#[utoipa::path(
    get, path = "/drift/batches", tag = "read", params(Asked),
    responses(
        (status = 200, description = "One page", body = Batches),
        (status = 400, description = "`invalid_query`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(super) async fn list(
    state: Data<State>,
    request: HttpRequest,
) -> Result<Json<Batches>, ApiError> {
    let key = state.authorise(&request, &[Scope::Read]).await?;
    let Asked {
        service,
        cursor,
        limit,
    } = query::read(&request, "service, cursor and limit are known")?;
    let cursor = query::cursor(cursor, BatchCursor::parse)?;
    let limit = query::limit(limit)?;
    let page = state
        .store
        .batches(&key.workspace, service.as_ref(), cursor, limit);
    Ok(Json(state.read(page).await?))
}
