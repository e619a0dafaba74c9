use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use actix_web::{App, Error, HttpMessage as _, HttpRequest, HttpResponse, error, web};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::{RequestId, X_REQUEST_ID, current_id, observe};
use crate::telemetry::{LogFormat, OtelSettings, Settings, Telemetry, prepare};

fn telemetry() -> Telemetry {
    let settings = Settings {
        log_format: LogFormat::Pretty,
        log_filter: "off".to_owned(),
        otel: OtelSettings::default(),
    };
    prepare(&settings).unwrap().0
}

/// Answers with the ids that a handler can see.
async fn echo(request: HttpRequest) -> HttpResponse {
    let in_request = request.extensions().get::<RequestId>().unwrap().clone();
    let current = current_id().unwrap();
    tracing::info!("inside");
    HttpResponse::Ok().body(format!("{in_request} {current}"))
}

async fn refuse(
    request: ServiceRequest,
    next: Next<actix_web::body::BoxBody>,
) -> Result<ServiceResponse, Error> {
    if request.headers().contains_key("refuse") {
        return Err(error::ErrorImATeapot("no"));
    }
    next.call(request).await
}

async fn answer(
    telemetry: &Telemetry,
    request: TestRequest,
) -> (StatusCode, Option<String>, String) {
    let metrics = Rc::new(telemetry.metrics.clone());
    let app = App::new()
        .wrap(from_fn(refuse))
        .wrap(from_fn(move |request, next| {
            observe(Rc::clone(&metrics), request, next)
        }))
        .route("/things/{id}", web::get().to(echo));
    let service = init_service(app).await;
    let (status, headers, body) = match try_call_service(&service, request.to_request()).await {
        Ok(answer) => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            (status, headers, read_body(answer).await)
        }
        Err(error) => {
            let answer = error.error_response();
            (answer.status(), answer.headers().clone(), web::Bytes::new())
        }
    };
    let id = headers
        .get(X_REQUEST_ID)
        .map(|id| id.to_str().unwrap().to_owned());
    (status, id, String::from_utf8(body.to_vec()).unwrap())
}

#[actix_web::test]
async fn handler_and_answer_share_the_clients_id() {
    let request = TestRequest::get()
        .uri("/things/7")
        .insert_header(("x-request-id", "mine-1"));
    let (status, id, body) = answer(&telemetry(), request).await;
    assert_eq!(status, 200);
    assert_eq!(id.as_deref(), Some("mine-1"));
    assert_eq!(body, "mine-1 mine-1");
}

#[actix_web::test]
async fn an_unusable_id_is_replaced() {
    let request = TestRequest::get()
        .uri("/things/7")
        .insert_header(("x-request-id", "a b"));
    let (_, id, body) = answer(&telemetry(), request).await;
    let id = id.unwrap();
    assert_eq!(id.len(), 16);
    assert_eq!(body, format!("{id} {id}"));
}

#[actix_web::test]
async fn metrics_know_the_route_but_not_the_path() {
    let telemetry = telemetry();
    answer(&telemetry, TestRequest::get().uri("/things/secret-1")).await;
    answer(&telemetry, TestRequest::get().uri("/secret-2")).await;
    let text = telemetry.render_prometheus().unwrap();
    let count = "drift_http_request_seconds_count{method=\"GET\",route=";
    assert!(
        text.contains(&format!("{count}\"/things/{{id}}\",status=\"200\"}} 1")),
        "{text}"
    );
    assert!(
        text.contains(&format!("{count}\"(none)\",status=\"404\"}} 1")),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}

#[actix_web::test]
async fn an_error_from_inner_middleware_is_counted_and_named_too() {
    let telemetry = telemetry();
    let request = TestRequest::get()
        .uri("/things/7")
        .insert_header(("refuse", "1"));
    let (status, id, _) = answer(&telemetry, request).await;
    assert_eq!(status, 418);
    assert!(id.is_some());
    let text = telemetry.render_prometheus().unwrap();
    assert!(
        text.contains("route=\"(none)\",status=\"418\"} 1"),
        "{text}"
    );
}

#[actix_web::test]
async fn the_span_surrounds_the_handler_and_tells_how_it_ended() {
    let seen = Seen::default();
    let subscriber = tracing_subscriber::registry().with(seen.clone());
    let guard = tracing::subscriber::set_default(subscriber);
    let request = TestRequest::get()
        .uri("/things/7")
        .insert_header(("x-request-id", "mine-2"));
    answer(&telemetry(), request).await;
    drop(guard);

    let fields = seen.fields.lock().unwrap().clone();
    assert_eq!(fields["request.id"], "mine-2");
    assert_eq!(fields["http.request.method"], "GET");
    assert_eq!(fields["http.route"], "/things/{id}");
    assert_eq!(fields["http.response.status_code"], "200");
    assert_eq!(*seen.inside.lock().unwrap(), Some("http.request"));
}

#[actix_web::test]
async fn at_info_there_is_no_span() {
    let seen = Seen::default();
    let subscriber =
        tracing_subscriber::registry().with(seen.clone().with_filter(LevelFilter::INFO));
    let guard = tracing::subscriber::set_default(subscriber);
    answer(&telemetry(), TestRequest::get().uri("/things/7")).await;
    drop(guard);
    assert!(seen.fields.lock().unwrap().is_empty());
}

/// Keeps the fields of request spans, and the span around the event of [`echo`].
#[derive(Clone, Default)]
struct Seen {
    fields: Arc<Mutex<BTreeMap<&'static str, String>>>,
    inside: Arc<Mutex<Option<&'static str>>>,
}

impl<S> Layer<S> for Seen
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == "http.request" {
            attributes.record(&mut Fields(&mut self.fields.lock().unwrap()));
        }
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut Fields(&mut self.fields.lock().unwrap()));
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == module_path!() {
            *self.inside.lock().unwrap() = context.event_span(event).map(|span| span.name());
        }
    }
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
