//! `/runs`: each replay with what it found, how long it took, and what it left at the provider.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use askama::Template;
use drift_schema::run::Leftover;
use drift_schema::{Micros, Service, Step};
use serde::Deserialize;
use uuid::Uuid;

use super::parts::drift_url;
use super::story;
use super::time::{When, span};
use super::{Frame, PageError, Section, Viewer, page};
use crate::http::State;
use crate::lifecycle::RunLog;
use crate::lifecycle::run::Status;
use crate::store::RunLook;

const PAGE: u16 = 50;
const NONE: PageError = PageError::NotFound("run");

#[derive(Deserialize)]
pub(super) struct Asked {
    service: Option<String>,
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs {
    frame: Frame,
    only: Option<Service>,
    /// Not the first page.
    is_older: bool,
    runs: Vec<Row>,
    older: Option<i64>,
    contact: Option<When>,
}

#[derive(Template)]
#[template(path = "runs/run.html")]
struct OneRun {
    frame: Frame,
    run: Row,
    position: i64,
    ended: Option<When>,
    leased_until: Option<When>,
    steps: Vec<Taken>,
    log_tail: String,
    resources: Vec<Resource>,
}

struct Row {
    id: String,
    short: String,
    service: Service,
    runner: String,
    by_hand: bool,
    claimed: When,
    took: Option<String>,
    class: &'static str,
    status: &'static str,
    drifts: Vec<Handled>,
    /// How far the scraper came, where the run was for no drift that is known.
    way: Option<String>,
}

/// One drift of a run.
struct Handled {
    url: String,
    step: Step,
    task: &'static str,
    class: &'static str,
    /// What came of it.
    outcome: String,
}

struct Taken {
    step: Step,
    took: String,
    /// Of the longest one, in hundredths.
    share: u64,
    is_passed: bool,
}

struct Resource {
    what: Leftover,
    is_gone: bool,
}

pub(super) async fn list(
    state: Data<State>,
    viewer: Viewer,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageError> {
    let only = super::parts::asked_service(asked.service.as_deref())?;
    let before = match asked.before.as_deref() {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| PageError::NotFound("page"))?),
    };
    let now = Micros::now();
    let look = state
        .store
        .runs_look(&viewer.workspace, only.as_ref(), before, PAGE);
    let look = state.read(look).await?;
    page(&Runs {
        frame: Frame::new(viewer, Section::Runs, "Runs"),
        only,
        is_older: before.is_some(),
        runs: look.runs.iter().map(|run| Row::new(run, now)).collect(),
        older: look.older,
        contact: look.contact.map(|at| When::new(at, now)),
    })
}

pub(super) async fn show(
    state: Data<State>,
    viewer: Viewer,
    run: Path<String>,
) -> Result<HttpResponse, PageError> {
    let run: Uuid = run.parse().map_err(|_| NONE)?;
    let look = state.store.run_look(&viewer.workspace, run);
    let look = state.read(look).await?.ok_or(NONE)?;
    let now = Micros::now();
    let row = Row::new(&look, now);
    let title = format!("Run {} · {}", row.short, look.service);
    let longest = look.log.steps.iter().map(|step| step.millis).max();
    let longest = longest.unwrap_or(1).max(1);
    let steps = look.log.steps.iter().map(|step| Taken {
        step: step.step.clone(),
        took: span(step.millis),
        share: (step.millis.saturating_mul(100) / longest).max(1),
        is_passed: look.log.passed.contains(&step.step),
    });
    // What it removed may be older than the run.
    let mut resources: Vec<Resource> = look
        .log
        .left
        .iter()
        .map(|left| Resource {
            what: left.clone(),
            is_gone: look.log.cleaned.contains(left),
        })
        .collect();
    let earlier = look.log.cleaned.iter();
    resources.extend(
        earlier
            .filter(|cleaned| !look.log.left.contains(cleaned))
            .map(|cleaned| Resource {
                what: cleaned.clone(),
                is_gone: true,
            }),
    );
    page(&OneRun {
        frame: Frame::new(viewer, Section::Runs, title),
        position: look.token,
        ended: look.log.ended_at.map(|at| When::new(at, now)),
        leased_until: look
            .leased_until
            .filter(|_| look.log.status == Status::Open)
            .map(|at| When::new(at, now)),
        steps: steps.collect(),
        log_tail: look.log.log_tail.clone(),
        resources,
        run: row,
    })
}

impl Row {
    fn new(look: &RunLook, now: Micros) -> Self {
        let RunLook {
            run,
            service,
            claimed_at,
            log,
            ..
        } = look;
        let (class, status) = match log.status {
            Status::Open => ("waiting", "running"),
            Status::Done => ("good", "done"),
            Status::Partly => ("broken", "partly"),
            Status::Expired => ("yours", "lost"),
        };
        let took = log
            .ended_at
            .map(|ended| u64::try_from((ended.0 - claimed_at.0) / 1_000).unwrap_or(0));
        let drifts = log.tasks.iter().map(|claimed| {
            let (class, outcome) = match (
                log.verdicts.get(&claimed.step),
                log.written.get(&claimed.step),
            ) {
                (Some(verdict), _) => story::verdict(*verdict),
                (None, Some(_)) => ("good", "Written to the issue".to_owned()),
                (None, None) if log.status == Status::Open => ("", "Not yet".to_owned()),
                (None, None) => ("", "Left for the next run".to_owned()),
            };
            Handled {
                url: drift_url(service, &claimed.step),
                step: claimed.step.clone(),
                task: story::task(claimed.task),
                class,
                outcome,
            }
        });
        Self {
            id: run.to_string(),
            // Its end: ids begin with the time, and those of a minute alike.
            short: run.simple().to_string()[24..].to_owned(),
            service: service.clone(),
            runner: log.runner.clone(),
            by_hand: log.by_hand,
            claimed: When::new(*claimed_at, now),
            took: took.map(span),
            class,
            status,
            drifts: drifts.collect(),
            way: way(log).filter(|_| log.tasks.is_empty()),
        }
    }
}

fn way(log: &RunLog) -> Option<String> {
    let mut steps = log.steps.iter().map(|taken| &taken.step);
    steps.clone().next()?;
    Some(match steps.find(|step| !log.passed.contains(step)) {
        Some(step) => format!("did not pass {step}"),
        None => "passed every step".to_owned(),
    })
}
