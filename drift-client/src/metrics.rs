//! Measurements of provisioning: a line of JSON each in `AGENTKEYS_HOME/metrics.jsonl`, and, where a collector is
//! configured, by OpenTelemetry. Neither is ever a reason to fail or to wait.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use drift_schema::{Digest, Host, Micros, Service, Step, TripwireKind};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_otlp::{MetricExporter, Protocol, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use serde::{Deserialize, Serialize};

use crate::home::{self, Home};
use crate::http;

/// The file is begun anew at this size; the one before is kept.
const FILE_BYTES: u64 = 1024 * 1024;
const EXPORT_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "metric")]
pub enum Measurement {
    /// A page had another shape: where, and what is known of its state.
    TripWireFired {
        at: Micros,
        service: Service,
        kind: TripwireKind,
        step: Step,
        dom_digest: Option<Digest>,
        url_host: Option<Host>,
        has_screenshot: bool,
        /// Lines of the page's tree.
        tree_lines: usize,
    },
    Provision {
        at: Micros,
        service: Service,
        /// `stored`, `scraper`, or `none` where it did not come to that.
        tier_used: String,
        duration_seconds: f64,
        trip_wire_fired: bool,
        /// None where no key was asked about.
        verification_result: Option<String>,
        outcome: String,
    },
}

#[derive(Debug, Clone)]
pub struct Metrics(PathBuf);

impl Metrics {
    pub fn new(home: &Home) -> Self {
        Self(home.metrics())
    }

    /// Best effort: a full disk costs the measurement.
    pub fn write(&self, measurement: &Measurement) {
        let _ = self.try_write(measurement);
    }

    fn try_write(&self, measurement: &Measurement) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(measurement)?;
        line.push(b'\n');
        let mut file = home::append_private(&self.0)?;
        if file.metadata()?.len() > FILE_BYTES {
            std::fs::rename(&self.0, self.0.with_extension("1.jsonl"))?;
            file = home::append_private(&self.0)?;
        }
        file.write_all(&line)
    }
}

/// Sends one measurement to a collector. Blocks: for a thread that nobody waits for.
pub fn export(endpoint: &str, measurement: &Measurement) -> anyhow::Result<()> {
    let Measurement::Provision {
        service,
        tier_used,
        duration_seconds,
        trip_wire_fired,
        verification_result,
        outcome,
        ..
    } = measurement
    else {
        return Ok(());
    };
    http::choose_tls();
    let exporter = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_PATIENCE)
        .build()?;
    let resource = Resource::builder()
        .with_service_name("agentkeys")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter)
        .with_resource(resource)
        .build();
    let meter = provider.meter("agentkeys");
    let verification = verification_result.as_deref().unwrap_or("none");
    let attributes = [
        KeyValue::new("service", service.to_string()),
        KeyValue::new("tier_used", tier_used.clone()),
        KeyValue::new("verification_result", verification.to_owned()),
        KeyValue::new("outcome", outcome.clone()),
    ];
    let duration = meter.f64_histogram("agentkeys.provision.duration");
    let duration = duration.with_unit("s").build();
    duration.record(*duration_seconds, &attributes);
    let fired = meter.u64_counter("agentkeys.trip_wire_fired").build();
    fired.add(u64::from(*trip_wire_fired), &attributes[..1]);
    Ok(provider.shutdown()?)
}
