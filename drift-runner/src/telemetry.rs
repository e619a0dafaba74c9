//! What others see of us: the log on standard error (standard output belongs to what commands print), and traces and metrics where
//! the standard `OTEL_*` variables name a collector. A pass is a trace; its stations are the spans.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use drift_telemetry::{BoxedLayer, Exporters, OtelSettings};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use serde::Serialize;
use tracing::{Level, Metadata};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

use crate::tick::Summary;

/// Checked while the configuration is read.
pub fn check_filter(text: &str) -> Result<String, &'static str> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("is not a filter, as in info,drift_runner=debug"),
    }
}

pub struct Telemetry {
    pub metrics: Metrics,
    /// To be emptied after the runtime has ended: that blocks for a while.
    pub exporters: Exporters,
}

/// Takes over the process's log. Once per process.
pub fn start(filter: &str, json: bool, otel: &OtelSettings) -> anyhow::Result<Telemetry> {
    let resource = drift_telemetry::resource(otel, "drift-runner");
    let mut layers = vec![log(filter, json)?];
    let traces = match &otel.traces {
        Some(export) => Some(drift_telemetry::tracer_provider(
            export,
            otel,
            resource.clone(),
        )?),
        None => None,
    };
    if let Some(provider) = &traces {
        let tracer = provider.tracer("drift-runner");
        layers.push(drift_telemetry::layer(tracer, is_ours));
    }
    let mut meters = SdkMeterProvider::builder().with_resource(resource);
    if let Some(export) = &otel.metrics {
        let reader = drift_telemetry::metric_reader(export, otel.metric_interval)?;
        meters = meters.with_reader(reader);
    }
    let meters = meters.build();
    Registry::default()
        .with(layers)
        .try_init()
        .context("cannot take over the log")?;
    Ok(Telemetry {
        metrics: Metrics::new(&meters.meter("drift-runner")),
        exporters: Exporters { meters, traces },
    })
}

fn log(filter: &str, json: bool) -> anyhow::Result<BoxedLayer> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .context("DRIFT_LOG is not a filter")?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    Ok(if json {
        lines.json().with_filter(filter).boxed()
    } else {
        lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .with_filter(filter)
            .boxed()
    })
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("drift_runner") && *metadata.level() <= Level::INFO
}

/// What passes did. Labels are words of ours, never of a report.
pub struct Metrics {
    passes: Counter<u64>,
    seconds: Histogram<f64>,
    verdicts: Counter<u64>,
    issues: Counter<u64>,
    failures: Counter<u64>,
}

impl Metrics {
    fn new(meter: &Meter) -> Self {
        let counter = |name, about| meter.u64_counter(name).with_description(about).build();
        Self {
            passes: counter("drift_runner_passes_total", "Passes that came to an end"),
            seconds: meter
                .f64_histogram("drift_runner_pass_seconds")
                .with_description("How long a pass took")
                .with_unit("s")
                .with_boundaries(vec![
                    0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0,
                ])
                .build(),
            verdicts: counter("drift_runner_verdicts_total", "Verdicts, by what was found"),
            issues: counter(
                "drift_runner_issue_actions_total",
                "What was done at the tracker",
            ),
            failures: counter(
                "drift_runner_left_over_total",
                "Drifts and services that wait for the next pass because something failed",
            ),
        }
    }

    pub(crate) fn passed(&self, summary: &Summary, took: Duration) {
        self.passes.add(1, &[]);
        self.seconds.record(took.as_secs_f64(), &[]);
        for drift in &summary.drifts {
            if let Some(verdict) = drift.verdict {
                self.verdicts
                    .add(1, &[KeyValue::new("verdict", word(verdict))]);
            }
            if let Some(action) = drift.action {
                self.issues.add(1, &[KeyValue::new("action", word(action))]);
            }
        }
        let drifts = summary.drifts.iter().filter(|drift| drift.error.is_some());
        let services = summary.services.iter().filter(|one| one.error.is_some());
        let failed = drifts.count() + services.count();
        self.failures.add(failed as u64, &[]);
    }
}

/// As it stands in JSON.
fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
