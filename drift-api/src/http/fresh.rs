//! `GET /drift/fresh`: the one request of an hour in which nothing happened.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use drift_schema::answer::Fresh;
use drift_schema::{Micros, Problem, Scope};
use serde::Deserialize;

use super::error::ApiError;
use super::{State, query};

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Seconds back from now. Without it: all that is not yet handled, however old.
    window: Option<u32>,
}

/// Services with something to look at
///
/// Fresh is what was received in the window and not yet handled by a runner.
#[utoipa::path(
    get, path = "/drift/fresh", tag = "runner", params(Asked),
    responses(
        (status = 200, description = "Possibly none", body = Fresh),
        (status = 400, description = "`invalid_query`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["runner", "read"])),
)]
pub(super) async fn list(
    state: Data<State>,
    request: HttpRequest,
) -> Result<Json<Fresh>, ApiError> {
    let key = state
        .authorise(&request, &[Scope::Runner, Scope::Read])
        .await?;
    let Asked { window } = query::read(
        &request,
        "window is a number of seconds, and nothing else is known",
    )?;
    let now = Micros::now();
    let since = window.map(|seconds| now.minus_seconds(seconds.into()));
    let fresh = state.store.fresh(&key.workspace, since, now);
    Ok(Json(state.read(fresh).await?))
}
