//! One service: whether its scraper may run now, who is at it, and what earlier runs left behind.

use drift_schema::event::{Event, ReplaysPaused, ReplaysResumed, RunClaimed, TaskClaimed};
use drift_schema::run::{Budget, Leftover, Spent, Verdict, Withheld, WithheldFor};
use drift_schema::{Day, Micros, Service};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::drift::triage::Refused;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceState {
    /// The kill switch.
    pub paused: bool,
    /// Replays of the day of the last one.
    pub replays: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_replay: Option<Micros>,
    /// Runs in a row that said nothing about the page.
    pub inconclusive: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<OpenRun>,
    /// What replays made at the provider and nobody has removed yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<Leftover>,
}

/// The run that has the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    pub run: Uuid,
    /// Position of its claim.
    pub token: i64,
    pub runner: String,
    pub tasks: Vec<TaskClaimed>,
    /// Whether a verdict of it said something about the page, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusive: Option<bool>,
}

impl ServiceState {
    pub fn spent(&self, now: Micros) -> Spent {
        Spent {
            today: if self.day_of_last() == Some(now.day()) {
                self.replays
            } else {
                0
            },
            last: self.last_replay,
            inconclusive: self.inconclusive,
        }
    }

    fn day_of_last(&self) -> Option<Day> {
        self.last_replay.map(Micros::day)
    }

    /// Whether the scraper may run now. `urgent` is somebody who waits for it: cool-down and backoff do not hold them up.
    pub fn may_replay(
        &self,
        budget: Option<Budget>,
        urgent: bool,
        now: Micros,
    ) -> Result<(), Withheld> {
        let withheld = |reason| {
            let until = None;
            Err(Withheld { reason, until })
        };
        if self.paused {
            return withheld(WithheldFor::Paused);
        }
        let Some(budget) = budget else {
            return withheld(WithheldFor::NoScraper);
        };
        match self.spent(now).withheld(budget, urgent, now) {
            Some(withheld) => Err(withheld),
            None => Ok(()),
        }
    }

    /// Switches replays off or on, of this service or, with none, of all that it stands for.
    pub fn switch(
        &self,
        service: Option<Service>,
        paused: bool,
        by: String,
    ) -> Result<Event, Refused> {
        match (self.paused, paused) {
            (false, true) => Ok(Event::ReplaysPaused(ReplaysPaused { service, by })),
            (true, false) => Ok(Event::ReplaysResumed(ReplaysResumed { service, by })),
            (true, true) => Err(Refused::PausedAlready),
            (false, false) => Err(Refused::NotPaused),
        }
    }

    pub fn apply(&mut self, position: i64, at: Micros, event: &Event) {
        match event {
            Event::RunClaimed(RunClaimed {
                run,
                runner,
                tasks,
                by_hand,
                ..
            }) => {
                if *by_hand || tasks.iter().any(|claimed| claimed.task.is_replay()) {
                    self.replays = self.spent(at).today + 1;
                    self.last_replay = Some(at);
                }
                self.run = Some(OpenRun {
                    run: *run,
                    token: position,
                    runner: runner.clone(),
                    tasks: tasks.clone(),
                    conclusive: None,
                });
            }
            Event::RunExpired(_) => {
                // A runner that dies each time must not burn an account each hour.
                if let Some(run) = self.run.take()
                    && run.tasks.iter().any(|claimed| claimed.task.is_replay())
                    && run.conclusive != Some(true)
                {
                    self.inconclusive += 1;
                }
            }
            Event::RunFinished(finished) => {
                match self.run.take().and_then(|run| run.conclusive) {
                    Some(true) => self.inconclusive = 0,
                    Some(false) => self.inconclusive += 1,
                    None => {}
                }
                self.leftovers
                    .retain(|left| !finished.cleaned.contains(left));
            }
            Event::DriftJudged(judged) => {
                let says = matches!(judged.verdict, Verdict::Confirmed | Verdict::NotReproduced);
                if let Some(run) = &mut self.run {
                    run.conclusive = Some(says || run.conclusive == Some(true));
                }
            }
            Event::ResourceLeft(left) if !self.leftovers.contains(&left.resource) => {
                self.leftovers.push(left.resource.clone());
            }
            Event::ReplaysPaused(_) => self.paused = true,
            Event::ReplaysResumed(_) => self.paused = false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
