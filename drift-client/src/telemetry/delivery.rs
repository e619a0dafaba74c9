//! Takes reports from the queue to the backend: the work of the courier, and of `telemetry flush`.

use std::collections::HashSet;
use std::time::Duration;

use drift_schema::Micros;
use reqwest::Client;
use uuid::Uuid;

use super::queue::{Entry, NotOurs};
use super::send::{self, Answer, Verdicts};
use super::{Dropped, Dsn, Queue, Sent, StateFile, Telemetry};

/// Reports in one request.
const BATCH: usize = 100;

/// One process' attempt to empty the queue.
pub struct Delivery<'a> {
    queue: &'a Queue,
    state: &'a StateFile,
    dsn: &'a Dsn,
    client: Client,
    done: Drained,
}

/// What it came to.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Drained {
    pub sent: u64,
    /// Refused for good, by the backend or because the file was damaged.
    pub dropped: u64,
    /// Still there.
    pub waiting: u64,
    /// Why some are still there.
    pub stopped: Option<String>,
}

impl<'a> Delivery<'a> {
    /// None if there is nowhere to send to, or telemetry is off.
    pub fn new(telemetry: &'a Telemetry) -> Option<Self> {
        let on = telemetry.tier != super::Tier::Off;
        let dsn = telemetry.dsn.as_ref().filter(|_| on)?;
        Some(Self {
            queue: &telemetry.queue,
            state: &telemetry.state,
            dsn,
            client: send::client().ok()?,
            done: Drained::default(),
        })
    }

    /// The report for which somebody may be waiting.
    pub async fn first(&mut self, id: Uuid) -> Sent {
        match self.queue.claim(id) {
            Ok(entry) => self.send_one(entry).await,
            Err(NotOurs::Damaged) => {
                self.damaged();
                Sent::Later
            }
            Err(NotOurs::Theirs) => Sent::Later,
        }
    }

    /// Everything that waits, until it is gone or something fails.
    pub async fn rest(mut self) -> Drained {
        self.queue.sweep();
        let mut seen = HashSet::new();
        while self.done.stopped.is_none() {
            let batch = self.claim_batch(&mut seen);
            if batch.is_empty() {
                break;
            }
            self.send_batch(batch).await;
        }
        self.done.waiting = self.queue.ids().len() as u64;
        self.done
    }

    fn claim_batch(&mut self, seen: &mut HashSet<Uuid>) -> Vec<Entry> {
        let mut batch = Vec::new();
        for id in self.queue.ids() {
            if batch.len() == BATCH {
                break;
            }
            if seen.insert(id) {
                match self.queue.claim(id) {
                    Ok(entry) => batch.push(entry),
                    Err(NotOurs::Damaged) => self.damaged(),
                    Err(NotOurs::Theirs) => {}
                }
            }
        }
        batch
    }

    async fn send_batch(&mut self, batch: Vec<Entry>) {
        let (pictured, plain): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|entry| entry.picture().is_some());
        let mut alone = pictured;
        if plain.len() > 1 {
            alone.extend(self.send_lines(plain).await);
        } else {
            alone.extend(plain);
        }
        for entry in alone {
            if self.done.stopped.is_none() {
                self.send_one(entry).await;
            }
        }
    }

    async fn send_one(&mut self, mut entry: Entry) -> Sent {
        let had_picture = entry.report.screenshot_ref.is_some();
        let answer = send::one(&self.client, self.dsn, &mut entry).await;
        let lost_picture = had_picture && entry.report.screenshot_ref.is_none();
        let mut dropped = Dropped {
            pictures: u64::from(lost_picture),
            ..Dropped::default()
        };
        match answer {
            Answer::Taken(known_issue) => {
                entry.remove();
                self.succeeded(1, dropped);
                Sent::Accepted { known_issue }
            }
            Answer::Refused(why) => {
                entry.remove();
                dropped.refused = 1;
                self.succeeded(0, dropped);
                Sent::Refused { why }
            }
            Answer::Later { why, retry_after } => {
                self.failed(why, retry_after);
                Sent::Later
            }
        }
    }

    /// Sends them in one request, and answers those that have to be sent alone.
    async fn send_lines(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut lines = Vec::new();
        for entry in &entries {
            lines.extend_from_slice(&entry.payload);
            lines.push(b'\n');
        }
        match send::many(&self.client, self.dsn, lines).await {
            Answer::Taken(verdicts) => {
                self.settle(entries, &verdicts);
                Vec::new()
            }
            // The request as a whole was not to its taste: a proxy that does not know the path, say.
            Answer::Refused(_) => entries,
            Answer::Later { why, retry_after } => {
                self.failed(why, retry_after);
                Vec::new()
            }
        }
    }

    fn settle(&mut self, entries: Vec<Entry>, verdicts: &Verdicts) {
        let (mut sent, mut dropped) = (0, Dropped::default());
        for (index, entry) in entries.into_iter().enumerate() {
            if verdicts.later.contains(&index) {
                continue;
            }
            if verdicts.refused.contains(&index) {
                dropped.refused += 1;
            } else {
                sent += 1;
            }
            entry.remove();
        }
        self.succeeded(sent, dropped);
        if !verdicts.later.is_empty() {
            self.failed("the backend is too busy for some".to_owned(), None);
        }
    }

    fn succeeded(&mut self, sent: u64, dropped: Dropped) {
        self.done.sent += sent;
        self.done.dropped += dropped.reports();
        let now = Micros::now();
        let _ = self.state.update(|state| {
            state.succeeded(now, sent);
            state.dropped.add(dropped);
        });
    }

    fn failed(&mut self, why: String, retry_after: Option<Duration>) {
        self.done.stopped = Some(why.clone());
        let (now, jitter) = (Micros::now(), jitter());
        let _ = self
            .state
            .update(|state| state.failed(now, why, retry_after, jitter));
    }

    fn damaged(&mut self) {
        self.done.dropped += 1;
        let _ = self.state.update(|state| state.dropped.damaged += 1);
    }

    /// Whether an attempt has failed.
    pub fn is_stopped(&self) -> bool {
        self.done.stopped.is_some()
    }
}

/// Between 0 and 1, so that a thousand clients do not come back at the same moment.
fn jitter() -> f64 {
    let mut bytes = [0; 2];
    // Without randomness the middle does as well.
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}
