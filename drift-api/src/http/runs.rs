//! `/drift/runs/…`: what the runner says while it works. All of it may be said twice: the same again changes nothing
//! and is answered the same.

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use drift_schema::run::{
    Asked, Claim, Claimed, Done, Finish, Heartbeat, Judged, Judgement, Leased, Left, Observed,
    Passed, Work,
};
use drift_schema::{Code, Micros, Problem, Refusal, Scope, Workspace};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::error::ApiError;
use super::{State, body};
use crate::lifecycle::Impossible;
use crate::store::Decided;
use crate::telemetry::causes;

/// What there is to do
///
/// The one request of an hour in which nothing happened.
#[utoipa::path(
    get, path = "/drift/runs/work", tag = "runner",
    responses(
        (status = 200, description = "Possibly nothing", body = Work),
    ),
    security(("key" = ["runner", "read"])),
)]
pub(super) async fn work(state: Data<State>, request: HttpRequest) -> Result<Json<Work>, ApiError> {
    let key = state
        .authorise(&request, &[Scope::Runner, Scope::Read])
        .await?;
    if key.may(&[Scope::Runner]) {
        state.hears_of_a_runner(&key.workspace).await;
    }
    let work = state.store.work(&key.workspace, Micros::now());
    Ok(Json(state.read(work).await?))
}

/// Take the work of a service
///
/// Under a lease, which `heartbeat` extends. The run id is the runner's: asked again with it, the answer is the same.
#[utoipa::path(
    post, path = "/drift/runs", tag = "runner", request_body = Claim,
    responses(
        (status = 200, description = "A run, or why there is none", body = Claimed),
        (status = 409, description = "`lease_lost`: this run is over", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["runner"])),
)]
pub(super) async fn claim(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<Claimed>, ApiError> {
    let (workspace, claim) = read::<Claim>(&state, &request, payload).await?;
    let claimed = state.store.claim(&workspace, claim, Micros::now());
    Ok(Json(decided(&state, claimed).await?))
}

macro_rules! about_a_run {
    ($($(#[doc = $doc:literal])* $name:ident($body:ty) -> $answer:ty = $path:literal, $status:literal, $method:ident;)*) => {
        $($(#[doc = $doc])*
        #[utoipa::path(
            post, path = $path, tag = "runner", request_body = $body, params(("run" = Uuid, Path)),
            responses(
                (status = $status, description = "Done, now or before", body = $answer),
                (status = 409, description = "`lease_lost`, `run_conflict`", body = Problem, content_type = "application/problem+json"),
                (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
            ),
            security(("key" = ["runner"])),
        )]
        pub(super) async fn $name(
            state: Data<State>,
            request: HttpRequest,
            run: Path<Uuid>,
            payload: Payload,
        ) -> Result<HttpResponse, ApiError> {
            let (workspace, body) = read::<$body>(&state, &request, payload).await?;
            let done = state.store.$method(&workspace, run.into_inner(), body, Micros::now());
            Ok(IntoAnswer::into_answer(decided(&state, done).await?))
        })*
    };
}

about_a_run! {
    /// Say that the runner is alive
    heartbeat(Heartbeat) -> Leased = "/drift/runs/{run}/heartbeat", 200, heartbeat;
    /// Note a step that the replay passed
    ///
    /// Its tree is what later pages are compared with.
    passed(Passed) -> () = "/drift/runs/{run}/passed", 204, passed;
    /// Note something that the replay made at the provider
    left(Left) -> () = "/drift/runs/{run}/left", 204, left;
    /// Give a verdict
    ///
    /// The answer says what is to be done at the tracker. That it is to be done is in the log by then.
    judged(Judged) -> Judgement = "/drift/runs/{run}/judged", 200, judge;
    /// Note that a task for the tracker is done
    done(Done) -> () = "/drift/runs/{run}/done", 204, done;
    /// End a run
    finish(Finish) -> () = "/drift/runs/{run}/finish", 204, finish;
}

/// Say how an issue is
///
/// For runners that ask the tracker, since webhooks get lost.
#[utoipa::path(
    post, path = "/drift/issues/observed", tag = "runner", request_body = Observed,
    responses(
        (status = 204, description = "Noted, if it was news"),
        (status = 404, description = "`not_found`: no such drift", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["runner"])),
)]
pub(super) async fn observed(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let (workspace, observed) = read::<Observed>(&state, &request, payload).await?;
    let noted = state.store.observe(&workspace, observed, Micros::now());
    if state.read(noted).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Code::NotFound.into())
    }
}

impl State {
    /// Notes that a runner is there. No request fails for it.
    async fn hears_of_a_runner(&self, workspace: &Workspace) {
        let now = Micros::now();
        if !self.contacts.is_news(workspace, now) {
            return;
        }
        let noting = self.store.hear_of_runner(workspace, now);
        if let Ok(Err(error)) = tokio::time::timeout(self.store_deadline, noting).await {
            tracing::debug!(error = %causes(&error), "could not note that a runner was here");
        }
    }
}

/// Say that the issues were asked about
///
/// Those whose webhooks come are then left alone for a day.
#[utoipa::path(
    post, path = "/drift/issues/asked", tag = "runner", request_body = Asked,
    responses(
        (status = 204, description = "Noted"),
        (status = 401, description = "`missing_key`, `invalid_key`", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`insufficient_scope`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["runner"])),
)]
pub(super) async fn asked(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let (workspace, asked) = read::<Asked>(&state, &request, payload).await?;
    let at = asked.as_of.min(Micros::now());
    state.read(state.store.asked(&workspace, at)).await?;
    Ok(HttpResponse::NoContent().finish())
}

trait IntoAnswer {
    fn into_answer(self) -> HttpResponse;
}

impl IntoAnswer for () {
    fn into_answer(self) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}

impl IntoAnswer for Judgement {
    fn into_answer(self) -> HttpResponse {
        HttpResponse::Ok().json(self)
    }
}

impl IntoAnswer for Leased {
    fn into_answer(self) -> HttpResponse {
        HttpResponse::Ok().json(self)
    }
}

/// The workspace of a runner's key, and what it says.
async fn read<T: DeserializeOwned>(
    state: &State,
    request: &HttpRequest,
    payload: Payload,
) -> Result<(Workspace, T), ApiError> {
    let key = state.authorise(request, &[Scope::Runner]).await?;
    state.hears_of_a_runner(&key.workspace).await;
    Ok((
        key.workspace.clone(),
        body::json(state, request, payload).await?,
    ))
}

async fn decided<T>(state: &State, done: impl Future<Output = Decided<T>>) -> Result<T, ApiError> {
    state.read(done).await?.map_err(|impossible| {
        let refusal = match impossible {
            Impossible::LeaseLost => Refusal::of(Code::LeaseLost),
            Impossible::NotClaimed => {
                Refusal::of(Code::RunConflict).rule("the run was not given this step")
            }
            Impossible::ProofMismatch => Refusal::of(Code::InvalidBody)
                .rule("a confirmed drift needs its proof, and no other verdict has one"),
            Impossible::NotAsked => Refusal::of(Code::RunConflict).rule("that was not asked for"),
            Impossible::Contradiction => {
                Refusal::of(Code::RunConflict).rule("the run gave another verdict before")
            }
        };
        refusal.into()
    })
}
