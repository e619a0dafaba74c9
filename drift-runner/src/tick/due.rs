//! What a pass would get, told in advance: the backend knows leases and pauses, only we know scrapers and budgets.

use drift_client::scrapers::{Entry, Scrapers};
use drift_schema::Micros;
use drift_schema::run::{Budget, DriftWork, ServiceWork, Task, Withheld, WithheldFor};
use serde::Serialize;

/// A service with work, as far as can be told without claiming it.
#[derive(Debug, Serialize)]
pub struct Due {
    /// Whether a pass would find something to do for it now.
    pub due: bool,
    /// What `scrapers.toml` allows. None: it has no scraper for this service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Budget>,
    /// With why its replays are withheld, by the backend or by us.
    #[serde(flatten)]
    pub work: ServiceWork,
}

pub fn due(mut work: ServiceWork, scrapers: &Scrapers, now: Micros) -> Due {
    let allowed = scrapers.get(&work.service).map(budget);
    // What the backend withholds is replays, except where another runner is at work.
    let only_tasks = work.drifts.iter().any(|drift| !drift.task.is_replay());
    let replays = work.drifts.iter().any(|drift| drift.task.is_replay());
    if work.withheld.is_none() && replays {
        // Somebody waits for what they asked for, and for a verification, but not for one that fails each time.
        let is_urgent = |drift: &DriftWork| {
            drift.asked || (drift.task == Task::Verify && work.budget.inconclusive == 0)
        };
        let urgent = work.drifts.iter().any(is_urgent);
        work.withheld = match allowed {
            Some(allowed) => work.budget.withheld(allowed, urgent, now),
            None => Some(Withheld {
                reason: WithheldFor::NoScraper,
                until: None,
            }),
        };
    }
    let due = match &work.withheld {
        None => true,
        Some(withheld) => only_tasks && withheld.reason != WithheldFor::Leased,
    };
    Due { due, allowed, work }
}

pub(super) fn budget(entry: &Entry) -> Budget {
    Budget {
        per_day: entry.budget.per_day,
        cooldown_seconds: u32::try_from(entry.budget.cooldown.as_secs()).unwrap_or(u32::MAX),
    }
}
