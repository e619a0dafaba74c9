//! What is remembered between two processes about sending: failures, until when to be silent, and what was dropped.
//! `telemetry/state.json`; losing it costs the counts and nothing else.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use drift_schema::Micros;
use serde::{Deserialize, Serialize};

use crate::home::{self, Home};

/// Between two attempts at a backend that fails, at most, before the jitter.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// More than that no server's `Retry-After` is believed.
const LONGEST_SILENCE: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub sent: u64,
    pub dropped: Dropped,
    /// Attempts that failed since the last one that did not.
    pub failures: u32,
    /// Our own pause: what waits is not tried before.
    pub pause_until: Option<Micros>,
    /// The server's: nothing at all is sent before.
    pub silent_until: Option<Micros>,
    pub last_attempt: Option<Micros>,
    pub last_error: Option<String>,
}

/// Reports that will never arrive, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dropped {
    pub queue_full: u64,
    pub too_old: u64,
    pub damaged: u64,
    /// The backend said no for good.
    pub refused: u64,
    /// Screenshots; their reports went without.
    pub pictures: u64,
}

impl Dropped {
    pub fn reports(&self) -> u64 {
        self.queue_full + self.too_old + self.damaged + self.refused
    }

    pub(super) fn add(&mut self, more: Self) {
        self.queue_full += more.queue_full;
        self.too_old += more.too_old;
        self.damaged += more.damaged;
        self.refused += more.refused;
        self.pictures += more.pictures;
    }
}

impl State {
    /// Whether what waits may be tried now.
    pub fn may_send(&self, now: Micros) -> bool {
        let paused = ahead(self.pause_until, now, LONGEST_PAUSE * 2);
        !paused && self.server_allows(now)
    }

    pub fn server_allows(&self, now: Micros) -> bool {
        !ahead(self.silent_until, now, LONGEST_SILENCE)
    }

    pub fn succeeded(&mut self, now: Micros, sent: u64) {
        self.sent += sent;
        self.failures = 0;
        self.pause_until = None;
        self.silent_until = None;
        self.last_attempt = Some(now);
        self.last_error = None;
    }

    /// `jitter` is between 0 and 1. A second at first, then twice as long each time.
    pub fn failed(&mut self, now: Micros, why: String, retry_after: Option<Duration>, jitter: f64) {
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_secs(1 << (self.failures - 1).min(12)).min(LONGEST_PAUSE);
        self.pause_until = Some(after(now, pause.mul_f64(0.5 + jitter)));
        if let Some(wait) = retry_after {
            self.silent_until = Some(after(now, wait.min(LONGEST_SILENCE)));
        }
        self.last_attempt = Some(now);
        self.last_error = Some(why);
    }
}

/// Whether that moment is still to come. One that is further away than it can be was set before the clock was
/// turned back, and does not count.
fn ahead(moment: Option<Micros>, now: Micros, longest: Duration) -> bool {
    moment.is_some_and(|moment| moment > now && moment <= after(now, longest))
}

fn after(now: Micros, wait: Duration) -> Micros {
    let wait = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
    Micros(now.0.saturating_add(wait))
}

#[derive(Debug, Clone)]
pub struct StateFile(PathBuf);

impl StateFile {
    pub fn new(home: &Home) -> Self {
        Self(home.telemetry().join("state.json"))
    }

    /// What was written last; nothing special if that cannot be read.
    pub fn read(&self) -> State {
        let bytes = std::fs::read(&self.0).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Changes it, one process after the other.
    pub fn update(&self, change: impl FnOnce(&mut State)) -> io::Result<()> {
        let lock = home::open_private(&self.0.with_extension("lock"))?;
        lock.lock()?;
        self.write(change)
    }

    /// For a caller that may not wait: in a crowd a count is lost.
    pub(super) fn count_dropped(&self, dropped: Dropped) {
        if dropped == Dropped::default() {
            return;
        }
        let Ok(lock) = home::open_private(&self.0.with_extension("lock")) else {
            return;
        };
        if lock.try_lock().is_ok() {
            let _ = self.write(|state| state.dropped.add(dropped));
        }
    }

    fn write(&self, change: impl FnOnce(&mut State)) -> io::Result<()> {
        let mut state = self.read();
        change(&mut state);
        home::write_private(&self.0, &serde_json::to_vec_pretty(&state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn pauses_grow_with_jitter_and_end_with_the_first_success() {
        let mut state = State::default();
        let now = Micros(0);
        let pause = |state: &State| state.pause_until.unwrap().0 / 100_000;
        for expected in [5, 10, 20, 40] {
            state.failed(now, "down".to_owned(), None, 0.0);
            assert_eq!(pause(&state), expected);
        }
        state.failed(now, "down".to_owned(), None, 1.0);
        assert_eq!(pause(&state), 240);
        for _ in 0..100 {
            state.failed(now, "down".to_owned(), None, 1.0);
        }
        assert_eq!(pause(&state), 54_000);
        assert!(!state.may_send(now) && state.server_allows(now));
        state.succeeded(now, 1);
        assert!(state.may_send(now));
    }

    #[test]
    fn a_server_that_asks_for_silence_gets_it() {
        let mut state = State::default();
        let wait = Some(Duration::from_secs(60));
        state.failed(Micros(0), "busy".to_owned(), wait, 0.5);
        assert!(!state.server_allows(Micros(59 * SECOND)));
        assert!(state.server_allows(Micros(60 * SECOND)));
    }

    #[test]
    fn a_clock_set_back_does_not_silence_for_good() {
        let mut state = State::default();
        let then = Micros(1_000 * 24 * 3600 * SECOND);
        state.failed(then, "busy".to_owned(), Some(Duration::from_secs(60)), 0.5);
        assert!(state.may_send(Micros(0)) && state.server_allows(Micros(0)));
    }

    #[test]
    fn a_damaged_file_starts_from_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        home::private_folder(&home.telemetry()).unwrap();
        let file = StateFile::new(&home);
        std::fs::write(&file.0, "{\"sent\": 3, \"drop").unwrap();
        file.update(|state| state.sent += 1).unwrap();
        assert_eq!(file.read().sent, 1);
    }
}
