//! `POST …/actions`: what people decide, by programs. The pages for people have forms that do the same (`crate::pages`).

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use drift_schema::action::{DriftAction, ServiceAction};
use drift_schema::answer::Drift;
use drift_schema::{Code, Micros, Problem, Refusal, Scope, Service, StepHash};

use super::error::ApiError;
use super::{State, body};
use crate::lifecycle::drift::triage::Refused;

/// Every service at once, where one is named in a path.
const ALL: &str = "*";

/// Decide about a drift
///
/// Replay it now, mute it, mark it as fixed, say that the step was renamed; each can be taken back. The log says who did it.
#[utoipa::path(
    post, path = "/drift/drifts/{service}/{step_hash}/actions", tag = "triage", request_body = DriftAction,
    params(("service" = Service, Path), ("step_hash" = StepHash, Path)),
    responses(
        (status = 200, description = "Done: the drift as it is now", body = Drift),
        (status = 401, description = "`missing_key`, `invalid_key`", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`insufficient_scope`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`action_conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(super) async fn on_drift(
    state: Data<State>,
    request: HttpRequest,
    path: Path<(Service, StepHash)>,
    payload: Payload,
) -> Result<Json<Drift>, ApiError> {
    let key = state.authorise(&request, &[Scope::Admin]).await?;
    let (service, hash) = path.into_inner();
    let action: DriftAction = body::json(&state, &request, payload).await?;
    let (by, now) = (key.id.clone(), Micros::now());
    let acted = state
        .store
        .act_on_drift(&key.workspace, &service, &hash, action, by, now);
    let acted = state.read(acted).await?.ok_or(Code::NotFound)?;
    Ok(Json(acted.map_err(refusal)?))
}

/// Pause or resume replays
///
/// Of one service, or with `*` of all.
#[utoipa::path(
    post, path = "/drift/services/{service}/actions", tag = "triage", request_body = ServiceAction,
    params(("service" = String, Path, description = "A service, or `*`")),
    responses(
        (status = 204, description = "Done"),
        (status = 401, description = "`missing_key`, `invalid_key`", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`insufficient_scope`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`action_conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(super) async fn on_service(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let key = state.authorise(&request, &[Scope::Admin]).await?;
    let service = one_or_all(&path).ok_or(Code::NotFound)?;
    let action: ServiceAction = body::json(&state, &request, payload).await?;
    let (by, now) = (key.id.clone(), Micros::now());
    let acted = state
        .store
        .act_on_service(&key.workspace, service, action, by, now);
    state.read(acted).await?.map_err(refusal)?;
    Ok(HttpResponse::NoContent().finish())
}

/// None: that is no service. Within: none stands for all.
pub(crate) fn one_or_all(name: &str) -> Option<Option<Service>> {
    match name {
        ALL => Some(None),
        name => Service::parse(name).ok().map(Some),
    }
}

fn refusal(refused: Refused) -> Refusal {
    Refusal::of(Code::ActionConflict).rule(refused.why())
}
