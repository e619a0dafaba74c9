//! One run, for those who look back at it.

use std::collections::{BTreeMap, BTreeSet};

use drift_schema::event::{Event, TaskClaimed};
use drift_schema::run::{Leftover, StepTaken, Task, Verdict};
use drift_schema::{Micros, Step};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunLog {
    pub runner: String,
    pub status: Status,
    pub by_hand: bool,
    pub tasks: Vec<TaskClaimed>,
    /// Steps that the replay has passed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub passed: BTreeSet<Step>,
    pub verdicts: BTreeMap<Step, Verdict>,
    /// Tasks for the tracker that are done.
    pub written: BTreeMap<Step, Task>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Micros>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log_tail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepTaken>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Leftover>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cleaned: Vec<Leftover>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    #[default]
    Open,
    Done,
    Partly,
    /// Its lease ran out.
    Expired,
}

impl RunLog {
    pub fn apply(&mut self, at: Micros, event: &Event) {
        match event {
            Event::RunClaimed(claimed) => {
                self.runner.clone_from(&claimed.runner);
                self.tasks.clone_from(&claimed.tasks);
                self.by_hand = claimed.by_hand;
            }
            Event::StepPassed(passed) => {
                self.passed.insert(passed.step.clone());
            }
            Event::DriftJudged(judged) => {
                self.verdicts.insert(judged.step.clone(), judged.verdict);
            }
            Event::IssueWritten(written) => {
                self.written.insert(written.step.clone(), written.task);
            }
            Event::ResourceLeft(left) => self.left.push(left.resource.clone()),
            Event::RunExpired(_) => {
                self.status = Status::Expired;
                self.ended_at = Some(at);
            }
            Event::RunFinished(finished) => {
                self.status = match finished.ending {
                    drift_schema::run::Ending::Done => Status::Done,
                    drift_schema::run::Ending::Partly => Status::Partly,
                };
                self.ended_at = Some(at);
                self.log_tail.clone_from(&finished.log_tail);
                self.steps.clone_from(&finished.steps);
                self.cleaned.clone_from(&finished.cleaned);
            }
            _ => {}
        }
    }
}
