//! What people decide about a drift: which event follows, or why it cannot be; and what the events make of it.

use drift_schema::action::DriftAction;
use drift_schema::answer::{self, DecidedByPeople};
use drift_schema::event::{
    DriftMuted, DriftUnmuted, Event, FixDeclared, FixWithdrawn, ReplayAsked, ReplayDropped,
    StepRenameUndone, StepRenamed,
};
use drift_schema::run::IssueState;
use drift_schema::{Day, Micros, ScraperVersion, Service, Step};
use serde::{Deserialize, Serialize};

use super::{Drift, Stage};

macro_rules! refusals {
    ($($name:ident = $why:literal;)*) => {
        /// Why somebody's decision cannot be carried out.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        pub enum Refused {
            $(#[error($why)] $name,)*
        }

        impl Refused {
            /// Said to them as it stands.
            pub fn why(self) -> &'static str {
                match self { $(Self::$name => $why,)* }
            }
        }
    };
}

refusals! {
    AskedAlready = "a replay was asked for already, and the next tick looks at it";
    NotAsked = "no replay is waited for: nobody asked, or it was looked at since";
    Muted = "it is muted, so nothing is done about it; unmute it first";
    NotMuted = "it is not muted";
    MutedForNothing = "that has come already, so it would not be muted at all";
    DeclaredAlready = "it was marked as fixed already; take that back first";
    FixedAlready = "it is known to be fixed in that very version";
    NotDeclared = "nobody marked it as fixed, or more has happened since";
    BeingWritten = "its issue is being written; try again after the next tick";
    OldName = "it is an old name of another step; undo the renaming first, or go to that step";
    ToItself = "a step cannot be renamed to itself";
    ToAnOldName = "the other step is itself an old name; choose the name that it has now";
    NotRenamed = "it was not renamed";
    PausedAlready = "replays are paused already";
    NotPaused = "replays are not paused";
}

/// A replay that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub at: Micros,
    pub by: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    pub at: Micros,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Micros>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ScraperVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reports: Option<u64>,
    /// Reports of the day of `at` up to then.
    pub counted: i64,
}

/// Somebody said that it is fixed; what was before, for the case that they take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    pub at: Micros,
    pub by: String,
    /// In the log.
    pub position: i64,
    pub before: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<ScraperVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<Micros>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Day>,
}

/// What was reported of a drift, as far as it matters to a mute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    /// Since the day on which it was muted began; without a mute, today.
    pub count: i64,
    /// The newest scraper among all reports.
    pub newest: Option<ScraperVersion>,
}

impl Muted {
    pub fn is_over(&self, now: Micros, reported: &Reported) -> bool {
        let since = u64::try_from(reported.count - self.counted).unwrap_or(0);
        let reaches = |version: &ScraperVersion| {
            let newest = reported.newest.as_ref();
            newest.is_some_and(|newest| !newest.is_older_than(version))
        };
        self.until.is_some_and(|until| now >= until)
            || self.version.as_ref().is_some_and(reaches)
            || self.reports.is_some_and(|reports| since >= reports)
    }
}

/// What a decision is taken on, beside the drift itself.
#[derive(Debug, Clone)]
pub struct Matter<'a> {
    pub service: Service,
    pub step: Step,
    pub by: String,
    pub now: Micros,
    pub reported: Reported,
    /// Days with reports that nobody has looked at.
    pub waiting: Vec<Day>,
    /// Days with reports since somebody said that it is fixed.
    pub reported_since: Vec<Day>,
    /// How the other step stands, where it is about one.
    pub other: Option<&'a Drift>,
}

impl Drift {
    /// Whether nothing is to be done about it now, although something might be.
    pub fn is_muted(&self, now: Micros, reported: &Reported) -> bool {
        let muted = self.muted.as_ref();
        muted.is_some_and(|muted| !muted.is_over(now, reported))
    }

    /// What somebody's decision makes happen.
    pub fn decide(&self, action: DriftAction, matter: Matter<'_>) -> Result<Vec<Event>, Refused> {
        let is_muted = self.is_muted(matter.now, &matter.reported);
        let Matter {
            service,
            step,
            by,
            now,
            ..
        } = matter.clone();
        let is_undo = matches!(action, DriftAction::UndoRename {});
        if self.renamed_to.is_some() && !is_undo && !matches!(action, DriftAction::Rename { .. }) {
            return Err(Refused::OldName);
        }
        let event = match action {
            DriftAction::Replay {} => {
                refuse_if(is_muted, Refused::Muted)?;
                refuse_if(self.asked.is_some(), Refused::AskedAlready)?;
                Event::ReplayAsked(ReplayAsked { service, step, by })
            }
            DriftAction::DropReplay {} => {
                refuse_if(self.asked.is_none(), Refused::NotAsked)?;
                Event::ReplayDropped(ReplayDropped { service, step, by })
            }
            DriftAction::Mute {
                until,
                version,
                reports,
            } => {
                let counted = matter.reported.count;
                let muted = Muted {
                    at: now,
                    by: by.clone(),
                    until,
                    version: version.clone(),
                    reports,
                    counted,
                };
                refuse_if(
                    muted.is_over(now, &matter.reported),
                    Refused::MutedForNothing,
                )?;
                Event::DriftMuted(DriftMuted {
                    service,
                    step,
                    until,
                    version,
                    reports,
                    counted,
                    by,
                })
            }
            DriftAction::Unmute {} => {
                refuse_if(!is_muted, Refused::NotMuted)?;
                let by = Some(by);
                Event::DriftUnmuted(DriftUnmuted { service, step, by })
            }
            DriftAction::Fixed { version } => return self.declare(version, matter),
            DriftAction::NotFixed {} => {
                let declared = self.declared.as_ref().ok_or(Refused::NotDeclared)?;
                let mut waiting = declared.waiting.clone();
                waiting.extend(matter.reported_since);
                waiting.sort_unstable();
                waiting.dedup();
                Event::FixWithdrawn(FixWithdrawn {
                    service,
                    step,
                    waiting,
                    by,
                })
            }
            DriftAction::Rename { to } => return self.rename(to, matter),
            DriftAction::UndoRename {} => {
                refuse_if(self.renamed_to.is_none(), Refused::NotRenamed)?;
                Event::StepRenameUndone(StepRenameUndone { service, step, by })
            }
        };
        Ok(vec![event])
    }

    fn declare(&self, version: ScraperVersion, matter: Matter<'_>) -> Result<Vec<Event>, Refused> {
        refuse_if(self.is_being_written(), Refused::BeingWritten)?;
        refuse_if(self.declared.is_some(), Refused::DeclaredAlready)?;
        let is_fixed = matches!(self.stage, Stage::Settling | Stage::Fixed);
        refuse_if(
            is_fixed && self.fixed_in.as_ref() == Some(&version),
            Refused::FixedAlready,
        )?;
        Ok(vec![Event::FixDeclared(FixDeclared {
            service: matter.service,
            step: matter.step,
            fixed_in: version,
            waiting: matter.waiting,
            by: matter.by,
        })])
    }

    /// Whoever was an old name of this step is one of the other: an old name is always one step away from the present one.
    fn rename(&self, to: Step, matter: Matter<'_>) -> Result<Vec<Event>, Refused> {
        refuse_if(to == matter.step, Refused::ToItself)?;
        refuse_if(self.renamed_to.as_ref() == Some(&to), Refused::OldName)?;
        refuse_if(self.is_being_written(), Refused::BeingWritten)?;
        let is_old_name = matter.other.is_some_and(|other| other.renamed_to.is_some());
        refuse_if(is_old_name, Refused::ToAnOldName)?;
        let steps = self.old_names.iter().chain([&matter.step]);
        let renamed = |step: &Step| {
            Event::StepRenamed(StepRenamed {
                service: matter.service.clone(),
                step: step.clone(),
                to: to.clone(),
                by: matter.by.clone(),
            })
        };
        Ok(steps.map(renamed).collect())
    }

    /// Whether a runner may be at the tracker for it.
    fn is_being_written(&self) -> bool {
        matches!(self.stage, Stage::Opening | Stage::Reopening)
    }

    /// What is told of it to whoever asks.
    pub fn decided_by_people(&self, now: Micros, reported: &Reported) -> Option<DecidedByPeople> {
        let muted = self.muted.as_ref();
        let muted = muted.filter(|muted| !muted.is_over(now, reported));
        let decided = DecidedByPeople {
            replay_asked: self.asked.as_ref().map(|asked| asked.at),
            muted: muted.map(|muted| answer::Mute {
                since: muted.at,
                until: muted.until,
                version: muted.version.clone(),
                reports: muted.reports,
            }),
            fix_declared: self.declared.as_ref().map(|declared| declared.at),
            renamed_to: self.renamed_to.clone(),
            old_names: self.old_names.clone(),
        };
        (decided != DecidedByPeople::default()).then_some(decided)
    }

    pub(super) fn apply_decision(&mut self, position: i64, at: Micros, event: &Event) {
        match event {
            Event::ReplayAsked(asked) => {
                self.asked = Some(Asked {
                    at,
                    by: asked.by.clone(),
                });
            }
            Event::ReplayDropped(_) => self.asked = None,
            Event::DriftMuted(muted) => {
                self.asked = None;
                self.muted = Some(Muted {
                    at,
                    by: muted.by.clone(),
                    until: muted.until,
                    version: muted.version.clone(),
                    reports: muted.reports,
                    counted: muted.counted,
                });
            }
            Event::DriftUnmuted(_) => self.muted = None,
            Event::FixDeclared(fix) => {
                self.declared = Some(Declared {
                    at,
                    by: fix.by.clone(),
                    position,
                    before: self.stage,
                    fixed_in: self.fixed_in.take(),
                    first_bad: self.first_bad.take(),
                    waiting: fix.waiting.clone(),
                });
                self.asked = None;
                self.fixed_in = Some(fix.fixed_in.clone());
                self.stage = match (self.stage, &self.issue) {
                    (Stage::Fixed, _) | (_, None) => Stage::Fixed,
                    (_, Some(_)) => Stage::Settling,
                };
            }
            Event::FixWithdrawn(_) => {
                if let Some(declared) = self.declared.take() {
                    self.withdraw(declared);
                }
            }
            Event::StepRenamed(renamed) => {
                self.asked = None;
                self.renamed_to = Some(renamed.to.clone());
                self.old_names.clear();
            }
            Event::StepRenameUndone(_) => self.renamed_to = None,
            _ => {}
        }
    }

    fn withdraw(&mut self, declared: Declared) {
        let is_told = self.stage == Stage::Fixed;
        let issue = self.issue.as_ref().map(|issue| issue.state);
        self.stage = match (declared.before, issue) {
            (Stage::Open | Stage::Closed, None) => Stage::Unconfirmed,
            (Stage::Open, Some(IssueState::Closed)) => Stage::Closed,
            (Stage::Settling, _) if is_told => Stage::Fixed,
            (before, _) => before,
        };
        self.fixed_in = declared.fixed_in;
        self.first_bad = self.first_bad.or(declared.first_bad);
    }

    /// Another step of the service is an old name of this one.
    pub fn take_over(&mut self, position: i64, at: Micros, event: &Event, old: &Step) {
        if !self.old_names.contains(old) {
            self.old_names.push(old.clone());
        }
        self.remember(position, at, event);
    }

    /// It no longer is.
    pub fn let_go(&mut self, position: i64, at: Micros, event: &Event, old: &Step) {
        self.old_names.retain(|name| name != old);
        self.remember(position, at, event);
    }
}

fn refuse_if(it_is_so: bool, refused: Refused) -> Result<(), Refused> {
    if it_is_so { Err(refused) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
