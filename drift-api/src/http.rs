//! The HTTP face: which paths there are, and what every handler shares.

mod auth;
mod batches;
mod body;
mod docs;
mod error;
mod events;
mod fresh;
mod health;
mod known;
mod query;
mod reports;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use drift_schema::Code;
use tokio_util::sync::CancellationToken;

use crate::ingest::Ingest;
use crate::keys::Keyring;
use crate::readiness::Readiness;
use crate::store::Store;
use crate::telemetry::Telemetry;
use error::ApiError;

pub use docs::openapi_json;

/// What handlers need; the same for every worker.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) ingest: Ingest,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) telemetry: Telemetry,
    pub(crate) body_deadline: Duration,
    /// Ends streams that would go on for ever.
    pub(crate) stop: CancellationToken,
}

pub(crate) fn routes(config: &mut ServiceConfig) {
    let resource = |path: &str, route: actix_web::Route| {
        web::resource(path.to_owned())
            .route(route)
            .default_service(web::to(method_not_allowed))
    };
    config
        .service(resource("/drift/report", web::post().to(reports::create)))
        .service(resource(
            "/drift/reports",
            web::post().to(reports::create_many),
        ))
        .service(resource("/drift/known", web::get().to(known::show)))
        .service(resource("/drift/fresh", web::get().to(fresh::list)))
        .service(resource("/drift/batches", web::get().to(batches::list)))
        .service(resource("/drift/events", web::get().to(events::list)))
        .service(resource("/healthz", web::get().to(health::alive)))
        .service(resource("/readyz", web::get().to(health::ready)))
        .service(resource("/metrics", web::get().to(health::metrics)))
        .service(resource("/docs/problems", web::get().to(docs::problems)))
        .configure(docs::pages)
        .default_service(web::to(not_found));
}

async fn not_found() -> Result<String, ApiError> {
    Err(Code::NotFound.into())
}

async fn method_not_allowed() -> Result<String, ApiError> {
    Err(Code::MethodNotAllowed.into())
}
