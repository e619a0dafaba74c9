//! What people decide about drifts and services. `by` is who: the id of a key, `github:` and a login, or `cli` for
//! somebody at the database itself. Each decision can be taken back, and that is an event too.

use serde::{Deserialize, Serialize};

use crate::time::{Day, Micros};
use crate::words::{ScraperVersion, Service, Step};

events! {
    /// Somebody wants the scraper to look, whether anything was reported or not.
    pub struct ReplayAsked {
        pub service: Service,
        pub step: Step,
        pub by: String,
    }

    /// Not any more.
    pub struct ReplayDropped {
        pub service: Service,
        pub step: Step,
        pub by: String,
    }

    /// Nothing is to be done about it until the first of these comes true; with none of them, until somebody says so.
    pub struct DriftMuted {
        pub service: Service,
        pub step: Step,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub until: Option<Micros>,
        /// Until a scraper of this version, or a newer one, reports it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub version: Option<ScraperVersion>,
        /// Until it was reported so many times more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reports: Option<u64>,
        /// Reports of this day up to here, from which `reports` counts.
        pub counted: i64,
        pub by: String,
    }

    pub struct DriftUnmuted {
        pub service: Service,
        pub step: Step,
        /// None: what it was muted until has come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub by: Option<String>,
    }

    /// Somebody knows that it is fixed. As if a replay had passed.
    pub struct FixDeclared {
        pub service: Service,
        pub step: Step,
        pub fixed_in: ScraperVersion,
        /// Days of the reports that waited to be looked at and no longer do.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub waiting: Vec<Day>,
        pub by: String,
    }

    pub struct FixWithdrawn {
        pub service: Service,
        pub step: Step,
        /// Days whose reports wait again: those of the declaration, and those since.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub waiting: Vec<Day>,
        pub by: String,
    }

    /// What is reported of `step` is about `to`: the flow has another name for it now.
    pub struct StepRenamed {
        pub service: Service,
        pub step: Step,
        pub to: Step,
        pub by: String,
    }

    pub struct StepRenameUndone {
        pub service: Service,
        pub step: Step,
        pub by: String,
    }

    /// Somebody switched replays off, of one service or of all.
    pub struct ReplaysPaused {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub service: Option<Service>,
        pub by: String,
    }

    pub struct ReplaysResumed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub service: Option<Service>,
        pub by: String,
    }
}
