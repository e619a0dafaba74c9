//! Events in the life of a drift: who looked, what was found, and what became of the issue. The intent to write to
//! the tracker is an event before the deed, so that a crash in between leaves a trace to follow.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::run::{Ending, Issue, Leftover, Proof, StepTaken, Task, Verdict};
use crate::words::{Digest, FailureCode, ScraperVersion, Service, Step};

events! {
    /// A runner took the work of a service. The event's position is the fencing token of the run, and what was reported
    /// before it is what the run answers for.
    pub struct RunClaimed {
        pub run: Uuid,
        pub service: Service,
        /// For people.
        pub runner: String,
        pub tasks: Vec<TaskClaimed>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub by_hand: bool,
    }

    pub struct TaskClaimed {
        pub step: Step,
        pub task: Task,
    }

    /// The runner was not heard of for as long as its lease lasted, and another asked for the work.
    pub struct RunExpired {
        pub run: Uuid,
        pub service: Service,
    }

    pub struct RunFinished {
        pub run: Uuid,
        pub service: Service,
        pub ending: Ending,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub log_tail: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub steps: Vec<StepTaken>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub cleaned: Vec<Leftover>,
    }

    /// A replay passed a step.
    pub struct StepPassed {
        pub run: Uuid,
        pub service: Service,
        pub step: Step,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tree: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub scraper_version: Option<ScraperVersion>,
    }

    /// A replay made something at the provider that is to be removed.
    pub struct ResourceLeft {
        pub run: Uuid,
        pub service: Service,
        pub resource: Leftover,
    }

    pub struct DriftJudged {
        pub run: Uuid,
        pub service: Service,
        pub step: Step,
        pub verdict: Verdict,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub proof: Option<Proof>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub code: Option<FailureCode>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub scraper_version: Option<ScraperVersion>,
        /// The newest scraper that had reported it by then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub newest_reported: Option<ScraperVersion>,
    }

    /// A replay after the issue was closed passed the step.
    pub struct FixVerified {
        pub run: Uuid,
        pub service: Service,
        pub step: Step,
        /// Older scrapers still trip. None if that cannot be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub fixed_in: Option<ScraperVersion>,
    }

    /// Something is about to be written to the tracker.
    pub struct IssueRequested {
        pub run: Uuid,
        pub service: Service,
        pub step: Step,
        pub task: Task,
    }

    /// It was written: what `task` asked for is done, and this is the issue now.
    pub struct IssueWritten {
        pub run: Uuid,
        pub service: Service,
        pub step: Step,
        pub task: Task,
        pub issue: Issue,
    }

    /// What somebody else did to the issue.
    pub struct IssueChanged {
        pub service: Service,
        pub step: Step,
        pub change: IssueChange,
    }

    #[serde(tag = "to", rename_all = "kebab-case")]
    pub enum IssueChange {
        Closed,
        Reopened,
        Gone,
        Moved { number: u64, url: String },
    }

    /// Evidence is kept under this name.
    pub struct ArtifactStored {
        pub sha256: Digest,
        pub media_type: String,
        pub size: u64,
        /// Id of the key that brought it.
        pub by: String,
    }

    /// Evidence is no longer kept: it was old, or too much, and nothing pointed to it.
    pub struct ArtifactsExpired {
        pub artifacts: Vec<Digest>,
    }
}
