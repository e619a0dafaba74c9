//! How fast we write. GitHub allows about 80 pieces of content a minute, and shuts out for longer who goes beyond.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

pub(super) struct Pace {
    /// Zero is no limit.
    per_minute: usize,
    /// When the writes of the last minute were let through; of one that waits, when it will be.
    passed: Mutex<VecDeque<Instant>>,
}

impl Pace {
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: per_minute as usize,
            passed: Mutex::default(),
        }
    }

    /// Waits until one more write keeps the limit in every sixty seconds.
    pub async fn wait(&self) {
        if self.per_minute == 0 {
            return;
        }
        let now = Instant::now();
        let turn = {
            let mut passed = self.passed.lock().await;
            let turn = if passed.len() < self.per_minute {
                now
            } else {
                passed
                    .pop_front()
                    .map_or(now, |oldest| now.max(oldest + MINUTE))
            };
            passed.push_back(turn);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_writes_than_allowed() {
        let pace = Pace::new(3);
        let start = Instant::now();
        let mut at = Vec::new();
        for _ in 0..10 {
            pace.wait().await;
            at.push(start.elapsed().as_secs());
        }
        assert_eq!(at, [0, 0, 0, 60, 60, 60, 120, 120, 120, 180]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let (pace, start) = (Pace::new(0), Instant::now());
        for _ in 0..1_000 {
            pace.wait().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
