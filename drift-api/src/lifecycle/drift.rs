//! One drift: from the first verdict to the fix that holds. Here stands what it is and what it means to others;
//! `deciding` says what may happen next, `applying` what an event makes of it, `triage` what people decide in between.

mod applying;
mod deciding;
pub mod triage;

use drift_schema::answer::KnownIssue;
use drift_schema::run::{Good, Issue, Proof, Task, Verdict};
use drift_schema::words::FailureCode;
use drift_schema::{Micros, ScraperVersion, Step};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use deciding::Judging;
pub use triage::{Asked, Declared, Muted};

/// Labels of drifts that people decided about. A mute may be over, which only who looks closer can tell.
pub const MUTED: &str = "muted";
pub const RENAMED: &str = "renamed";
/// The label of those that a replay looked at, and nobody can tell: a wall stood before the page. Nothing looks again by itself.
pub const STUCK: &str = "stuck";

/// A drift as the events about it left it. Reports are not among them: those are counted in batches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drift {
    pub stage: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue: Option<Issue>,
    /// Reports of older scrapers count, but are no reason to look again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<ScraperVersion>,
    /// The newest scraper that is known to trip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_broken: Option<ScraperVersion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Good>,
    /// First proof since it was last known to be good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<LastVerdict>,
    /// When somebody last closed the issue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<Muted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
    /// The step's name today: what is reported of it is about that one, and nothing is done about this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed_to: Option<Step>,
    /// Steps of which this is the name today.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub old_names: Vec<Step>,
    /// What happened, newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Moment>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// No proof that it is broken.
    #[default]
    Unconfirmed,
    /// Proved; the issue is about to be opened, or was, and we do not know.
    Opening,
    Open,
    /// Somebody closed the issue; a replay is to say whether the fix holds.
    Closed,
    /// It does not hold, and the issue is about to be reopened.
    Reopening,
    /// It holds, and the issue is about to be told.
    Settling,
    Fixed,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Reopening => "reopening",
            Self::Settling => "settling",
            Self::Fixed => "fixed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastVerdict {
    pub at: Micros,
    pub run: Uuid,
    pub verdict: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<FailureCode>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub position: i64,
    pub at: Micros,
    #[serde(rename = "type")]
    pub kind: String,
}

impl Drift {
    /// What is to be done about it, given whether reports wait that nobody has looked at.
    pub fn task(&self, is_fresh: bool) -> Option<Task> {
        let asked = self.asked.is_some();
        match self.stage {
            _ if self.renamed_to.is_some() => None,
            Stage::Opening => Some(Task::Open),
            Stage::Reopening => Some(Task::Reopen),
            Stage::Closed => Some(Task::Verify),
            Stage::Open if asked => Some(Task::Verify),
            Stage::Open => is_fresh.then_some(Task::Bump),
            _ if asked => Some(Task::Replay),
            Stage::Settling if !is_fresh => Some(Task::Settle),
            Stage::Unconfirmed | Stage::Settling | Stage::Fixed => is_fresh.then_some(Task::Replay),
        }
    }

    /// What is to be done when somebody asks for a replay by hand.
    pub fn task_by_hand(&self, is_fresh: bool) -> Task {
        match self.task(is_fresh) {
            Some(task @ (Task::Open | Task::Reopen)) => task,
            _ if matches!(self.stage, Stage::Open | Stage::Closed) => Task::Verify,
            _ => Task::Replay,
        }
    }

    /// As it is looked for: the stage, unless people decided otherwise, or somebody has to.
    pub fn label(&self) -> &'static str {
        match self {
            Self {
                renamed_to: Some(_),
                ..
            } => RENAMED,
            Self { muted: Some(_), .. } => MUTED,
            Self {
                stage: Stage::Unconfirmed,
                judged:
                    Some(LastVerdict {
                        verdict: Verdict::Blocked | Verdict::Auth,
                        ..
                    }),
                ..
            } => STUCK,
            _ => self.stage.as_str(),
        }
    }

    /// Whether something is to be done even if nobody reports it.
    pub fn is_pending(&self) -> bool {
        self.task(false).is_some()
    }

    /// Whether a replay looked at it since the issue was closed, whatever it found.
    pub fn was_tried_since_closed(&self) -> bool {
        match (&self.judged, self.closed_at) {
            (Some(judged), Some(closed)) => judged.at >= closed,
            _ => false,
        }
    }

    /// What clients are told.
    pub fn known_issue(&self) -> Option<KnownIssue> {
        let state = match self.stage {
            Stage::Unconfirmed => return None,
            Stage::Opening => "requested",
            Stage::Open | Stage::Reopening => "open",
            Stage::Closed => "closed",
            Stage::Settling | Stage::Fixed => "fixed",
        };
        Some(KnownIssue {
            state: state.to_owned(),
            number: self.issue.as_ref().map(|issue| issue.number),
            url: self.issue.as_ref().map(|issue| issue.url.clone()),
            fixed_in: self.fixed_in.as_ref().map(ToString::to_string),
        })
    }

    /// What whoever asks before a run is told.
    pub fn is_known_broken(&self, was_reported: bool) -> bool {
        match self.stage {
            Stage::Unconfirmed => was_reported,
            Stage::Opening | Stage::Open | Stage::Closed | Stage::Reopening => true,
            Stage::Settling | Stage::Fixed => false,
        }
    }

    /// Whether a report of this scraper is a reason to look again.
    pub fn concerns(&self, version: &ScraperVersion) -> bool {
        match (self.stage, &self.fixed_in) {
            (Stage::Settling | Stage::Fixed, Some(fixed)) => !version.is_older_than(fixed),
            _ => true,
        }
    }
}

/// The newer of two.
pub fn newer(one: ScraperVersion, other: ScraperVersion) -> ScraperVersion {
    if one.is_older_than(&other) {
        other
    } else {
        one
    }
}

#[cfg(test)]
mod tests;
