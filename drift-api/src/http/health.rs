//! `/healthz`, `/readyz`, `/metrics`: for those who keep the process running.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::State;
use super::error::ApiError;
use drift_schema::Code;

/// Longer than this a database that serves anybody does not take for `SELECT 1`.
const PATIENCE: Duration = Duration::from_secs(1);

/// Is the process alive?
///
/// True as long as it can answer and its writer runs. Says nothing about the database: restarting this process would not mend that.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "Alive"), (status = 503, description = "Restart it")))]
pub(super) async fn alive(state: Data<State>) -> HttpResponse {
    if state.ingest.is_running() {
        HttpResponse::Ok().json(json!({"status": "alive"}))
    } else {
        HttpResponse::ServiceUnavailable()
            .json(json!({"status": "dead", "why": "the writer has stopped"}))
    }
}

/// Should this process get requests?
///
/// Not while it starts, stops, cannot reach its database, or has a queue that is nearly full.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = 200, description = "Send requests"), (status = 503, description = "Send them elsewhere; says why")))]
pub(super) async fn ready(state: Data<State>) -> HttpResponse {
    let why = match state.readiness.why_not() {
        Some(why) => Some(why),
        None => match tokio::time::timeout(PATIENCE, state.store.ping()).await {
            Ok(Ok(())) if state.ingest.is_crowded() => Some("the queue is nearly full"),
            Ok(Ok(())) => None,
            Ok(Err(_)) | Err(_) => Some("the database does not answer"),
        },
    };
    match why {
        None => HttpResponse::Ok().json(json!({"status": "ready"})),
        Some(why) => {
            HttpResponse::ServiceUnavailable().json(json!({"status": "not ready", "why": why}))
        }
    }
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, description = "Text format 0.0.4", content_type = "text/plain")))]
pub(super) async fn metrics(state: Data<State>) -> Result<HttpResponse, ApiError> {
    match state.telemetry.render_prometheus() {
        Ok(text) => Ok(HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(text)),
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "metrics could not be rendered"
            );
            Err(Code::Internal.into())
        }
    }
}
