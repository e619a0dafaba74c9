//! `agentkeys report`: a report from a script in any language.

use std::process::ExitCode;
use std::time::Duration;

use drift_schema::words::NotA;
use drift_schema::{Digest, Host, Micros, ScraperVersion, Service, Step, TripwireKind};
use serde::Serialize;
use uuid::Uuid;

use super::{print_json, say};
use crate::audit::{Audit, Entry, Event};
use crate::config::{Problems, Settings};
use crate::scraper::Supervisor;
use crate::services::Services;
use crate::telemetry::{Filed, Finding, ReportState, Telemetry, Tier, host_of, patience};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Whose page it is
    #[arg(long)]
    service: Service,
    /// The step of the flow that tripped
    #[arg(long)]
    step: Step,
    /// selector-missing, unexpected-nav or timeout
    #[arg(long, value_parser = kind)]
    kind: TripwireKind,
    /// Shape of the page: 64 hexadecimal digits
    #[arg(long)]
    digest: Digest,
    /// Address of the page, of which only the host is used [default: the service's own host]
    #[arg(long, conflicts_with = "host")]
    url: Option<String>,
    /// Host of the page
    #[arg(long)]
    host: Option<Host>,
    /// Version of the scraper [default: of agentkeys]
    #[arg(long)]
    scraper_version: Option<ScraperVersion>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn kind(text: &str) -> Result<TripwireKind, NotA> {
    TripwireKind::parse(text)
}

#[derive(Serialize)]
struct Told<'a> {
    report: ReportState,
    #[serde(skip_serializing_if = "Option::is_none")]
    report_id: Option<Uuid>,
    known_issue: Option<&'a drift_schema::answer::KnownIssue>,
    message: String,
}

pub(super) async fn run(
    settings: &Settings,
    supervisor: &Supervisor,
    args: Args,
) -> anyhow::Result<ExitCode> {
    let telemetry = Telemetry::new(settings, supervisor.program());
    let wanted = telemetry.tier != Tier::Off;
    // Here the report is the errand, not a courtesy beside it: a wrong configuration is worth an exit code.
    if wanted && let Some(problem) = telemetry.problem() {
        return Err(Problems::one(problem).into());
    }
    let finding = Finding {
        url_host: Some(host(settings, &args)?),
        service: args.service,
        kind: args.kind,
        step: args.step,
        dom_digest: Some(args.digest),
        scraper_version: args.scraper_version,
        screenshot: None,
    };
    let filed = telemetry.file(&finding, patience(Duration::ZERO)).await;
    if wanted {
        let entry = entry(&finding, &filed);
        if let Err(error) = Audit::new(&settings.home).write(&entry) {
            say(&format!("note: the audit cannot be written: {error}"));
        }
    }
    let told = Told {
        report: filed.state,
        report_id: filed.report_id,
        known_issue: filed.known_issue.as_ref(),
        message: message(&filed),
    };
    if args.json {
        print_json(&told)?;
    } else {
        say(&told.message);
    }
    let mended = matches!(filed.state, ReportState::HeldBack | ReportState::Refused);
    Ok(ExitCode::from(u8::from(mended)))
}

fn host(settings: &Settings, args: &Args) -> Result<Host, Problems> {
    if let Some(host) = &args.host {
        return Ok(host.clone());
    }
    if let Some(url) = &args.url {
        let why = "--url has no host name that can be reported (an address of numbers is none)";
        return host_of(url).ok_or_else(|| Problems::one(why));
    }
    let services = Services::read(settings)?;
    let known = services.get(&args.service);
    let own = known.and_then(|known| known.page_host.clone());
    // A name that is reserved for being nobody's.
    own.map_or_else(
        || Host::parse("unknown.invalid").map_err(|error| Problems::one(error.to_string())),
        Ok,
    )
}

fn entry(finding: &Finding, filed: &Filed) -> Entry {
    let state = serde_json::to_value(filed.state).unwrap_or_default();
    Entry {
        at: Micros::now(),
        attempt: filed.report_id.unwrap_or_else(Uuid::now_v7),
        service: finding.service.clone(),
        event: Event::Reported {
            kind: finding.kind,
            step: finding.step.clone(),
            state: state.as_str().unwrap_or_default().to_owned(),
        },
    }
}

fn message(filed: &Filed) -> String {
    let issue = filed.known_issue.as_ref();
    let link = issue.and_then(|issue| issue.url.as_deref());
    match (filed.state, &filed.note) {
        (ReportState::Sent, _) => match link {
            Some(link) => format!("drift reported, fix pending: {link}"),
            None => "drift reported, fix pending".to_owned(),
        },
        (ReportState::Queued, _) => {
            "the report is queued, and goes out by itself: see `agentkeys telemetry status`"
                .to_owned()
        }
        (ReportState::Off, None) => {
            "not reported: telemetry is off; AGENTKEYS_TELEMETRY=1 turns it on".to_owned()
        }
        (ReportState::Off, Some(note)) => format!("not reported: {note}"),
        (_, Some(note)) => note.clone(),
        (_, None) => "not reported".to_owned(),
    }
}
