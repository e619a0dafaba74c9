//! The answer of one provisioning: what `--json` prints, what the MCP tool returns, and what people read.

use std::time::Duration;

use drift_schema::answer::KnownIssue;
use drift_schema::scraper::{Failure, Tripped};
use drift_schema::{Service, Step, TripwireKind};
use serde::Serialize;
use uuid::Uuid;

use super::Code;
use crate::telemetry::{Filed, ReportState};

#[derive(Debug, Clone)]
pub enum Ending {
    /// A new key was made, verified and stored.
    Provisioned {
        /// Masked, like every key below.
        key: String,
        stored_in: String,
    },
    /// The stored key was verified; nothing was made.
    AlreadyValid {
        key: String,
        stored_in: String,
    },
    NeedsFallback(NeedsFallback),
    Failed(Failed),
}

/// The page has changed. Everything that is needed to go on.
#[derive(Debug, Clone)]
pub struct NeedsFallback {
    pub token: Uuid,
    /// Which other way there is. So far there is none: a person goes on.
    pub tier: &'static str,
    pub kind: TripwireKind,
    pub step: Step,
    pub fallback_file: Option<String>,
    pub report: ReportState,
    pub report_id: Option<Uuid>,
    pub known_issue: Option<KnownIssue>,
}

#[derive(Debug, Clone)]
pub struct Failed {
    pub code: Code,
    pub why: String,
    /// The scraper's own code, as in `bad_credentials`.
    pub scraper_code: Option<String>,
    /// Who is in the way.
    pub active_service: Option<Service>,
    /// Last lines, without secrets.
    pub stderr: Option<String>,
}

impl Ending {
    pub(super) fn failed(code: Code, why: impl Into<String>) -> Self {
        Self::Failed(Failed {
            code,
            why: why.into(),
            scraper_code: None,
            active_service: None,
            stderr: None,
        })
    }

    pub(super) fn in_progress(active: Option<Service>) -> Self {
        let why = match &active {
            Some(active) => {
                format!("{active} is being provisioned at this moment, and only one goes at a time")
            }
            None => "another service is being provisioned at this moment".to_owned(),
        };
        Self::Failed(Failed {
            code: Code::ProvisionInProgress,
            why,
            scraper_code: None,
            active_service: active,
            stderr: None,
        })
    }

    pub(super) fn scraper_error(failure: &Failure) -> Self {
        let details = failure.details.as_deref().unwrap_or("it gave no details");
        Self::Failed(Failed {
            code: Code::ScraperError,
            why: format!("the scraper gave up with {}: {details}", failure.code),
            scraper_code: Some(failure.code.to_string()),
            active_service: None,
            stderr: None,
        })
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Provisioned { .. } => "provisioned",
            Self::AlreadyValid { .. } => "already_valid",
            Self::NeedsFallback(_) => "needs_fallback",
            Self::Failed(_) => "failed",
        }
    }

    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Provisioned { .. } | Self::AlreadyValid { .. } => None,
            Self::NeedsFallback(_) => Some(Code::NeedsFallback),
            Self::Failed(failed) => Some(failed.code),
        }
    }

    /// Masked.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Provisioned { key, .. } | Self::AlreadyValid { key, .. } => Some(key),
            _ => None,
        }
    }
}

impl NeedsFallback {
    pub(super) fn new(
        token: Uuid,
        tripped: &Tripped,
        fallback_file: Option<String>,
        filed: Filed,
    ) -> Self {
        Self {
            token,
            tier: "none_configured",
            kind: tripped.kind,
            step: tripped.step.clone(),
            fallback_file,
            report: filed.state,
            report_id: filed.report_id,
            known_issue: filed.known_issue,
        }
    }

    /// The calm sentence.
    pub fn message(&self) -> String {
        let issue = self.known_issue.as_ref();
        let fixed_in = issue.and_then(|issue| issue.fixed_in.as_deref());
        let link = issue.and_then(|issue| issue.url.as_deref());
        let base = match (self.report, fixed_in) {
            (ReportState::Sent | ReportState::Queued, Some(version)) => {
                format!("drift reported, fixed in {version}: update the scraper")
            }
            (ReportState::Sent | ReportState::Queued, None) => "drift reported, fix pending".to_owned(),
            (ReportState::Off, _) => {
                "no drift reported, fix pending a report: telemetry is off, AGENTKEYS_TELEMETRY=1 turns it on"
                    .to_owned()
            }
            _ => "no drift reported, fix pending a report".to_owned(),
        };
        let base = match link {
            Some(link) => format!("{base}: {link}"),
            None => base,
        };
        // An address and a version that the backend sends are still a stranger's words.
        crate::mask::printable(&base).replace('\n', " ")
    }
}

/// One object, with every field that applies. Stable: fields are added, never changed.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Summary {
    /// `provisioned`, `already_valid`, `needs_fallback` or `failed`.
    pub outcome: &'static str,
    #[schemars(with = "String")]
    pub service: Service,
    pub duration_seconds: f64,
    /// Where there is no key: why, as a name to match on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The same for people.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<&'static str>,
    /// Masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_in: Option<String>,
    /// The `resume_token` of the tripwire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kind: Option<TripwireKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub step: Option<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_id: Option<Uuid>,
    /// `state`, `number`, `url` and `fixed_in` of the issue, where the backend knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub known_issue: Option<KnownIssue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scraper_code: Option<String>,
    /// Which service is being provisioned instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub active_service: Option<Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// What else somebody should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(skip)]
    pub exit_code: u8,
}

impl Summary {
    pub(super) fn new(
        service: &Service,
        ending: Ending,
        duration: Duration,
        notes: Vec<String>,
    ) -> Self {
        let code = ending.code();
        let mut summary = Self {
            outcome: ending.name(),
            service: service.clone(),
            duration_seconds: duration.as_secs_f64(),
            code: code.map(Code::as_str),
            message: String::new(),
            advice: code.map(Code::advice),
            key: ending.key().map(str::to_owned),
            stored_in: None,
            token: None,
            tier: None,
            kind: None,
            step: None,
            fallback_file: None,
            report: None,
            report_id: None,
            known_issue: None,
            scraper_code: None,
            active_service: None,
            stderr: None,
            notes,
            exit_code: code.map_or(0, Code::exit_code),
        };
        match ending {
            Ending::Provisioned { stored_in, .. } => {
                summary.message = "a new key was verified and stored".to_owned();
                summary.stored_in = Some(stored_in);
            }
            Ending::AlreadyValid { stored_in, .. } => {
                summary.message = "the stored key was verified; nothing new was made".to_owned();
                summary.stored_in = Some(stored_in);
            }
            Ending::NeedsFallback(needs) => {
                summary.message = needs.message();
                summary.token = Some(needs.token);
                summary.tier = Some(needs.tier);
                summary.kind = Some(needs.kind);
                summary.step = Some(needs.step);
                summary.fallback_file = needs.fallback_file;
                summary.report = Some(needs.report);
                summary.report_id = needs.report_id;
                summary.known_issue = needs.known_issue;
            }
            Ending::Failed(failed) => {
                summary.message = failed.why;
                summary.scraper_code = failed.scraper_code;
                summary.active_service = failed.active_service;
                summary.stderr = failed.stderr;
            }
        }
        summary
    }
}
