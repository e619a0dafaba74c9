//! What ingest knows of a log without asking: where its last flush left the end, how the drifts stood there, how high its
//! batches stood and which were fresh. All of it is a guess, since other processes write too, and is checked as it is used: as
//! long as the head is where we think it is, nothing else can have changed either.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drift_schema::answer::KnownIssue;
use drift_schema::event::ReportReceived;
use drift_schema::{Day, Service, Step, Workspace};

use super::bulk::Flush;
use super::log::Head;
use super::session::Session;
use super::tally::Tally;
use super::{Result, Store};
use crate::lifecycle::Drift;

/// More batches than that are not remembered; counting them costs a little more.
const MOST_BATCHES: usize = 50_000;

const CONFIRMED: &str = "SELECT service, step, state FROM drifts WHERE workspace = $1 AND stage NOT IN ('unconfirmed', 'stuck')";

/// The drifts that something is known about, beyond reports.
#[derive(Debug, Default)]
pub(super) struct Standings(HashMap<Service, HashMap<Step, Drift>>);

impl Standings {
    fn known_issue(&self, service: &Service, step: &Step) -> Option<KnownIssue> {
        self.of_todays_name(service, step)?.known_issue()
    }

    /// Whether a report is a reason to look at its drift.
    pub(super) fn is_news(&self, report: &ReportReceived) -> bool {
        self.of_todays_name(&report.service, &report.step)
            .is_none_or(|drift| drift.concerns(&report.scraper_version))
    }

    pub(super) fn set(&mut self, service: &Service, step: &Step, drift: Drift) {
        self.0
            .entry(service.clone())
            .or_default()
            .insert(step.clone(), drift);
    }

    fn of_todays_name(&self, service: &Service, step: &Step) -> Option<&Drift> {
        let drifts = self.0.get(service)?;
        let drift = drifts.get(step)?;
        match &drift.renamed_to {
            Some(to) => drifts.get(to),
            None => Some(drift),
        }
    }
}

/// The end of a log as a flush left it.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) head: Head,
    pub(super) standings: Arc<Standings>,
}

#[derive(Debug, Default)]
struct Known {
    end: Option<End>,
    /// As they stood there.
    batches: HashMap<(Day, Service, Step), Batch>,
}

#[derive(Debug)]
struct Batch {
    count: i64,
    fresh: bool,
}

/// By workspace.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends(Arc<Mutex<HashMap<Workspace, Known>>>);

impl Ends {
    pub(super) fn get(&self, workspace: &Workspace) -> Option<End> {
        self.lock().get(workspace)?.end.clone()
    }

    /// How high the batches of a flush stood at the end that is known, if that is where the flush begins. None also where one of
    /// them was not fresh and becomes so.
    pub(super) fn counts(&self, workspace: &Workspace, flush: &Flush<'_>) -> Option<Vec<i64>> {
        let ends = self.lock();
        let known = ends.get(workspace)?;
        if known.end.as_ref()?.head != flush.from {
            return None;
        }
        let counts = flush.tallies.iter().map(|tally| {
            // Looking up by reference would need a borrowed form of the key; a clone is two short texts.
            let batch = known.batches.get(&owned(tally))?;
            (batch.fresh || !tally.fresh).then_some(batch.count)
        });
        counts.collect()
    }

    /// A flush is committed, and the batches stand at `counts` now.
    pub(super) fn set(&self, workspace: &Workspace, end: End, flush: &Flush<'_>, counts: &[i64]) {
        let mut ends = self.lock();
        let known = ends.entry(workspace.clone()).or_default();
        let before = known.end.replace(end);
        // Whatever changes a batch moves the end of the log.
        if before.is_none_or(|before| before.head != flush.from)
            || known.batches.len() > MOST_BATCHES
        {
            known.batches.clear();
        }
        for (tally, count) in flush.tallies.iter().zip(counts) {
            let batch = known.batches.entry(owned(tally)).or_insert(Batch {
                count: 0,
                fresh: false,
            });
            batch.count = *count;
            batch.fresh |= tally.fresh;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Workspace, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn owned(tally: &Tally<'_>) -> (Day, Service, Step) {
    (tally.day, tally.service.clone(), tally.step.clone())
}

impl Store {
    /// What whoever has just reported this is told, as of a flush that had the report.
    pub fn known_issue(
        &self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
    ) -> Option<KnownIssue> {
        self.ends
            .get(workspace)?
            .standings
            .known_issue(service, step)
    }
}

impl Session {
    /// How the drifts stand at this moment of the transaction.
    pub(super) async fn standings(&mut self, workspace: &Workspace) -> Result<Standings> {
        let mut standings = Standings::default();
        for row in self.rows(CONFIRMED, [workspace.as_str().into()]).await? {
            let (service, step): (Service, Step) = (row.word(0)?, row.word(1)?);
            standings.set(&service, &step, row.json(2)?);
        }
        Ok(standings)
    }
}
