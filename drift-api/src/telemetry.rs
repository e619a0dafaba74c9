//! Log, metrics and traces: started once by `main`, handed to the server as [`Telemetry`].
//!
//! One set of OpenTelemetry instruments feeds `/metrics` and, where an OTLP endpoint is configured, a
//! collector. Export runs on threads of its own: a dead collector costs a warning a minute, no request.

mod log;
mod metrics;
mod process;
pub mod request;

use anyhow::Context as _;
use drift_telemetry::Exporters;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tracing::{Dispatch, Level, Metadata};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use drift_telemetry::{Export, OtelSettings};
pub use log::{LogFormat, causes, check_filter};
pub use metrics::Metrics;
pub use request::RequestId;

#[derive(Debug, Clone)]
pub struct Settings {
    pub log_format: LogFormat,
    /// As in `info,drift_api=debug`.
    pub log_filter: String,
    pub otel: OtelSettings,
}

/// Takes over the process: its log, its panics, its exporters. Once per process.
pub fn start(settings: &Settings) -> anyhow::Result<Telemetry> {
    let (telemetry, subscriber) = prepare(settings)?;
    subscriber
        .try_init()
        .context("cannot take over the log: was telemetry started twice?")?;
    log::log_panics();
    Ok(telemetry)
}

/// The same without taking over the process, for programs that run several servers.
pub fn prepare(settings: &Settings) -> anyhow::Result<(Telemetry, Dispatch)> {
    let mut layers = vec![log::layer(settings.log_format, &settings.log_filter)?];
    let otel = &settings.otel;
    let resource = drift_telemetry::resource(otel, "drift-api");

    let traces = match &otel.traces {
        Some(export) => Some(drift_telemetry::tracer_provider(
            export,
            otel,
            resource.clone(),
        )?),
        None => None,
    };
    if let Some(provider) = &traces {
        layers.push(drift_telemetry::layer(
            provider.tracer("drift-api"),
            is_ours,
        ));
    }

    let registry = prometheus::Registry::new();
    // Names are whole in the code, so that /metrics, OTLP and a search in the source agree on them.
    let scrape = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .without_units()
        .without_counter_suffixes()
        .build()
        .context("cannot set up /metrics")?;
    let mut meters = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(scrape);
    if let Some(export) = &otel.metrics {
        meters = meters.with_reader(drift_telemetry::metric_reader(
            export,
            otel.metric_interval,
        )?);
    }
    let meters = meters.build();
    let meter = meters.meter("drift-api");
    process::observe(&meter);

    let telemetry = Telemetry {
        metrics: Metrics::new(&meter),
        registry,
        exporters: Exporters { meters, traces },
    };
    Ok((telemetry, Dispatch::new(Registry::default().with(layers))))
}

/// Requests have a span that the log does not show.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("drift_api")
        && (*metadata.level() <= Level::INFO
            || (metadata.is_span() && metadata.target() == request::TARGET))
}

/// Cheap to clone; every clone is the same telemetry.
#[derive(Debug, Clone)]
pub struct Telemetry {
    pub metrics: Metrics,
    registry: prometheus::Registry,
    exporters: Exporters,
}

impl Telemetry {
    /// The body of `/metrics`: `text/plain; version=0.0.4`.
    pub fn render_prometheus(&self) -> anyhow::Result<String> {
        prometheus::TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .context("cannot render the metrics")
    }

    /// Sends what is left, for at most five seconds. Blocks: call it after the runtime has ended, or
    /// from `spawn_blocking`.
    pub fn shutdown(self) {
        self.exporters.shutdown();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;

    pub(super) fn quiet(otel: OtelSettings) -> Settings {
        Settings {
            log_format: LogFormat::Pretty,
            log_filter: "off".to_owned(),
            otel,
        }
    }

    #[test]
    fn a_bad_filter_is_refused_before_anything_starts() {
        let settings = Settings {
            log_filter: "drift_api=loud".to_owned(),
            ..quiet(OtelSettings::default())
        };
        let error = prepare(&settings).map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").contains("drift_api=loud"), "{error:#}");
    }

    #[test]
    fn a_collector_that_never_answers_does_not_hold_the_end_up() {
        // Accepts in the kernel's backlog, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let otel = OtelSettings::from_lookup(|name| {
            (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| endpoint.clone())
        });
        let (telemetry, subscriber) = prepare(&quiet(otel.unwrap())).unwrap();
        tracing::dispatcher::with_default(&subscriber, || {
            tracing::info_span!(target: "drift_api::test", "lost").in_scope(|| {});
        });
        telemetry.metrics.accepted(1);

        let started = Instant::now();
        assert!(!telemetry.exporters.flush_within(Duration::from_millis(100)));
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}
