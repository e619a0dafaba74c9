//! What happened: from a drift as it was, and an event of the log, to the drift as it is.

use drift_schema::event::{DriftJudged, Event, IssueChange, StepPassed};
use drift_schema::run::{Good, IssueState, Task};
use drift_schema::{Micros, ScraperVersion};

use super::{Drift, LastVerdict, Moment, Stage, newer};

/// How many moments a drift remembers.
pub(super) const MOMENTS: usize = 200;

impl Drift {
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

    pub(super) fn remember(&mut self, position: i64, at: Micros, event: &Event) {
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
