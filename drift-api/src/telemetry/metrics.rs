//! What the server counts. Handlers and the writer tell; `/metrics` and OTLP ask.
//!
//! Labels are bounded by this program's text: codes, route patterns, methods, statuses. Never a host,
//! a service, a step, a key or an address. Counters are plain atomics that both readers look at, so
//! that counting costs nothing; only the histograms go through the SDK.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode};
use drift_schema::Code;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

/// 40 ms is what a report may take at saturation.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const REPORTS: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0,
];

/// Cheap to clone; every clone counts into the same numbers.
#[derive(Clone)]
pub struct Metrics(Arc<Instruments>);

struct Instruments {
    numbers: Arc<Numbers>,
    flush_size: Histogram<u64>,
    flush_seconds: Histogram<f64>,
    request_seconds: Histogram<f64>,
}

struct Numbers {
    accepted: AtomicU64,
    duplicate: AtomicU64,
    /// By the place of the code in [`Code::ALL`].
    refused: [AtomicU64; Code::ALL.len()],
    queue_depth: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>,
    /// Microseconds after `start`; 0 when nothing waits.
    waiting_since: AtomicU64,
    start: Instant,
    /// 0 until the first event.
    position: AtomicU64,
}

impl Metrics {
    pub(super) fn new(meter: &Meter) -> Self {
        let numbers = Arc::new(Numbers {
            accepted: AtomicU64::new(0),
            duplicate: AtomicU64::new(0),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
            queue_depth: OnceLock::new(),
            waiting_since: AtomicU64::new(0),
            start: Instant::now(),
            position: AtomicU64::new(0),
        });
        numbers.clone().observe(meter);
        Self(Arc::new(Instruments {
            numbers,
            flush_size: meter
                .u64_histogram("drift_flush_size")
                .with_description("Reports in one transaction")
                .with_boundaries(REPORTS.to_vec())
                .build(),
            flush_seconds: meter
                .f64_histogram("drift_flush_seconds")
                .with_description("Time from the begin to the commit of one transaction")
                .with_unit("s")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            request_seconds: meter
                .f64_histogram("drift_http_request_seconds")
                .with_description("Time from the head of a request to the head of its answer")
                .with_unit("s")
                .with_boundaries(SECONDS.to_vec())
                .build(),
        }))
    }

    /// Reports that are stored now and were not before.
    pub fn accepted(&self, reports: u64) {
        self.0.numbers.accepted.fetch_add(reports, Relaxed);
    }

    /// Reports that were stored already.
    pub fn duplicate(&self, reports: u64) {
        self.0.numbers.duplicate.fetch_add(reports, Relaxed);
    }

    /// One report, or one request for reports, that was refused.
    pub fn refused(&self, code: Code) {
        self.0.numbers.refused[code as usize].fetch_add(1, Relaxed);
    }

    /// One transaction of the writer.
    pub fn flush(&self, reports: u64, took: Duration) {
        self.0.flush_size.record(reports, &[]);
        self.0.flush_seconds.record(took.as_secs_f64(), &[]);
    }

    /// Since when the oldest report has been waiting for its commit; `None` when nothing waits.
    pub fn waiting_since(&self, oldest: Option<Instant>) {
        let numbers = &self.0.numbers;
        let since = oldest.map_or(0, |oldest| {
            let micros = oldest.saturating_duration_since(numbers.start).as_micros();
            u64::try_from(micros).unwrap_or(u64::MAX).max(1)
        });
        numbers.waiting_since.store(since, Relaxed);
    }

    /// The position of an event that is committed; the highest of any workspace is shown.
    pub fn committed(&self, position: u64) {
        self.0.numbers.position.fetch_max(position, Relaxed);
    }

    /// Where to look up how many reports wait. The first one given stays.
    pub fn watch_queue(&self, depth: impl Fn() -> u64 + Send + Sync + 'static) {
        let _ = self.0.numbers.queue_depth.set(Box::new(depth));
    }

    /// One answered request. `route` is the pattern that matched, never the path.
    pub fn request(
        &self,
        route: Option<String>,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let route = match route {
            Some(pattern) => KeyValue::new("route", pattern),
            None => KeyValue::new("route", "(none)"),
        };
        let method = KeyValue::new("method", method_label(method));
        let status = KeyValue::new("status", i64::from(status.as_u16()));
        self.0
            .request_seconds
            .record(took.as_secs_f64(), &[method, route, status]);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Clients can invent methods; a label must not follow them.
pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

impl Numbers {
    fn observe(self: Arc<Self>, meter: &Meter) {
        let numbers = self.clone();
        meter
            .u64_observable_counter("drift_reports_accepted_total")
            .with_description("Reports stored")
            .with_callback(move |out| out.observe(numbers.accepted.load(Relaxed), &[]))
            .build();
        let numbers = self.clone();
        meter
            .u64_observable_counter("drift_reports_duplicate_total")
            .with_description("Reports that were stored before")
            .with_callback(move |out| out.observe(numbers.duplicate.load(Relaxed), &[]))
            .build();
        let numbers = self.clone();
        let labels = Code::ALL
            .iter()
            .map(|code| [KeyValue::new("code", code.as_str())]);
        let labels: Vec<_> = labels.collect();
        meter
            .u64_observable_counter("drift_reports_refused_total")
            .with_description("Refusals by their code")
            // All of them, zeros included: a rate needs the point before the first one.
            .with_callback(move |out| {
                for (count, label) in numbers.refused.iter().zip(&labels) {
                    out.observe(count.load(Relaxed), label);
                }
            })
            .build();
        let numbers = self.clone();
        meter
            .u64_observable_gauge("drift_queue_depth")
            .with_description("Reports that wait for the writer")
            .with_callback(move |out| {
                if let Some(depth) = numbers.queue_depth.get() {
                    out.observe(depth(), &[]);
                }
            })
            .build();
        let numbers = self.clone();
        meter
            .f64_observable_gauge("drift_store_lag_seconds")
            .with_description("How long the oldest report has been waiting for its commit")
            .with_unit("s")
            .with_callback(move |out| out.observe(numbers.lag().as_secs_f64(), &[]))
            .build();
        let numbers = self;
        meter
            .u64_observable_gauge("drift_events_position")
            .with_description("Highest position in the event log that this process committed")
            .with_callback(move |out| match numbers.position.load(Relaxed) {
                0 => {}
                position => out.observe(position, &[]),
            })
            .build();
    }

    fn lag(&self) -> Duration {
        match self.waiting_since.load(Relaxed) {
            0 => Duration::ZERO,
            since => self
                .start
                .elapsed()
                .saturating_sub(Duration::from_micros(since)),
        }
    }
}

#[cfg(test)]
mod tests;
