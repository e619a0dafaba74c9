use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::{OtelSettings, Sampler};

fn read(variables: &[(&str, &str)]) -> Result<OtelSettings, Vec<String>> {
    OtelSettings::from_lookup(|name| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn without_an_endpoint_nothing_is_exported() {
    let settings = read(&[("OTEL_SERVICE_NAME", "drift-eu")]).unwrap();
    assert!(settings.traces.is_none() && settings.metrics.is_none());
    let name = ("service.name".to_owned(), "drift-eu".to_owned());
    assert_eq!(settings.resource.last(), Some(&name));
}

#[test]
fn a_signals_own_variable_wins_over_the_common_one() {
    let settings = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "https://metrics.example/otlp",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=abc%20def, x=1"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1500"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "250"),
    ])
    .unwrap();
    let traces = settings.traces.unwrap();
    let metrics = settings.metrics.unwrap();
    assert_eq!(traces.endpoint.as_str(), "http://collector:4318/v1/traces");
    assert_eq!(metrics.endpoint.as_str(), "https://metrics.example/otlp");
    assert_eq!(traces.headers["api-key"].expose_secret(), "abc%20def");
    assert_eq!(traces.timeout, Duration::from_millis(1500));
    assert_eq!(metrics.timeout, Duration::from_secs(10));
    assert_eq!(settings.metric_interval, Duration::from_millis(250));
    assert!(
        !format!("{traces:?}").contains("abc"),
        "a key in a debug line"
    );
}

#[test]
fn export_can_be_switched_off_for_one_signal_or_all() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    let off = read(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap();
    assert!(off.traces.is_none() && off.metrics.is_none());
    let only_traces = read(&[endpoint, ("OTEL_METRICS_EXPORTER", "prometheus")]).unwrap();
    assert!(only_traces.traces.is_some() && only_traces.metrics.is_none());
    let only_metrics = read(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]).unwrap();
    assert!(only_metrics.traces.is_none() && only_metrics.metrics.is_some());
}

#[test]
fn samplers_are_read_with_their_argument() {
    let sampler = |name, argument| {
        let settings = read(&[
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ]);
        settings.map(|settings| format!("{:?}", settings.sampler))
    };
    let quarter = Sampler::TraceIdRatioBased(0.25);
    assert_eq!(sampler("traceidratio", "0.25"), Ok(format!("{quarter:?}")));
    let parent = Sampler::ParentBased(Box::new(quarter));
    assert_eq!(
        sampler("parentbased_traceidratio", "0.25"),
        Ok(format!("{parent:?}"))
    );
    assert!(sampler("traceidratio", "7").is_err());
    assert!(sampler("jaeger_remote", "").is_err());
}

#[test]
fn every_problem_is_told_at_once_and_no_secret_with_it() {
    let problems = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "ftp://me:hunter2@collector",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_METRICS_EXPORTER", "otlp,console"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon"),
    ])
    .unwrap_err();
    assert_eq!(problems.len(), 5, "{problems:#?}");
    assert!(!problems.concat().contains("hunter2"), "{problems:#?}");
}
