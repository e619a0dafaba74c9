//! What surrounds every request: an id, a span, a measurement.
//!
//! The server wraps itself in [`observe`]. The span exists only where somebody looks: with OTLP, or a
//! log filter that has this target at `debug`. No address of a client is written anywhere.

mod id;

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::Error;
use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::middleware::Next;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::Metrics;
use super::metrics::method_label;
pub use id::RequestId;

/// The target of the request span and of the one line per request, both at `debug`.
pub(super) const TARGET: &str = "drift_api::request";

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! { static CURRENT: RequestId; }

/// The id of the request that is being served: for code that has no request at hand, like the
/// conversion of an error into its answer.
pub fn current_id() -> Option<RequestId> {
    CURRENT.try_with(RequestId::clone).ok()
}

/// The outermost middleware:
/// `.wrap(from_fn(move |request, next| observe(Rc::clone(&metrics), request, next)))`.
///
/// An `Rc` per worker, since workers would fight over the count of an `Arc` at every request.
/// Middleware inside should answer rather than return an error: an error has lost its route.
pub async fn observe<B: MessageBody>(
    metrics: Rc<Metrics>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let started = Instant::now();
    let method = request.method().clone();
    let id = RequestId::given_or_new(request.headers().get(X_REQUEST_ID));
    let span = open_span(&request, &id);
    request.extensions_mut().insert(id.clone());

    let serve = CURRENT.scope(id.clone(), next.call(request));
    let mut outcome = serve.instrument(span.clone()).await;

    let (route, status) = match &mut outcome {
        Ok(answer) => {
            answer.headers_mut().insert(X_REQUEST_ID, id.to_header());
            (answer.request().match_pattern(), answer.status())
        }
        Err(_) => (None, StatusCode::INTERNAL_SERVER_ERROR),
    };
    let (outcome, status) = match outcome {
        Ok(answer) => (Ok(answer), status),
        Err(error) => {
            let mut answer = CURRENT.sync_scope(id.clone(), || error.error_response());
            answer.headers_mut().insert(X_REQUEST_ID, id.to_header());
            let status = answer.status();
            (
                Err(InternalError::from_response(error, answer).into()),
                status,
            )
        }
    };
    let took = started.elapsed();
    close_span(&span, route.as_deref(), status, took);
    metrics.request(route, &method, status, took);
    outcome
}

fn open_span(request: &ServiceRequest, id: &RequestId) -> Span {
    let span = tracing::debug_span!(
        target: TARGET,
        "http.request",
        request.id = %id,
        http.request.method = method_label(request.method()),
        http.route = Empty,
        http.response.status_code = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
    );
    if !span.is_disabled() && request.headers().contains_key("traceparent") {
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        // An error says that traces are not exported: then there is nothing to join.
        let _ = span.set_parent(parent);
    }
    span
}

fn close_span(span: &Span, route: Option<&str>, status: StatusCode, took: Duration) {
    if span.is_disabled() {
        return;
    }
    span.record("http.route", route);
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let milliseconds = took.as_secs_f64() * 1e3;
    span.in_scope(|| tracing::debug!(target: TARGET, milliseconds, "answered"));
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests;
