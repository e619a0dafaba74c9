//! Latencies in buckets that grow with the value: 64 per doubling, so a quantile is off by less than 2 %.
//! Recording one is an increment, and two histograms add up bucket by bucket.

use std::time::Duration;

const STEPS: usize = 64;
/// Up to here a bucket is one nanosecond wide.
const EXACT: u64 = 2 * STEPS as u64;
const BUCKETS: usize = EXACT as usize + STEPS * 57;

#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }
}

impl Histogram {
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency that a share of `quantile` (0.99, say) does not exceed. Zero when nothing was recorded.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = ((self.total as f64 * quantile).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(middle(index));
            }
        }
        Duration::ZERO
    }

    /// The same in milliseconds, as the tables print it.
    pub fn millis(&self, quantile: f64) -> f64 {
        self.quantile(quantile).as_secs_f64() * 1e3
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < EXACT {
        return nanos as usize;
    }
    // The highest bit says which doubling, the six bits behind it which step.
    let doubling = nanos.ilog2() as usize - 7;
    let step = (nanos >> (doubling + 1)) as usize - STEPS;
    EXACT as usize + doubling * STEPS + step
}

fn middle(index: usize) -> u64 {
    let Some(beyond) = index.checked_sub(EXACT as usize) else {
        return index as u64;
    };
    let (doubling, step) = (beyond / STEPS, beyond % STEPS);
    let low = ((STEPS + step) as u64) << (doubling + 1);
    low + (1 << doubling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_two_percent_of_its_bucket() {
        for nanos in
            (0..63).flat_map(|bit| [1u64 << bit, (1 << bit) + (1 << bit) / 3, (2 << bit) - 1])
        {
            let middle = middle(bucket(nanos));
            assert!(
                nanos.abs_diff(middle) as f64 <= nanos as f64 * 0.02,
                "{nanos} became {middle}"
            );
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_of_an_even_spread_are_where_they_should_be() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (quantile, micros) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let measured = histogram.quantile(quantile).as_secs_f64() * 1e6;
            assert!(
                (measured - micros).abs() < micros * 0.02,
                "{quantile}: {measured}"
            );
        }
    }
}
