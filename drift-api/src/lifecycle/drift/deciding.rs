//! What may follow: from a drift as it is, and something that comes in, to the events that say so.

use drift_schema::event::{
    DriftJudged, Event, FixVerified, IssueChange, IssueChanged, IssueRequested, IssueWritten,
};
use drift_schema::run::{Issue, IssueState, Observation, Proof, Task, Verdict};
use drift_schema::words::FailureCode;
use drift_schema::{ScraperVersion, Service, Step};
use uuid::Uuid;

use super::{Drift, Stage, newer};
use crate::lifecycle::Impossible;

/// A verdict on its way into the log.
pub struct Judging {
    pub run: Uuid,
    pub service: Service,
    pub step: Step,
    pub verdict: Verdict,
    pub proof: Option<Proof>,
    pub code: Option<FailureCode>,
    pub scraper_version: Option<ScraperVersion>,
    /// The newest scraper among the reports.
    pub newest_reported: Option<ScraperVersion>,
    /// Somebody muted or renamed it meanwhile: the verdict is noted, and nothing written to the tracker.
    pub is_left_alone: bool,
}

impl Drift {
    /// Takes a verdict, and says which task for the tracker follows from it.
    pub fn judge(&self, judging: Judging) -> Result<(Vec<Event>, Option<Task>), Impossible> {
        let Judging {
            run,
            service,
            step,
            verdict,
            proof,
            code,
            scraper_version,
            newest_reported,
            is_left_alone,
        } = judging;
        if proof.is_some() != (verdict == Verdict::Confirmed) {
            return Err(Impossible::ProofMismatch);
        }
        let proved_with = proof
            .as_ref()
            .and_then(|proof| proof.scraper_version.clone());
        let newest_broken = [
            self.newest_broken.clone(),
            newest_reported.clone(),
            proved_with,
        ]
        .into_iter()
        .flatten()
        .reduce(newer);
        let mut events = vec![Event::DriftJudged(DriftJudged {
            run,
            service: service.clone(),
            step: step.clone(),
            verdict,
            proof,
            code,
            scraper_version: scraper_version.clone(),
            newest_reported,
        })];
        let next = match (verdict, self.stage) {
            (Verdict::Confirmed, Stage::Opening) => Some(Task::Open),
            (Verdict::Confirmed, _) if self.issue.is_none() => Some(Task::Open),
            (Verdict::Confirmed, Stage::Open) => Some(Task::Bump),
            (Verdict::Confirmed, _) => Some(Task::Reopen),
            (Verdict::NotReproduced, Stage::Open | Stage::Closed) => {
                events.push(Event::FixVerified(FixVerified {
                    run,
                    service: service.clone(),
                    step: step.clone(),
                    fixed_in: fixed_in(newest_broken, scraper_version),
                }));
                Some(Task::Settle)
            }
            (Verdict::NotReproduced | Verdict::Blocked | Verdict::Auth | Verdict::Infra, _) => None,
        };
        let next = next.filter(|_| !is_left_alone);
        let asked = match self.stage {
            Stage::Opening => Some(Task::Open),
            Stage::Reopening => Some(Task::Reopen),
            _ => None,
        };
        if let Some(task @ (Task::Open | Task::Reopen)) = next
            && asked != Some(task)
        {
            events.push(Event::IssueRequested(IssueRequested {
                run,
                service,
                step,
                task,
            }));
        }
        Ok((events, next))
    }

    /// Takes note that a task for the tracker is done.
    pub fn written(
        &self,
        run: Uuid,
        service: Service,
        step: Step,
        task: Task,
        issue: Issue,
    ) -> Result<Event, Impossible> {
        let asked = match task {
            Task::Open => self.stage == Stage::Opening,
            Task::Reopen => self.stage == Stage::Reopening,
            Task::Settle => self.stage == Stage::Settling,
            Task::Bump => matches!(self.stage, Stage::Open | Stage::Closed),
            Task::Replay | Task::Verify => false,
        };
        if !asked {
            return Err(Impossible::NotAsked);
        }
        Ok(Event::IssueWritten(IssueWritten {
            run,
            service,
            step,
            task,
            issue,
        }))
    }

    /// Takes note of what the tracker says. What we know already is no event.
    pub fn observe(&self, service: Service, step: Step, seen: Observation) -> Option<Event> {
        let issue = self.issue.as_ref()?;
        let change = match (seen, issue.state) {
            (Observation::Open, IssueState::Closed) => IssueChange::Reopened,
            (Observation::Closed, IssueState::Open) => IssueChange::Closed,
            (Observation::Open | Observation::Closed, _) => return None,
            (Observation::Gone, _) => IssueChange::Gone,
            (Observation::Moved { number, url }, _) => {
                if number == issue.number && url == issue.url {
                    return None;
                }
                IssueChange::Moved { number, url }
            }
        };
        Some(Event::IssueChanged(IssueChanged {
            service,
            step,
            change,
        }))
    }
}

/// Reports of older scrapers are no news after this: the version that passed, if it is known. It may have tripped before, when
/// the page was another one, and is believed again when it trips once more. Else the first that is not known to trip.
pub(super) fn fixed_in(
    newest_broken: Option<ScraperVersion>,
    passed: Option<ScraperVersion>,
) -> Option<ScraperVersion> {
    match (newest_broken, passed) {
        (_, Some(passed)) => Some(passed),
        (Some(broken), None) => Some(broken.next_release()),
        (None, None) => None,
    }
}
