//! `GET /drift/drifts`: every step that was ever reported or looked at, and what is known about it.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use drift_schema::answer::{DriftDetails, Drifts};
use drift_schema::{Code, Micros, Problem, Scope, Service, StepHash};
use serde::Deserialize;

use super::error::ApiError;
use super::{State, query};
use crate::store::DriftCursor;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only this service.
    service: Option<Service>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 1,000; 100 if not given.
    limit: Option<u16>,
}

/// All drifts
///
/// By service and step.
#[utoipa::path(
    get, path = "/drift/drifts", tag = "read", params(Asked),
    responses(
        (status = 200, description = "One page", body = Drifts),
        (status = 400, description = "`invalid_query`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(super) async fn list(
    state: Data<State>,
    request: HttpRequest,
) -> Result<Json<Drifts>, ApiError> {
    let key = state.authorise(&request, &[Scope::Read]).await?;
    let Asked {
        service,
        cursor,
        limit,
    } = query::read(
        &request,
        "service, cursor and limit are known, and nothing else",
    )?;
    let limit = query::limit(limit)?;
    let cursor = query::cursor(cursor, DriftCursor::parse)?;
    let drifts = state.store.drifts(
        &key.workspace,
        service.as_ref(),
        cursor,
        limit,
        Micros::now(),
    );
    Ok(Json(state.read(drifts).await?))
}

/// One drift
#[utoipa::path(
    get, path = "/drift/drifts/{service}/{step_hash}", tag = "read",
    params(("service" = Service, Path), ("step_hash" = StepHash, Path)),
    responses(
        (status = 200, description = "All that is known about it", body = DriftDetails),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(super) async fn show(
    state: Data<State>,
    request: HttpRequest,
    path: Path<(Service, StepHash)>,
) -> Result<Json<DriftDetails>, ApiError> {
    let key = state.authorise(&request, &[Scope::Read]).await?;
    let (service, hash) = path.into_inner();
    let now = Micros::now();
    let details = state
        .store
        .drift_details(&key.workspace, &service, &hash, now);
    let details = state.read(details).await?.ok_or(Code::NotFound)?;
    Ok(Json(details))
}
