//! What a pass did, for people and for programs: `tick --json` prints it.

use drift_schema::run::{ClaimedDrift, Issue, Observation, Run, Task, Verdict, Withheld};
use drift_schema::words::FailureCode;
use drift_schema::{Service, Step, StepHash};
use serde::Serialize;
use uuid::Uuid;

use crate::api::ApiError;
use crate::replay::Replayed;
use crate::tracker::Action;
use crate::verdict::{Ending, Finding};

#[derive(Debug, Serialize)]
pub struct Summary {
    /// One entry for each drift that was claimed.
    pub drifts: Vec<DriftSummary>,
    /// One for each service that had something to do.
    pub services: Vec<ServiceSummary>,
}

#[derive(Debug, Serialize)]
pub struct ServiceSummary {
    pub service: Service,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Uuid>,
    /// Why nothing of it was handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How the last start of the scraper ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    #[serde(skip)]
    pub drifts: Vec<DriftSummary>,
}

#[derive(Debug, Serialize)]
pub struct DriftSummary {
    pub service: Service,
    pub step: Step,
    pub step_hash: StepHash,
    pub task: Task,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why it is that verdict, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<FailureCode>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// What was done at the tracker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue: Option<Issue>,
    /// Why it waits for the next tick.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Summary {
    pub fn of(mut services: Vec<ServiceSummary>) -> Self {
        services.sort_by(|a, b| a.service.cmp(&b.service));
        let drifts = services
            .iter_mut()
            .flat_map(|service| std::mem::take(&mut service.drifts));
        Self {
            drifts: drifts.collect(),
            services,
        }
    }

    pub fn has_failed(&self) -> bool {
        self.drifts.iter().any(|drift| drift.error.is_some())
            || self.services.iter().any(|service| service.error.is_some())
    }

    /// A line for each, for a terminal.
    pub fn lines(&self) -> String {
        if self.services.is_empty() {
            return "Nothing to do.\n".to_owned();
        }
        let mut text = String::new();
        for drift in &self.drifts {
            text += &format!("{} {}: {}\n", drift.service, drift.step, drift.words());
        }
        for service in &self.services {
            if let Some(replay) = &service.replay {
                text += &format!("{}: the replay {replay}\n", service.service);
            }
            if let Some(withheld) = &service.withheld {
                text += &format!("{}: withheld, {}\n", service.service, words(withheld));
            }
            if let Some(error) = &service.error {
                text += &format!("{}: {error}\n", service.service);
            }
            if service.run.is_none() && service.withheld.is_none() && service.error.is_none() {
                text += &format!("{}: nothing to do\n", service.service);
            }
        }
        text
    }
}

/// Why something is withheld, as a person says it.
pub fn words(withheld: &Withheld) -> String {
    use drift_schema::run::WithheldFor as For;
    let why = match withheld.reason {
        For::Leased => "another runner has it",
        For::Paused => "somebody paused its replays",
        For::Budget => "its budget for today is used up",
        For::Cooldown => "the last replay was too short a time ago",
        For::NoScraper => "scrapers.toml has no scraper for it",
        For::Backoff => "the last run failed for reasons of its own, and the next waits a little",
    };
    match withheld.until {
        Some(until) => format!("{why} (until {until})"),
        None => why.to_owned(),
    }
}

impl ServiceSummary {
    fn new(service: Service) -> Self {
        Self {
            service,
            run: None,
            withheld: None,
            error: None,
            replay: None,
            drifts: Vec::new(),
        }
    }

    pub fn begun(run: &Run) -> Self {
        Self {
            run: Some(run.run),
            ..Self::new(run.service.clone())
        }
    }

    pub fn withheld(service: Service, withheld: Option<Withheld>) -> Self {
        Self {
            withheld,
            ..Self::new(service)
        }
    }

    pub fn failed(service: Service, error: &ApiError) -> Self {
        Self {
            error: Some(error.to_string()),
            ..Self::new(service)
        }
    }

    pub fn skipped(service: Service, why: &str) -> Self {
        Self {
            error: Some(why.to_owned()),
            ..Self::new(service)
        }
    }

    pub fn replayed(&mut self, replayed: Option<&Replayed>) {
        let Some(last) = replayed.and_then(|replayed| replayed.tries.last()) else {
            return;
        };
        self.replay = Some(match &last.ending {
            Ending::Succeeded => "passed every step".to_owned(),
            Ending::Tripped { step, .. } => format!("tripped at {step}"),
            Ending::Failed(code) => format!("gave up: {code}"),
            Ending::Broke(code) => match replayed.and_then(|replayed| replayed.broke.as_ref()) {
                Some(why) => format!("broke: {code}, {why}"),
                None => format!("broke: {code}"),
            },
        });
    }

    pub fn fail(&mut self, error: &ApiError) {
        tracing::warn!(service = %self.service, %error, "the run was left");
        self.error = Some(error.to_string());
    }
}

impl DriftSummary {
    pub fn of(service: &Service, drift: &ClaimedDrift) -> Self {
        Self {
            service: service.clone(),
            step: drift.step.clone(),
            step_hash: drift.step_hash.clone(),
            task: drift.task,
            verdict: None,
            code: None,
            details: None,
            action: None,
            issue: drift.issue.clone(),
            error: None,
        }
    }

    pub fn found(&mut self, finding: &Finding, broke: Option<&str>) {
        self.verdict = Some(finding.verdict);
        self.code.clone_from(&finding.code);
        if finding.verdict == Verdict::Infra {
            self.details = broke.map(str::to_owned);
        }
    }

    pub fn did(&mut self, action: Action, issue: &Issue) {
        self.action = Some(action);
        self.issue = Some(issue.clone());
    }

    pub fn differs(&mut self, observation: &Observation) {
        let state = match observation {
            Observation::Open => "open",
            Observation::Closed => "closed",
            Observation::Gone => "gone",
            Observation::Moved { .. } => "somewhere else",
        };
        self.details = Some(format!("the issue is {state}, which the backend knows now"));
    }

    /// What was written was right when it was asked for. The next pass does what follows from the decision.
    pub fn overtaken(&mut self) {
        self.details = Some("somebody decided about it meanwhile".to_owned());
    }

    /// Our own side failed: the next run looks again.
    pub fn is_left_open(&self) -> bool {
        self.verdict == Some(Verdict::Infra)
    }

    fn words(&self) -> String {
        let mut words = Vec::new();
        if let Some(verdict) = self.verdict {
            let verdict = match verdict {
                Verdict::Confirmed => "confirmed",
                Verdict::NotReproduced => "not reproduced",
                Verdict::Blocked => "blocked: a bot wall or captcha",
                Verdict::Auth => "the account did not get in",
                Verdict::Infra => "our own side failed",
            };
            words.push(match &self.code {
                Some(code) => format!("{verdict} ({code})"),
                None => verdict.to_owned(),
            });
        }
        if let (Some(action), Some(issue)) = (self.action, &self.issue) {
            let action = format!("{action:?}").to_lowercase();
            words.push(format!("{action} #{} {}", issue.number, issue.url));
        }
        words.extend(self.details.clone());
        words.extend(
            self.error
                .as_ref()
                .map(|error| format!("waits for the next tick: {error}")),
        );
        if words.is_empty() {
            "nothing to do".to_owned()
        } else {
            words.join("; ")
        }
    }
}
