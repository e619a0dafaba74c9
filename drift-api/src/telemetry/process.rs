//! The process about itself, under the names that every Prometheus dashboard knows.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::metrics::Meter;

pub(super) fn observe(meter: &Meter) {
    // Telemetry starts with the process; /proc would only say it in ticks since boot.
    let start = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    meter
        .f64_observable_gauge("process_start_time_seconds")
        .with_description("When the process started, in seconds after 1970")
        .with_unit("s")
        .with_callback(move |out| out.observe(start.as_secs_f64(), &[]))
        .build();
    meter
        .u64_observable_gauge("process_resident_memory_bytes")
        .with_description("Memory that the process holds")
        .with_unit("By")
        .with_callback(|out| {
            if let Some(bytes) = resident_bytes() {
                out.observe(bytes, &[]);
            }
        })
        .build();
}

/// `None` anywhere but on Linux.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
