//! What `agentkeys.drift_known` answers: the backend's word on each step, beside what has tripped on this machine.

use drift_schema::answer::KnownIssue;
use drift_schema::{Micros, Service, Step};
use serde::Serialize;

use crate::audit::{Audit, Event};
use crate::config::Settings;
use crate::telemetry::ask_known;

/// Steps that one question is about, at most.
const MOST_STEPS: usize = 10;

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Answer {
    service: String,
    steps: Vec<StepAnswer>,
    /// `NO_DSN` or `BACKEND_UNREACHABLE` where the backend could not be asked about all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct StepAnswer {
    step: String,
    /// Null where the backend could not be asked.
    known: Option<bool>,
    first_seen: Option<String>,
    /// `state`, `number`, `url` and `fixed_in`.
    #[schemars(with = "Option<serde_json::Value>")]
    known_issue: Option<KnownIssue>,
    last_tripped_here: Option<String>,
}

pub(super) async fn ask(settings: &Settings, service: &Service, step: Option<Step>) -> Answer {
    let tripped = tripped_here(settings, service);
    let steps: Vec<Step> = match step {
        Some(step) => vec![step],
        None => tripped.iter().map(|(step, _)| step.clone()).collect(),
    };
    let mut answer = Answer {
        service: service.to_string(),
        steps: Vec::new(),
        code: None,
        message: None,
    };
    let dsn = match &settings.dsn {
        Ok(Some(dsn)) => Some(dsn),
        Ok(None) => {
            answer.code = Some("NO_DSN");
            answer.message = Some("DRIFT_DSN is not set: there is no backend to ask".to_owned());
            None
        }
        Err(problem) => {
            answer.code = Some("NO_DSN");
            answer.message = Some(problem.clone());
            None
        }
    };
    for step in steps.into_iter().take(MOST_STEPS) {
        let known = match dsn {
            // One that did not answer is not asked ten times.
            Some(dsn) if answer.code.is_none() => match ask_known(dsn, service, &step).await {
                Ok(known) => Some(known),
                Err(why) => {
                    answer.code = Some("BACKEND_UNREACHABLE");
                    answer.message = Some(format!("the backend did not answer: {why}"));
                    None
                }
            },
            _ => None,
        };
        let here = tripped.iter().find(|(tripped, _)| *tripped == step);
        answer.steps.push(StepAnswer {
            step: step.to_string(),
            known: known.as_ref().map(|known| known.known),
            first_seen: known
                .as_ref()
                .and_then(|known| Some(known.first_seen?.to_string())),
            known_issue: known.and_then(|known| known.known_issue),
            last_tripped_here: here.map(|(_, at)| at.to_string()),
        });
    }
    answer
}

/// Steps of this service that tripped on this machine, the latest first.
fn tripped_here(settings: &Settings, service: &Service) -> Vec<(Step, Micros)> {
    let (entries, _) = Audit::new(&settings.home).read().unwrap_or_default();
    let mut tripped: Vec<(Step, Micros)> = Vec::new();
    for entry in entries.into_iter().rev() {
        if let Event::Tripwire { step, .. } = entry.event
            && entry.service == *service
            && tripped.iter().all(|(known, _)| *known != step)
        {
            tripped.push((step, entry.at));
        }
    }
    tripped
}
