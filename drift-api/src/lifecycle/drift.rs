//! One drift: from the first verdict to the fix that holds. What people decide in between is in `triage`.

pub mod triage;

use drift_schema::answer::KnownIssue;
use drift_schema::event::{
    DriftJudged, Event, FixVerified, IssueChange, IssueChanged, IssueRequested, IssueWritten,
    StepPassed,
};
use drift_schema::run::{Good, Issue, IssueState, Observation, Proof, Task, Verdict};
use drift_schema::words::FailureCode;
use drift_schema::{Micros, ScraperVersion, Service, Step};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Impossible;
pub use triage::{Asked, Declared, Muted};

/// Labels of drifts that people decided about. A mute may be over, which only who looks closer can tell.
pub const MUTED: &str = "muted";
pub const RENAMED: &str = "renamed";

/// How many moments a drift remembers.
const MOMENTS: usize = 200;

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

    /// As it is looked for: the stage, unless people decided otherwise.
    pub fn label(&self) -> &'static str {
        match self {
            Self {
                renamed_to: Some(_),
                ..
            } => RENAMED,
            Self { muted: Some(_), .. } => MUTED,
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

    /// What an event about this drift makes of it.
    pub fn apply(&mut self, position: i64, at: Micros, event: &Event) {
        match event {
            Event::StepPassed(StepPassed {
                tree,
                scraper_version,
                ..
            }) => {
                // A page without a tree does not take the last picture of it away.
                let before = self.last_good.take().and_then(|good| good.tree);
                self.last_good = Some(Good {
                    at,
                    tree: tree.clone().or(before),
                    scraper_version: scraper_version.clone(),
                });
                // Happens with every replay, and is no news.
                return;
            }
            Event::DriftJudged(judged) => self.judged(at, judged),
            Event::FixVerified(fix) => {
                self.stage = Stage::Settling;
                self.declared = None;
                self.fixed_in.clone_from(&fix.fixed_in);
                self.first_bad = None;
            }
            Event::IssueRequested(requested) => {
                self.declared = None;
                self.stage = match requested.task {
                    Task::Reopen => Stage::Reopening,
                    _ => Stage::Opening,
                };
            }
            Event::IssueWritten(written) => {
                self.issue = Some(written.issue.clone());
                match written.task {
                    Task::Open | Task::Reopen => {
                        self.stage = Stage::Open;
                        self.fixed_in = None;
                    }
                    Task::Settle => self.stage = Stage::Fixed,
                    _ => {}
                }
                // It may have been closed under our hands.
                if self.stage == Stage::Open && written.issue.state == IssueState::Closed {
                    self.stage = Stage::Closed;
                    self.closed_at = Some(at);
                }
            }
            Event::IssueChanged(changed) => self.changed(at, &changed.change),
            decision => self.apply_decision(position, at, decision),
        }
        self.remember(position, at, event);
    }

    fn remember(&mut self, position: i64, at: Micros, event: &Event) {
        if self.moments.len() == MOMENTS {
            // The beginning stays, and the latest.
            self.moments.remove(MOMENTS / 4);
        }
        self.moments.push(Moment {
            position,
            at,
            kind: event.kind().to_owned(),
        });
    }

    fn judged(&mut self, at: Micros, judged: &DriftJudged) {
        self.asked = None;
        self.judged = Some(LastVerdict {
            at,
            run: judged.run,
            verdict: judged.verdict,
            code: judged.code.clone(),
        });
        if let Some(reported) = &judged.newest_reported {
            self.is_broken_in(reported);
        }
        if let Some(proof) = &judged.proof {
            if let Some(version) = &proof.scraper_version {
                self.is_broken_in(version);
            }
            self.first_bad.get_or_insert(proof.at);
            self.proof = Some(proof.clone());
        }
    }

    fn is_broken_in(&mut self, version: &ScraperVersion) {
        self.newest_broken = Some(match self.newest_broken.take() {
            Some(known) => newer(known, version.clone()),
            None => version.clone(),
        });
    }

    fn changed(&mut self, at: Micros, change: &IssueChange) {
        match change {
            IssueChange::Closed | IssueChange::Reopened => {
                let closed = *change == IssueChange::Closed;
                if let Some(issue) = &mut self.issue {
                    issue.state = if closed {
                        IssueState::Closed
                    } else {
                        IssueState::Open
                    };
                }
                self.stage = match (self.stage, closed) {
                    (Stage::Open, true) => Stage::Closed,
                    // Whoever reopens it says that it is not fixed; an issue that we reopen is on its way there.
                    (Stage::Closed | Stage::Settling | Stage::Fixed, false) => Stage::Open,
                    (stage, _) => stage,
                };
                if self.stage == Stage::Open {
                    self.fixed_in = None;
                    self.declared = None;
                }
                if closed {
                    self.closed_at = Some(at);
                }
            }
            IssueChange::Gone => {
                self.issue = None;
                self.stage = match self.stage {
                    // What is proved and has no issue any more gets a new one when it is reported again.
                    Stage::Opening | Stage::Reopening => Stage::Opening,
                    Stage::Settling | Stage::Fixed => Stage::Fixed,
                    Stage::Unconfirmed | Stage::Open | Stage::Closed => Stage::Unconfirmed,
                };
            }
            IssueChange::Moved { number, url } => {
                if let Some(issue) = &mut self.issue {
                    issue.number = *number;
                    issue.url.clone_from(url);
                }
            }
        }
    }
}

/// Reports of older scrapers are no news after this: the version that passed, if it is known. It may have tripped before, when
/// the page was another one, and is believed again when it trips once more. Else the first that is not known to trip.
fn fixed_in(
    newest_broken: Option<ScraperVersion>,
    passed: Option<ScraperVersion>,
) -> Option<ScraperVersion> {
    match (newest_broken, passed) {
        (_, Some(passed)) => Some(passed),
        (Some(broken), None) => Some(broken.next_release()),
        (None, None) => None,
    }
}

fn newer(one: ScraperVersion, other: ScraperVersion) -> ScraperVersion {
    if one.is_older_than(&other) {
        other
    } else {
        one
    }
}

#[cfg(test)]
mod tests;
