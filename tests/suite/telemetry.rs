//! What a collector, a Prometheus and whoever reads the log learn from the server.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use drift_api::telemetry::{LogFormat, OtelSettings, Settings, prepare};
use harness::database::Db;
use harness::otlp::Collector;
use harness::server::{Engine, Server, Site};
use harness::{eventually, report};
use serde_json::{Value, json};
use tokio::task::JoinSet;

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

#[tokio::test]
async fn a_request_is_one_span_of_the_callers_trace() {
    let collector = Collector::start();
    let site = Site::new(Engine::Sqlite).await;
    let site = site
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())
        .with("OTEL_METRIC_EXPORT_INTERVAL", "100")
        .with("OTEL_BSP_SCHEDULE_DELAY", "100");
    let server = site.start().await;
    let key = server.create_key("ingest").await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let caller = "00f067aa0ba902b7";
    let request = server.post("/drift/report", &key, &report("openai", "login"));
    let request = request.header("traceparent", format!("00-{trace}-{caller}-01"));
    let answer = request
        .header("x-request-id", "traced-1")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-request-id"]),
        (202, &"traced-1".parse().unwrap())
    );

    let ours = |span: &harness::otlp::Span| {
        span.name == "http.request" && span.attributes["request.id"] == "traced-1"
    };
    let span = collector.span(ours).await;
    assert_eq!(span.trace_id, trace);
    assert_eq!(span.parent_span_id, caller);
    assert_eq!(span.attributes["http.route"], "/drift/report");
    assert_eq!(span.attributes["http.request.method"], "POST");
    assert_eq!(span.attributes["http.response.status_code"], "202");
    assert_eq!(span.resource["service.name"], "drift-api");
    // While the server runs, not only at its end.
    let accepted = collector.metric("drift_reports_accepted_total", |metric| {
        metric.total() > 0.0
    });
    assert_eq!(accepted.await.total(), 1.0);
    let requests = collector.metric("drift_http_request_seconds", |metric| {
        metric.at("route", "/drift/report").is_some()
    });
    assert_eq!(requests.await.at("route", "/drift/report"), Some(1.0));
    server.finish().await;
}

#[tokio::test]
async fn a_dead_collector_costs_no_request_anything() {
    // One that nobody listens on, one that takes the connection and is silent.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let site = Site::new(Engine::Sqlite).await;
    let site = site
        .with(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            &format!("http://{refusing}/v1/traces"),
        )
        .with(
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            &format!("http://{}/v1/metrics", silent.local_addr().unwrap()),
        )
        .with("OTEL_METRIC_EXPORT_INTERVAL", "50")
        .with("OTEL_BSP_SCHEDULE_DELAY", "50");
    let server = site.start().await;
    let key = server.create_key("ingest").await;
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let began = Instant::now();
        server.report(&key, &report("openai", "login")).await;
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    eventually("the trouble is told", async || {
        server
            .log()
            .contains("the OTLP collector did not take an export")
            .then_some(())
    })
    .await;
    let log = server.finish().await;
    let told = log
        .matches("the OTLP collector did not take an export")
        .count();
    assert!(told <= 2, "once for each signal, not each time:\n{log}");
}

/// The value of a series of `/metrics`.
fn value(metrics: &str, series: &str) -> f64 {
    let found = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found
        .unwrap_or_else(|| panic!("no {series} in\n{metrics}"))
        .parse()
        .expect("a number")
}

#[tokio::test]
async fn the_metrics_count_what_happened() {
    let (server, [key, read]) = Server::with_keys(Engine::Sqlite, ["ingest", "read"]).await;
    let one = report("openai", "login");
    let mut conflicting = one.clone();
    conflicting["scraper_version"] = json!("9.9.9");
    let mut unknown = report("openai", "login");
    unknown["user"] = json!("x");
    for (sent, status) in [
        (&one, 202),
        (&one, 202),
        (&conflicting, 409),
        (&unknown, 422),
        (&report("a", "b"), 202),
    ] {
        assert_eq!(server.send(&key, sent).await.status(), status);
    }
    let lines = format!(
        "{}\n{one}\n{unknown}\n{}\n",
        report("openai", "login"),
        report("openai", "signup")
    );
    assert_eq!(server.send_lines(&key, &lines).await.status(), 200);
    assert_eq!(server.send(&read, &one).await.status(), 403);
    assert_eq!(server.send("nonsense", &one).await.status(), 401);

    let metrics = server.metrics().await;
    for (series, expected) in [
        ("drift_reports_accepted_total", 4.0),
        ("drift_reports_duplicate_total", 2.0),
        ("drift_reports_refused_total{code=\"report_conflict\"}", 1.0),
        ("drift_reports_refused_total{code=\"unknown_field\"}", 2.0),
        (
            "drift_reports_refused_total{code=\"insufficient_scope\"}",
            1.0,
        ),
        ("drift_reports_refused_total{code=\"invalid_key\"}", 1.0),
        ("drift_reports_refused_total{code=\"overloaded\"}", 0.0),
        // Four requests of one report, and three lines together.
        ("drift_flush_size_count", 5.0),
        ("drift_flush_size_sum", 7.0),
        ("drift_flush_seconds_count", 5.0),
        ("drift_queue_depth", 0.0),
        ("drift_store_lag_seconds", 0.0),
        // Four keys, two of them of the first start, and the reports.
        ("drift_events_position", 8.0),
        (
            "drift_http_request_seconds_count{method=\"POST\",route=\"/drift/report\",status=\"202\"}",
            3.0,
        ),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}");
    }
    assert!(value(&metrics, "drift_flush_seconds_sum") > 0.0);
    // Nothing that a client chose is a label.
    assert!(
        !metrics.contains("openai") && !metrics.contains("login"),
        "{metrics}"
    );
    server.finish().await;
}

#[tokio::test]
async fn reports_that_wait_for_the_database_show_as_depth_and_lag() {
    let (server, [key]) = Server::with_keys(Engine::Sqlite, ["ingest"]).await;
    server.report(&key, &report("openai", "login")).await;
    let mut other = Db::open(&server.site).await;
    other.must("BEGIN IMMEDIATE").await;
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        waiting.spawn(
            server
                .post("/drift/report", &key, &report("openai", "login"))
                .send(),
        );
    }
    eventually("three wait, for a while", async || {
        let metrics = server.metrics().await;
        let (depth, lag) = (
            value(&metrics, "drift_queue_depth"),
            value(&metrics, "drift_store_lag_seconds"),
        );
        assert!(depth <= 3.0 && lag < 10.0, "{metrics}");
        (depth == 3.0 && lag > 0.1).then_some(())
    })
    .await;
    other.must("COMMIT").await;
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status(), 202);
    }
    eventually("nothing waits", async || {
        let metrics = server.metrics().await;
        let both =
            ["drift_queue_depth", "drift_store_lag_seconds"].map(|series| value(&metrics, series));
        (both == [0.0, 0.0]).then_some(())
    })
    .await;
    server.finish().await;
}

#[tokio::test]
async fn a_failure_inside_is_one_json_line_with_the_id_that_the_client_gave_and_nothing_in_the_answer()
 {
    let site = Site::new(Engine::Sqlite).await;
    // With it there is nobody to be told what to paste, which is not JSON.
    let key = site.create_key("admin").await;
    let site = site.with("DRIFT_LOG_FORMAT", "json");
    let server = site.start().await;
    let mut db = Db::open(&site).await;
    let ask = async |id: &str, path: &str| {
        let request = server.client.get(server.url(path)).bearer_auth(&key);
        let answer = request.header("x-request-id", id).send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"], id);
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let (status, refused) = ask("mine-1", "/drift/batches?limit=0").await;
    assert_eq!((status, &refused["request_id"]), (400, &json!("mine-1")));

    db.must("ALTER TABLE batches RENAME TO elsewhere").await;
    let (status, failed) = ask("mine-2", "/drift/batches").await;
    assert_eq!(
        failed,
        json!({
            "type": "/docs/problems#internal", "title": drift_schema::Code::Internal.title(), "status": status,
            "code": "internal", "request_id": "mine-2",
        })
    );
    assert_eq!(status, 500);
    db.must("ALTER TABLE elsewhere RENAME TO batches").await;
    assert_eq!(ask("mine-3", "/drift/batches").await.0, 200);

    let site = server.site.clone();
    server.signal("TERM").await;
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    let of = |id: &str| {
        lines
            .iter()
            .filter(|line| line["request_id"] == id)
            .collect::<Vec<_>>()
    };
    let told = of("mine-2");
    assert_eq!(told.len(), 1, "{log}");
    assert_eq!(told[0]["level"], "ERROR");
    assert!(told[0].to_string().contains("no such table"), "{}", told[0]);
    // What a client does wrong is counted, not logged.
    assert!(of("mine-1").is_empty() && of("mine-3").is_empty(), "{log}");
    site.assert_clean().await;
}
