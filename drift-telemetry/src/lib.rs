//! Traces and metrics to an OpenTelemetry collector, by the standard `OTEL_*` variables: what the programs that somebody watches
//! share. What they measure, and what their logs look like, is their own.

mod otlp;
mod settings;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub use otlp::{BoxedLayer, layer, metric_reader, resource, tracer_provider};
pub use settings::{Export, OtelSettings};

/// How long a stopping process waits for a collector to take the rest.
const FLUSH_DEADLINE: Duration = Duration::from_secs(5);

/// What has to be emptied before the process ends. Cheap to clone; every clone is the same.
#[derive(Debug, Clone)]
pub struct Exporters {
    pub meters: SdkMeterProvider,
    pub traces: Option<SdkTracerProvider>,
}

impl Exporters {
    /// Sends what is left, for at most five seconds. Blocks: call it after the runtime has ended, or
    /// from `spawn_blocking`.
    pub fn shutdown(self) {
        if !self.flush_within(FLUSH_DEADLINE) {
            tracing::warn!("some telemetry was not exported before the end");
        }
    }

    /// Whether all was sent.
    pub fn flush_within(self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let (flushed, done) = mpsc::channel();
        let mut pending = 1;
        // Threads of their own, since an export in flight may outlast the deadline.
        thread::spawn({
            let flushed = flushed.clone();
            move || flushed.send(self.meters.shutdown().is_ok())
        });
        if let Some(traces) = self.traces {
            pending += 1;
            thread::spawn(move || flushed.send(traces.shutdown_with_timeout(limit).is_ok()));
        }
        (0..pending).all(|_| {
            let left = deadline.saturating_duration_since(Instant::now());
            done.recv_timeout(left).unwrap_or(false)
        })
    }
}

/// How a span names itself to another process. None: nobody traces.
pub fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| {
        let (trace, span) = (context.trace_id(), context.span_id());
        format!("00-{trace}-{span}-{:02x}", context.trace_flags().to_u8())
    })
}
