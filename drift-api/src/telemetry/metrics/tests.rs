use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode};
use drift_schema::Code;

use crate::telemetry::{LogFormat, OtelSettings, Settings, Telemetry, prepare};

fn telemetry() -> Telemetry {
    let settings = Settings {
        log_format: LogFormat::Pretty,
        log_filter: "off".to_owned(),
        otel: OtelSettings::default(),
    };
    prepare(&settings).unwrap().0
}

/// The samples of one family, without its buckets.
fn samples(text: &str, family: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with(family));
    lines
        .filter(|line| !line.contains("_bucket"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_text_for_prometheus_shows_what_was_counted() {
    let telemetry = telemetry();
    let metrics = telemetry.metrics.clone();
    metrics.accepted(3);
    metrics.accepted(4);
    metrics.duplicate(2);
    metrics.refused(Code::PiiSuspected);
    metrics.refused(Code::Overloaded);
    metrics.refused(Code::Overloaded);
    metrics.flush(250, Duration::from_millis(4));
    metrics.committed(41);
    metrics.committed(40);
    metrics.watch_queue(|| 17);

    let text = telemetry.render_prometheus().unwrap();
    assert_eq!(
        samples(&text, "drift_reports_accepted"),
        ["drift_reports_accepted_total 7"]
    );
    assert_eq!(
        samples(&text, "drift_reports_duplicate"),
        ["drift_reports_duplicate_total 2"]
    );
    assert_eq!(samples(&text, "drift_events"), ["drift_events_position 41"]);
    assert_eq!(samples(&text, "drift_queue"), ["drift_queue_depth 17"]);
    assert_eq!(
        samples(&text, "drift_store_lag"),
        ["drift_store_lag_seconds 0"]
    );
    let flushes = [
        "drift_flush_seconds_sum 0.004",
        "drift_flush_seconds_count 1",
    ];
    assert_eq!(samples(&text, "drift_flush_seconds"), flushes);
    assert!(
        text.contains("drift_flush_size_bucket{le=\"500\"} 1\n"),
        "{text}"
    );
    assert!(
        text.contains("# TYPE drift_reports_refused_total counter"),
        "{text}"
    );
    assert!(text.contains("service_name=\"drift-api\""), "{text}");
    assert!(!text.contains("otel_scope"), "{text}");
}

#[test]
fn every_code_has_a_count_from_the_start() {
    let telemetry = telemetry();
    telemetry.metrics.refused(Code::Overloaded);
    let text = telemetry.render_prometheus().unwrap();
    for code in Code::ALL {
        let count = u32::from(*code == Code::Overloaded);
        let line = format!("drift_reports_refused_total{{code=\"{code}\"}} {count}");
        assert!(text.lines().any(|seen| seen == line), "{line}");
    }
}

#[test]
fn requests_are_labelled_by_what_the_program_knows() {
    let telemetry = telemetry();
    let took = Duration::from_millis(30);
    let route = || Some("/drift/drifts/{service}".to_owned());
    telemetry
        .metrics
        .request(route(), &Method::GET, StatusCode::OK, took);
    telemetry
        .metrics
        .request(route(), &Method::GET, StatusCode::OK, took);
    let invented = Method::from_bytes(b"INVENTED").unwrap();
    telemetry
        .metrics
        .request(None, &invented, StatusCode::NOT_FOUND, took);

    let text = telemetry.render_prometheus().unwrap();
    let known = "{method=\"GET\",route=\"/drift/drifts/{service}\",status=\"200\"";
    assert!(
        text.contains(&format!("drift_http_request_seconds_count{known}}} 2")),
        "{text}"
    );
    let in_time = format!("drift_http_request_seconds_bucket{known},le=\"0.04\"}} 2");
    assert!(text.contains(&in_time), "{text}");
    let unknown = "{method=\"other\",route=\"(none)\",status=\"404\"}";
    assert!(
        text.contains(&format!("drift_http_request_seconds_count{unknown} 1")),
        "{text}"
    );
}

#[test]
fn the_lag_grows_while_the_oldest_report_waits() {
    let telemetry = telemetry();
    let lag = || -> f64 {
        let text = telemetry.render_prometheus().unwrap();
        let line = samples(&text, "drift_store_lag").concat();
        line.split(' ').next_back().unwrap().parse().unwrap()
    };
    telemetry.metrics.waiting_since(Some(Instant::now()));
    let before = lag();
    assert!(lag() > before);
    telemetry.metrics.waiting_since(None);
    assert!(lag() == 0.0);
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_tells_its_size_and_age() {
    let text = telemetry().render_prometheus().unwrap();
    let value = |name: &str| -> f64 {
        let line = samples(&text, name).concat();
        line.split(' ').next_back().unwrap().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_start_time_seconds") > 1.7e9);
}
