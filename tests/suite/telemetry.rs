//! What a collector and a Prometheus learn from the server.

use std::time::Duration;

use drift_api::telemetry::{LogFormat, OtelSettings, Settings, prepare};
use harness::otlp::Collector;

#[tokio::test]
async fn what_was_counted_reaches_the_collector_at_the_end() {
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    let otel = OtelSettings::from_lookup(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("api-key=of%20ours".to_owned()),
        "OTEL_RESOURCE_ATTRIBUTES" => Some("deployment.environment.name=test".to_owned()),
        _ => None,
    })
    .unwrap();
    let settings = Settings {
        log_format: LogFormat::Json,
        log_filter: "off".to_owned(),
        otel,
    };
    let (telemetry, _) = prepare(&settings).unwrap();
    telemetry.metrics.accepted(5);
    telemetry.metrics.refused(drift_schema::Code::PiiSuspected);
    telemetry.metrics.flush(5, Duration::from_millis(2));
    tokio::task::spawn_blocking(|| telemetry.shutdown())
        .await
        .unwrap();

    let accepted = collector
        .metric("drift_reports_accepted_total", |_| true)
        .await;
    assert_eq!(accepted.total(), 5.0);
    assert_eq!(accepted.resource["service.name"], "drift-api");
    assert_eq!(accepted.resource["deployment.environment.name"], "test");
    let refused = collector
        .metric("drift_reports_refused_total", |_| true)
        .await;
    assert_eq!(refused.at("code", "pii_suspected"), Some(1.0));
    let flushes = collector.metric("drift_flush_seconds", |_| true).await;
    assert_eq!((flushes.total(), flushes.unit.as_str()), (1.0, "s"));
    let key = collector
        .when(|_| true, |received| received.headers["api-key"].clone())
        .await;
    assert_eq!(key, "of ours");
}

/// The part of a story that is the same for every way to start a server: `server` is its URL, and its
/// `OTEL_EXPORTER_OTLP_ENDPOINT` is the collector's.
#[expect(dead_code, reason = "until the harness starts servers")]
async fn a_request_is_one_span_of_the_callers_trace(server: &str, collector: &Collector) {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let caller = "00f067aa0ba902b7";
    let answer = reqwest::Client::new()
        .get(format!("{server}/healthz"))
        .header("traceparent", format!("00-{trace}-{caller}-01"))
        .header("x-request-id", "traced-1")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-request-id"], "traced-1");

    let ours = |span: &harness::otlp::Span| {
        span.name == "http.request" && span.attributes["request.id"] == "traced-1"
    };
    let span = collector.span(ours).await;
    assert_eq!(span.trace_id, trace);
    assert_eq!(span.parent_span_id, caller);
    assert_eq!(span.attributes["http.route"], "/healthz");
    assert_eq!(span.attributes["http.request.method"], "GET");
    assert_eq!(span.attributes["http.response.status_code"], "200");
    let requests = collector.metric("drift_http_request_seconds", |metric| {
        metric.at("route", "/healthz").is_some()
    });
    assert_eq!(requests.await.at("route", "/healthz"), Some(1.0));
}
