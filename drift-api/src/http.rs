//! The HTTP face: which paths there are, and what every handler shares.

pub(crate) mod actions;
mod artifacts;
mod auth;
mod batches;
pub(crate) mod body;
mod docs;
mod drifts;
pub(crate) mod error;
mod events;
mod fresh;
mod front;
mod health;
mod hooks;
mod known;
mod query;
mod reports;
mod runs;
pub(crate) mod sign_in;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, ALLOW, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder, ResponseError as _, Route,
};
use drift_schema::Code;
use secrecy::SecretString;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::artifacts::Artifacts;
use crate::artifacts::link::Signer;
use crate::contacts::Contacts;
use crate::ingest::Ingest;
use crate::keys::Keyring;
use crate::pages::{Feeds, PageError};
use crate::readiness::Readiness;
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;
use error::ApiError;

pub use docs::openapi_json;
pub(crate) use front::front;
use sign_in::SignIn;

/// What handlers need; the same for every worker.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) ingest: Ingest,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) artifacts: Artifacts,
    /// Bytes per workspace.
    pub(crate) artifact_quota: Option<u64>,
    /// Of links to evidence; without it the processes on a database share one.
    pub(crate) signing_key: Option<SecretString>,
    pub(crate) signer: OnceCell<Signer>,
    pub(crate) webhook_secret: Option<SecretString>,
    pub(crate) sign_in: SignIn,
    /// Where others reach us.
    pub(crate) public_url: Url,
    pub(crate) contacts: Contacts,
    pub(crate) feeds: Feeds,
    /// Whatever goes on beside requests is waited for at the end.
    pub(crate) tasks: TaskTracker,
    pub(crate) telemetry: Telemetry,
    pub(crate) body_deadline: Duration,
    pub(crate) store_deadline: Duration,
    /// Ends streams that would go on for ever.
    pub(crate) stop: CancellationToken,
}

impl State {
    /// What the store answers, if it does so before the client's patience ends: a database may also hang.
    pub(crate) async fn read<T>(
        &self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, ApiError> {
        match tokio::time::timeout(self.store_deadline, asked).await {
            Ok(answered) => Ok(answered?),
            Err(_) => Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut).into()),
        }
    }
}

/// A path with its one method.
struct Resource {
    path: &'static str,
    method: Method,
    route: Route,
}

fn resource<H, Args>(method: Method, path: &'static str, handler: H) -> Resource
where
    H: Handler<Args>,
    Args: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    let route = web::method(method.clone()).to(handler);
    Resource {
        path,
        method,
        route,
    }
}

/// All of them but the pages around `/docs`. A test holds the description in `docs` against this.
fn resources() -> [Resource; 27] {
    [
        resource(Method::POST, "/drift/report", reports::create),
        resource(Method::POST, "/drift/reports", reports::create_many),
        resource(Method::GET, "/drift/known", known::show),
        resource(Method::GET, "/drift/fresh", fresh::list),
        resource(Method::GET, "/drift/batches", batches::list),
        resource(Method::GET, "/drift/drifts", drifts::list),
        resource(
            Method::GET,
            "/drift/drifts/{service}/{step_hash}",
            drifts::show,
        ),
        resource(
            Method::POST,
            "/drift/drifts/{service}/{step_hash}/actions",
            actions::on_drift,
        ),
        resource(
            Method::POST,
            "/drift/services/{service}/actions",
            actions::on_service,
        ),
        resource(Method::GET, "/drift/events", events::list),
        resource(Method::PUT, "/drift/artifacts", artifacts::put),
        resource(Method::GET, "/drift/artifacts/{sha256}", artifacts::show),
        resource(
            Method::POST,
            "/drift/artifacts/{sha256}/link",
            artifacts::link,
        ),
        resource(Method::POST, "/hooks/github", hooks::github),
        resource(Method::GET, "/drift/runs/work", runs::work),
        resource(Method::POST, "/drift/runs", runs::claim),
        resource(Method::POST, "/drift/runs/{run}/heartbeat", runs::heartbeat),
        resource(Method::POST, "/drift/runs/{run}/passed", runs::passed),
        resource(Method::POST, "/drift/runs/{run}/left", runs::left),
        resource(Method::POST, "/drift/runs/{run}/judged", runs::judged),
        resource(Method::POST, "/drift/runs/{run}/done", runs::done),
        resource(Method::POST, "/drift/runs/{run}/finish", runs::finish),
        resource(Method::POST, "/drift/issues/observed", runs::observed),
        resource(Method::POST, "/drift/issues/asked", runs::asked),
        resource(Method::GET, "/healthz", health::alive),
        resource(Method::GET, "/readyz", health::ready),
        resource(Method::GET, "/metrics", health::metrics),
    ]
}

pub(crate) fn routes(config: &mut ServiceConfig) {
    for Resource {
        path,
        method,
        route,
    } in resources()
    {
        let others = web::to(move || method_not_allowed(method.clone()));
        config.service(web::resource(path).route(route).default_service(others));
    }
    config
        // A path that does not read names nothing.
        .app_data(web::PathConfig::default().error_handler(|_, _| ApiError::from(Code::NotFound).into()))
        .configure(docs::pages)
        .configure(crate::pages::routes)
        .default_service(web::to(not_found));
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let accept = request.headers().get(ACCEPT);
    let is_browser = accept.is_some_and(|it| it.to_str().is_ok_and(|it| it.contains("text/html")));
    // Who speaks to the API is a program, whatever it accepts.
    let is_api = ["/drift/", "/hooks/"]
        .iter()
        .any(|api| request.path().starts_with(api));
    if is_browser && !is_api {
        PageError::NotFound("page").error_response()
    } else {
        ApiError::from(Code::NotFound).error_response()
    }
}

async fn method_not_allowed(allowed: Method) -> HttpResponse {
    let mut answer = ApiError::from(Code::MethodNotAllowed).error_response();
    if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
        answer.headers_mut().insert(ALLOW, allowed);
    }
    answer
}
