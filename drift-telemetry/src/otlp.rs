//! Export to an OpenTelemetry collector, by threads that no request waits for.
//!
//! A collector that does not answer costs spans and a warning a minute. `OTEL_BSP_*`, the size of the
//! span queue, is read by the SDK itself.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, Temporality};
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{self, SdkTracer, SdkTracerProvider, SpanData};
use secrecy::ExposeSecret as _;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use super::{Export, OtelSettings};

pub type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Between two warnings about the same trouble.
const REMINDER: Duration = Duration::from_secs(60);

/// `service` is what the program is called unless somebody says otherwise.
pub fn resource(otel: &OtelSettings, service: &'static str) -> Resource {
    let given = otel.resource.iter().cloned();
    // Two processes on one database must not be one time series.
    let instance = uuid::Uuid::new_v4().to_string();
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new("service.name", service))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .with_attributes(given.map(|(key, value)| KeyValue::new(key, value)))
        .build()
}

pub fn tracer_provider(
    export: &Export,
    otel: &OtelSettings,
    resource: Resource,
) -> anyhow::Result<SdkTracerProvider> {
    let exporter = configured(SpanExporter::builder().with_http(), export)
        .build()
        .context("cannot set up the export of traces")?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(Patient::new(exporter, "traces"))
        .with_sampler(otel.sampler.clone())
        .with_resource(resource)
        .build())
}

pub fn metric_reader(
    export: &Export,
    interval: Duration,
) -> anyhow::Result<PeriodicReader<impl PushMetricExporter>> {
    let exporter = configured(MetricExporter::builder().with_http(), export)
        .build()
        .context("cannot set up the export of metrics")?;
    Ok(PeriodicReader::builder(Patient::new(exporter, "metrics"))
        .with_interval(interval)
        .build())
}

fn configured<B>(builder: B, export: &Export) -> B
where
    B: WithExportConfig + WithHttpConfig,
{
    // The HTTP client panics without one; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let headers = export.headers.iter();
    builder
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(export.endpoint.as_str())
        .with_timeout(export.timeout)
        .with_headers(
            headers
                .map(|(key, value)| (key.clone(), value.expose_secret().into()))
                .collect(),
        )
}

/// Spans and events that are ours, as `ours` knows them: the HTTP client of the exporter has spans, too.
pub fn layer(
    tracer: SdkTracer,
    ours: impl Fn(&Metadata<'_>) -> bool + Send + Sync + 'static,
) -> BoxedLayer {
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(ours).with_max_level_hint(LevelFilter::DEBUG))
        .boxed()
}

/// Puts up with a collector that fails, and says so now and then. To the SDK every export succeeds,
/// since it would log each failure.
struct Patient<E> {
    exporter: E,
    signal: &'static str,
    trouble: Mutex<Trouble>,
}

#[derive(Default)]
struct Trouble {
    /// Exports lost since the last one that worked.
    lost: u64,
    warned: Option<Instant>,
}

impl<E> Patient<E> {
    fn new(exporter: E, signal: &'static str) -> Self {
        Self {
            exporter,
            signal,
            trouble: Mutex::default(),
        }
    }

    fn note(&self, outcome: OTelSdkResult) {
        let signal = self.signal;
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) if trouble.lost > 0 => {
                let lost = std::mem::take(&mut *trouble).lost;
                tracing::info!(signal, lost, "the OTLP collector answers again");
            }
            Ok(()) => {}
            Err(error) => {
                trouble.lost += 1;
                if trouble
                    .warned
                    .is_none_or(|warned| warned.elapsed() >= REMINDER)
                {
                    trouble.warned = Some(Instant::now());
                    let lost = trouble.lost;
                    tracing::warn!(signal, lost, %error, "the OTLP collector did not take an export");
                }
            }
        }
    }
}

impl<E> fmt::Debug for Patient<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The exporter itself would print its headers.
        f.debug_struct("Patient")
            .field("signal", &self.signal)
            .finish_non_exhaustive()
    }
}

impl<E: trace::SpanExporter> trace::SpanExporter for Patient<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.note(self.exporter.export(batch).await);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Patient<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.note(self.exporter.export(metrics).await);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
