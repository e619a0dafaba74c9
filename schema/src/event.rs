//! The events that the log keeps forever. A payload is written once, in the version of its day; `decode` reads
//! every version that was ever written (`golden/` holds one of each, and a test reads them all).
//!
//! A change of an event is a new version: add its golden file, and lift the older payload in `decode`.

/// Payloads are alike: closed against fields that nobody knows.
macro_rules! events {
    ($($(#[$meta:meta])* pub $keyword:ident $name:ident { $($body:tt)* })*) => {
        $(#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        $(#[$meta])*
        pub $keyword $name { $($body)* })*
    };
}

mod lifecycle;
mod triage;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::report::{Report, Tripwire, TripwireKind};
use crate::time::{Day, Micros};
use crate::words::{Digest, Host, Scope, ScraperVersion, Service, Step};
pub use lifecycle::*;
pub use triage::*;

/// Something that happened, in the newest version of its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    ReportReceived(ReportReceived),
    ReportsErased(ReportsErased),
    BatchesExpired(BatchesExpired),
    KeyCreated(KeyCreated),
    KeyRevoked(KeyRevoked),
    RunClaimed(RunClaimed),
    RunExpired(RunExpired),
    RunFinished(RunFinished),
    StepPassed(StepPassed),
    ResourceLeft(ResourceLeft),
    DriftJudged(DriftJudged),
    FixVerified(FixVerified),
    IssueRequested(IssueRequested),
    IssueWritten(IssueWritten),
    IssueChanged(IssueChanged),
    ReplayAsked(ReplayAsked),
    ReplayDropped(ReplayDropped),
    DriftMuted(DriftMuted),
    DriftUnmuted(DriftUnmuted),
    FixDeclared(FixDeclared),
    FixWithdrawn(FixWithdrawn),
    StepRenamed(StepRenamed),
    StepRenameUndone(StepRenameUndone),
    ReplaysPaused(ReplaysPaused),
    ReplaysResumed(ReplaysResumed),
    ArtifactStored(ArtifactStored),
    ArtifactsExpired(ArtifactsExpired),
}

/// A tripwire report passed the door. Its `report_id` stands beside the payload, where the log keeps it unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportReceived {
    pub service: Service,
    pub step: Step,
    pub kind: TripwireKind,
    pub dom_digest: Digest,
    pub url_host: Host,
    pub scraper_version: ScraperVersion,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screenshot_ref: Option<Digest>,
    /// The id of the key that sent it, so that what came with a leaked key can be found and erased.
    pub key: String,
    /// Sixteen random hex digits. After an erasure only the payload's hash is left; this keeps anybody from
    /// finding the payload again by trying all likely ones.
    pub salt: String,
}

impl ReportReceived {
    pub fn new(report: Report, key: String, salt: u64) -> Self {
        let Report {
            service,
            tripwire: Tripwire { kind, step },
            dom_digest,
            url_host,
            scraper_version,
            screenshot_ref,
            ..
        } = report;
        Self {
            service,
            step,
            kind,
            dom_digest,
            url_host,
            scraper_version,
            screenshot_ref,
            key,
            salt: format!("{salt:016x}"),
        }
    }

    /// Whether both are the same report, whoever sent them: what makes a repeated `report_id` a retry.
    pub fn same_content(&self, other: &Self) -> bool {
        let content = |r: &Self| {
            let Self {
                service,
                step,
                kind,
                dom_digest,
                url_host,
                scraper_version,
                screenshot_ref,
                key: _,
                salt: _,
            } = r.clone();
            (
                service,
                step,
                kind,
                dom_digest,
                url_host,
                scraper_version,
                screenshot_ref,
            )
        };
        content(self) == content(other)
    }
}

/// Payloads of reports were erased. The batches that they were counted in stay as `residue`; those of a whole
/// service that was erased go with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportsErased {
    pub reason: Erasure,
    pub reports: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residue: Vec<Residue>,
}

/// Which reports an erasure is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Erasure {
    /// All that came with one key.
    Key { key: String },
    /// All of one service, its batches included.
    Service { service: Service },
    /// All received before a moment.
    Age { before: Micros },
    /// All but the newest so many.
    Count { keep: u64 },
}

/// A batch as it stands once some of its reports are erased: the numbers, nothing about a single report. It is
/// the whole state, so that a rebuild, which can no longer count the erased ones, ends where the live table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residue {
    pub service: Service,
    pub step: Step,
    pub day: Day,
    pub count: i64,
    pub first_seen: Micros,
    pub last_seen: Micros,
    pub last_position: i64,
    pub fresh: bool,
}

/// The counters of the days before this one are no longer kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchesExpired {
    pub before: Day,
}

/// A key was issued. The log has its hash; the key itself was shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCreated {
    pub key: String,
    pub name: String,
    pub scopes: Vec<Scope>,
    /// Lower-hex SHA-256 of the secret part.
    pub hash: Digest,
    /// Reports per second; none for the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Who made it on the keys page, since version 2. None: somebody at the database itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A key stops working at a moment: at once, or after the overlap of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    pub key: String,
    pub at: Micros,
    /// As in `KeyCreated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// An event as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub position: i64,
    pub at: Micros,
    /// For a `ReportReceived`, and for that alone.
    pub report_id: Option<Uuid>,
    /// None after an erasure.
    pub event: Option<Event>,
}

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("no event {kind} in version {version} is known to this program")]
    Unknown { kind: String, version: i32 },
    #[error("the payload of {kind} version {version} does not read")]
    Payload {
        kind: String,
        version: i32,
        source: serde_json::Error,
    },
}

macro_rules! kinds {
    ($($name:ident = $kind:literal, $version:literal $(and $older:literal)*;)*) => {
        impl Event {
            /// Every kind with its newest version.
            pub const KINDS: &'static [(&'static str, i32)] = &[$(($kind, $version),)*];

            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)* }
            }

            pub fn version(&self) -> i32 {
                match self { $(Self::$name(_) => $version,)* }
            }

            /// The payload as it is stored and hashed.
            pub fn encode(&self) -> Result<String, serde_json::Error> {
                match self { $(Self::$name(payload) => serde_json::to_string(payload),)* }
            }

            pub fn decode(kind: &str, version: i32, payload: &str) -> Result<Self, DecodeError> {
                match (kind, version) {
                    $(($kind, $version $(| $older)*) => read(kind, version, payload).map(Self::$name),)*
                    _ => Err(DecodeError::Unknown { kind: kind.to_owned(), version }),
                }
            }
        }
    };
}

// An older version stands beside the newest where all that it lacks may be missing.
kinds! {
    ReportReceived = "report-received", 1;
    ReportsErased = "reports-erased", 1;
    BatchesExpired = "batches-expired", 1;
    KeyCreated = "key-created", 2 and 1;
    KeyRevoked = "key-revoked", 2 and 1;
    RunClaimed = "run-claimed", 1;
    RunExpired = "run-expired", 1;
    RunFinished = "run-finished", 1;
    StepPassed = "step-passed", 1;
    ResourceLeft = "resource-left", 1;
    DriftJudged = "drift-judged", 1;
    FixVerified = "fix-verified", 1;
    IssueRequested = "issue-requested", 1;
    IssueWritten = "issue-written", 1;
    IssueChanged = "issue-changed", 1;
    ReplayAsked = "replay-asked", 1;
    ReplayDropped = "replay-dropped", 1;
    DriftMuted = "drift-muted", 1;
    DriftUnmuted = "drift-unmuted", 1;
    FixDeclared = "fix-declared", 1;
    FixWithdrawn = "fix-withdrawn", 1;
    StepRenamed = "step-renamed", 1;
    StepRenameUndone = "step-rename-undone", 1;
    ReplaysPaused = "replays-paused", 1;
    ReplaysResumed = "replays-resumed", 1;
    ArtifactStored = "artifact-stored", 1;
    ArtifactsExpired = "artifacts-expired", 1;
}

fn read<T: DeserializeOwned>(kind: &str, version: i32, payload: &str) -> Result<T, DecodeError> {
    serde_json::from_str(payload).map_err(|source| DecodeError::Payload {
        kind: kind.to_owned(),
        version,
        source,
    })
}
