//! What the API answers. Servers write these, clients and the runner read them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::Code;
use crate::run::{Good, Proof, Seen, Verdict};
use crate::time::{Day, Micros};
use crate::words::{Digest, ScraperVersion, Service, Step, StepHash};

macro_rules! answers {
    ($($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* })*) => {
        $(#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
        $(#[$meta])*
        pub struct $name { $($body)* })*
    };
}

answers! {
    /// The report is stored durably.
    pub struct Accepted {
        pub report_id: Uuid,
        /// The same report was here before and was counted then.
        pub duplicate: bool,
        pub batch: BatchCount,
        /// The issue that this step already has, if any.
        #[cfg_attr(feature = "describe", schema(required))]
        pub known_issue: Option<KnownIssue>,
    }

    /// All reports of one step on one day, as a number.
    pub struct BatchCount {
        pub service: Service,
        pub step: Step,
        pub step_hash: StepHash,
        pub day: Day,
        pub count: i64,
    }

    pub struct KnownIssue {
        pub state: String,
        pub number: Option<u64>,
        pub url: Option<String>,
        /// Scrapers older than this still trip; newer ones should not.
        pub fixed_in: Option<String>,
    }

    /// What became of an NDJSON body.
    pub struct AcceptedLines {
        pub accepted: u64,
        pub duplicates: u64,
        pub rejected: Vec<RejectedLine>,
    }

    pub struct RejectedLine {
        /// Counted from 1.
        pub line: u64,
        pub code: Code,
        #[cfg_attr(feature = "describe", schema(required))]
        pub field: Option<String>,
    }

    /// Is this step known to be broken?
    pub struct Known {
        pub service: Service,
        pub step: Step,
        pub step_hash: StepHash,
        /// Somebody reported it, and no fix is known since.
        pub known: bool,
        #[cfg_attr(feature = "describe", schema(required))]
        pub first_seen: Option<Micros>,
        #[cfg_attr(feature = "describe", schema(required))]
        pub known_issue: Option<KnownIssue>,
    }

    /// The services that have something to look at.
    pub struct Fresh {
        pub as_of: Micros,
        pub services: Vec<FreshService>,
    }

    pub struct FreshService {
        pub service: Service,
        /// Sum over the batches.
        pub reports: i64,
        pub batches: Vec<FreshBatch>,
    }

    pub struct FreshBatch {
        pub step: Step,
        pub step_hash: StepHash,
        pub day: Day,
        pub count: i64,
        pub first_seen: Micros,
        pub last_seen: Micros,
        #[cfg_attr(feature = "describe", schema(required))]
        pub screenshot_ref: Option<Digest>,
        pub action: Action,
    }

    pub struct Batches {
        pub batches: Vec<Batch>,
        /// Pass it as `cursor` for the next page; null on the last one.
        #[cfg_attr(feature = "describe", schema(required))]
        pub next: Option<String>,
    }

    pub struct Batch {
        pub service: Service,
        pub step: Step,
        pub step_hash: StepHash,
        pub day: Day,
        pub count: i64,
        pub first_seen: Micros,
        pub last_seen: Micros,
        #[cfg_attr(feature = "describe", schema(required))]
        pub screenshot_ref: Option<Digest>,
        /// Not yet handled by a runner.
        pub fresh: bool,
    }

    pub struct Drifts {
        pub drifts: Vec<Drift>,
        /// Pass it as `cursor` for the next page; null on the last one.
        #[cfg_attr(feature = "describe", schema(required))]
        pub next: Option<String>,
    }

    /// A step of a service over time.
    pub struct Drift {
        pub service: Service,
        pub step: Step,
        pub step_hash: StepHash,
        /// `unconfirmed`, `opening`, `open`, `closed`, `reopening`, `settling` or `fixed`.
        pub stage: String,
        pub reports: i64,
        /// Of these in batches that no runner has handled.
        pub fresh: i64,
        #[cfg_attr(feature = "describe", schema(required))]
        pub first_seen: Option<Micros>,
        #[cfg_attr(feature = "describe", schema(required))]
        pub last_seen: Option<Micros>,
        /// What the last replay found.
        #[cfg_attr(feature = "describe", schema(required))]
        pub verdict: Option<Verdict>,
        #[cfg_attr(feature = "describe", schema(required))]
        pub judged_at: Option<Micros>,
        #[cfg_attr(feature = "describe", schema(required))]
        pub known_issue: Option<KnownIssue>,
        /// What people decided about it, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub decided: Option<DecidedByPeople>,
    }

    /// Who did each is in the log.
    #[derive(Default)]
    pub struct DecidedByPeople {
        /// Since when a replay is waited for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub replay_asked: Option<Micros>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub muted: Option<Mute>,
        /// When it was said to be fixed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub fix_declared: Option<Micros>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub renamed_to: Option<Step>,
        /// Steps that were renamed to this one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub old_names: Vec<Step>,
    }

    /// Ends with the first of these; with none of them, when somebody says so.
    pub struct Mute {
        pub since: Micros,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub until: Option<Micros>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub version: Option<ScraperVersion>,
        /// After so many reports since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reports: Option<u64>,
    }

    pub struct DriftDetails {
        #[serde(flatten)]
        pub drift: Drift,
        pub seen: Seen,
        /// Newest first, a year at most.
        pub days: Vec<DriftDay>,
        #[cfg_attr(feature = "describe", schema(required))]
        pub proof: Option<Proof>,
        #[cfg_attr(feature = "describe", schema(required))]
        pub last_good: Option<Good>,
        #[cfg_attr(feature = "describe", schema(required))]
        pub first_bad: Option<Micros>,
        /// What happened to it beside reports, newest last.
        pub moments: Vec<DriftMoment>,
    }

    pub struct DriftDay {
        pub day: Day,
        pub count: i64,
        pub fresh: bool,
    }

    pub struct DriftMoment {
        /// In the log.
        pub position: i64,
        pub at: Micros,
        #[serde(rename = "type")]
        pub kind: String,
    }

    pub struct StoredArtifact {
        pub sha256: Digest,
        pub size: u64,
    }

    pub struct ArtifactLink {
        /// Works without a key until it expires.
        pub url: String,
    }

    pub struct Events {
        pub events: Vec<LoggedEvent>,
        /// Pass it as `after` for the next page. It does not move past the end of the log.
        pub next: i64,
        /// The newest position in the log.
        pub head: i64,
    }

    /// One event of the log, in the version in which it was written.
    pub struct LoggedEvent {
        pub position: i64,
        pub recorded_at: Micros,
        #[serde(rename = "type")]
        pub kind: String,
        pub version: i32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub report_id: Option<Uuid>,
        /// Null after an erasure.
        #[cfg_attr(feature = "describe", schema(value_type = Option<Object>, required))]
        pub data: Option<serde_json::Value>,
        /// The link of the chain after this event, in hexadecimal.
        pub hash: String,
    }
}

/// What a runner should do about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
pub enum Action {
    /// Run the scraper and look.
    Replay,
    /// The drift has an open issue: count it there, run nothing.
    Bump,
}
