//! Reports of changed pages, for those who agreed to send them. `TELEMETRY.md` is the promise; this is the code.
//!
//! The caller only writes a file: the report, into the queue. A process of its own (`courier.rs`) talks to the network,
//! so nothing that a backend does or fails to do reaches the caller.

mod courier;
mod delivery;
mod dsn;
mod queue;
mod send;
mod state;

use std::path::PathBuf;
use std::time::Duration;

use drift_schema::answer::KnownIssue;
use drift_schema::scraper::Tripped;
use drift_schema::{
    Digest, Host, Micros, Report, ScraperVersion, Service, Step, Tripwire, TripwireKind,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Settings;
pub use courier::{Courier, Sent};
pub use delivery::{Delivery, Drained};
pub use dsn::Dsn;
pub use queue::{Queue, Waiting};
pub use send::ask_known;
pub use state::{Dropped, State, StateFile};

/// What the user agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    Off,
    Reports,
    /// Reports and a masked screenshot.
    Evidence,
}

/// Where the report of a tripwire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// Telemetry is off.
    Off,
    /// Telemetry is on, but DRIFT_DSN does not say where to.
    NoDsn,
    /// The tripwire has no digest or no host to report.
    Incomplete,
    /// A value looks personal or secret: it stays here.
    HeldBack,
    /// The backend has it.
    Sent,
    /// It waits on disk, and goes out by itself.
    Queued,
    /// The backend refused it for good.
    Refused,
    /// It could not even be written to disk.
    Lost,
}

/// What became of a report, as far as it is known when the caller goes on.
#[derive(Debug, Clone)]
pub struct Filed {
    pub state: ReportState,
    pub report_id: Option<Uuid>,
    pub known_issue: Option<KnownIssue>,
    /// For the person at the terminal, when something should be mended.
    pub note: Option<String>,
}

/// Why a finding is not a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAReport {
    pub state: ReportState,
    pub note: String,
}

impl From<NotAReport> for Filed {
    fn from(reason: NotAReport) -> Self {
        Self::nowhere(reason.state, reason.note)
    }
}

impl Filed {
    fn nowhere(state: ReportState, note: impl Into<Option<String>>) -> Self {
        Self {
            state,
            report_id: None,
            known_issue: None,
            note: note.into(),
        }
    }
}

/// One tripwire, ready to be reported.
#[derive(Debug, Clone)]
pub struct Finding {
    pub service: Service,
    pub kind: TripwireKind,
    pub step: Step,
    pub dom_digest: Option<Digest>,
    pub url_host: Option<Host>,
    pub scraper_version: Option<ScraperVersion>,
    /// A masked PNG.
    pub screenshot: Option<Vec<u8>>,
}

impl Finding {
    pub fn of(service: &Service, tripped: &Tripped, version: Option<&ScraperVersion>) -> Self {
        let screenshot = tripped.screenshot_b64.as_deref().and_then(decode);
        Self {
            service: service.clone(),
            kind: tripped.kind,
            step: tripped.step.clone(),
            dom_digest: tripped.dom_digest.clone(),
            url_host: tripped.url.as_deref().and_then(host_of),
            scraper_version: tripped.scraper_version.as_ref().or(version).cloned(),
            screenshot,
        }
    }

    /// The payload, with an id of its own.
    pub fn report(&self, id: Uuid, tier: Tier) -> Result<Report, NotAReport> {
        let missing = |what: &str| NotAReport {
            state: ReportState::Incomplete,
            note: format!("not reported: the tripwire has no {what}"),
        };
        let version = match &self.scraper_version {
            Some(version) => version.clone(),
            None => own_version().ok_or_else(|| missing("scraper_version"))?,
        };
        let picture = self.picture(tier).map(|png| digest_of(png));
        let report = Report {
            report_id: Some(id),
            service: self.service.clone(),
            tripwire: Tripwire {
                kind: self.kind,
                step: self.step.clone(),
            },
            dom_digest: self
                .dom_digest
                .clone()
                .ok_or_else(|| missing("dom_digest"))?,
            url_host: self
                .url_host
                .clone()
                .ok_or_else(|| missing("url with a host name"))?,
            scraper_version: version,
            screenshot_ref: picture.transpose().map_err(|()| missing("screenshot"))?,
        };
        // The backend's own parser, second net included: what it would refuse does not even touch the disk.
        match serde_json::to_vec(&report).map(|bytes| Report::parse(&bytes)) {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(refusal)) => Err(NotAReport {
                state: ReportState::HeldBack,
                note: format!(
                    "not reported: {} {}",
                    refusal.field.unwrap_or("a value"),
                    refusal.rule.unwrap_or("is not fit to be sent")
                ),
            }),
            Err(_) => Err(missing("payload")),
        }
    }

    /// The screenshot, where it may be sent and is one.
    fn picture(&self, tier: Tier) -> Option<&Vec<u8>> {
        let png = |bytes: &&Vec<u8>| {
            bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.len() <= queue::PICTURE_BYTES
        };
        self.screenshot
            .as_ref()
            .filter(|_| tier == Tier::Evidence)
            .filter(png)
    }
}

/// The telemetry of one process.
#[derive(Debug, Clone)]
pub struct Telemetry {
    pub tier: Tier,
    pub dsn: Option<Dsn>,
    pub queue: Queue,
    pub state: StateFile,
    courier: Courier,
    /// Why nothing can be sent, although somebody wants to.
    problem: Option<String>,
}

impl Telemetry {
    /// `courier` is the program that sends, by its command `telemetry deliver`.
    pub fn new(settings: &Settings, courier: impl Into<PathBuf>) -> Self {
        let (dsn, problem) = match &settings.dsn {
            Ok(dsn) => (dsn.clone(), None),
            Err(problem) => (None, Some(problem.clone())),
        };
        Self {
            tier: settings.telemetry,
            dsn,
            queue: Queue::new(&settings.home),
            state: StateFile::new(&settings.home),
            courier: Courier::new(courier),
            problem,
        }
    }

    /// What the configuration of the telemetry lacks. Never a reason to fail.
    pub fn problem(&self) -> Option<String> {
        let missing = self.tier != Tier::Off && self.dsn.is_none();
        self.problem.clone().or_else(|| {
            missing.then(|| {
                "telemetry is on, but DRIFT_DSN does not say where reports go: nothing is sent"
                    .to_owned()
            })
        })
    }

    /// Sends what waits from earlier, in the background. Free of charge: it starts a process at most.
    pub fn send_waiting(&self) {
        if self.tier == Tier::Off || self.dsn.is_none() || self.queue.is_empty() {
            return;
        }
        if self.state.read().may_send(Micros::now()) {
            self.courier.start(None, None);
        }
    }

    /// Files one report: durably in the queue, then on its way. Waits for the backend's answer for as long as `patience`, and
    /// not at all when the last attempt failed.
    pub async fn file(&self, finding: &Finding, patience: Duration) -> Filed {
        if self.tier == Tier::Off {
            return Filed::nowhere(ReportState::Off, self.problem.clone());
        }
        if self.dsn.is_none() {
            return Filed::nowhere(ReportState::NoDsn, self.problem());
        }
        let now = Micros::now();
        let id = Uuid::now_v7();
        let report = match finding.report(id, self.tier) {
            Ok(report) => report,
            Err(reason) => return reason.into(),
        };
        let picture = finding.picture(self.tier).map(Vec::as_slice);
        match self.queue.push(&report, picture, now) {
            Ok(dropped) => self.state.count_dropped(dropped),
            Err(error) => {
                let note = format!("not reported: the queue cannot be written: {error}");
                return Filed::nowhere(ReportState::Lost, note);
            }
        }
        let mut filed = Filed::nowhere(ReportState::Queued, None);
        filed.report_id = Some(id);
        let state = self.state.read();
        // The server asked for silence: then even the first attempt waits.
        if !state.server_allows(now) {
            return filed;
        }
        let answer = self.courier.start(Some(id), None);
        let patience = if state.failures == 0 {
            patience
        } else {
            Duration::ZERO
        };
        match answer.within(patience).await {
            Some(Sent::Accepted { known_issue }) => {
                filed.state = ReportState::Sent;
                filed.known_issue = known_issue;
            }
            Some(Sent::Refused { why }) => {
                filed.state = ReportState::Refused;
                filed.note = Some(format!("the backend refused the report: {why}"));
            }
            Some(Sent::Later) | None => {}
        }
        filed
    }

    /// Hands a measurement to the courier, who exports it.
    pub fn export(&self, measurement: &str) {
        self.courier.start(None, Some(measurement));
    }
}

/// How long a caller that has worked for `elapsed` waits for an answer that only makes the message nicer.
pub fn patience(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(Duration::from_millis(250), Duration::from_secs(1))
}

/// What counts for a scraper that does not tell its version.
fn own_version() -> Option<ScraperVersion> {
    ScraperVersion::parse(env!("CARGO_PKG_VERSION")).ok()
}

/// All that ever leaves of an address.
pub fn host_of(url: &str) -> Option<Host> {
    let url = url::Url::parse(url).ok()?;
    Host::parse(&url.host_str()?.to_ascii_lowercase()).ok()
}

fn digest_of(bytes: &[u8]) -> Result<Digest, ()> {
    use sha2::{Digest as _, Sha256};
    Digest::parse(&hex::encode(Sha256::digest(bytes))).map_err(|_| ())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests;
