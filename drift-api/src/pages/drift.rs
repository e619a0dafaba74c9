//! `/drifts/{service}/{step_hash}`: all that is known about one drift.

mod compare;
mod evidence;
mod plot;
mod timeline;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{Data, Path};
use askama::Template;
use drift_schema::run::Counted;
use drift_schema::{Micros, Service, StepHash};

use super::parts::{IssueLink, grouped};
use super::standing::{self, Standing};
use super::time::When;
use super::{Frame, PageError, Section, Viewer, page};
use crate::http::State;
use crate::store::DriftLook;
use evidence::{Comparison, Evidence, Proved};
use plot::Plot;
use timeline::{Entry, What};

const NONE: PageError = PageError::NotFound("drift");

#[derive(Template)]
#[template(path = "drift.html")]
struct DriftPage {
    frame: Frame,
    drift: DriftLook,
    url: String,
    standing: Standing,
    issue: Option<IssueLink>,
    first_seen: Option<When>,
    last_seen: Option<When>,
    last_good: Option<When>,
    first_bad: Option<When>,
    evidence: Evidence,
    older: Vec<Proved>,
    plot: Option<Plot>,
    facts: Vec<Fact>,
    timeline: Vec<Entry>,
}

/// Values of one thing that reports say, the commonest first.
struct Fact {
    name: &'static str,
    values: Vec<Share>,
}

struct Share {
    value: String,
    /// In full, where the value is cut.
    full: Option<String>,
    count: String,
    /// Of the commonest one, in hundredths.
    share: i64,
}

impl Fact {
    fn new(name: &'static str, counted: &[Counted]) -> Self {
        let most = counted
            .iter()
            .map(|one| one.count)
            .max()
            .unwrap_or(1)
            .max(1);
        let share = |one: &Counted| {
            let is_digest = one.value.len() == 64;
            let value = if is_digest {
                super::parts::short(&one.value).to_owned()
            } else {
                one.value.clone()
            };
            Share {
                full: is_digest.then(|| one.value.clone()),
                value,
                count: grouped(one.count),
                share: (one.count * 100 / most).max(1),
            }
        };
        Self {
            name,
            values: counted.iter().map(share).collect(),
        }
    }
}

pub(super) async fn show(
    state: Data<State>,
    viewer: Viewer,
    path: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let drift = look(&state, &viewer, path.into_inner()).await?;
    let now = Micros::now();
    let when = |at: Option<Micros>| at.map(|at| When::new(at, now));
    let evidence = Evidence::gather(&state, &viewer.workspace, &drift, now).await?;
    let seen = &drift.seen;
    let facts = [
        ("Kind", &seen.kinds),
        ("Scraper version", &seen.versions),
        ("Host", &seen.hosts),
        ("Page shape", &seen.digests),
    ];
    let title = format!("{} · {}", drift.step, drift.service);
    page(&DriftPage {
        frame: Frame::new(viewer, Section::Overview, title),
        url: super::parts::drift_url(&drift.service, &drift.step),
        standing: standing::of(&drift.drift, seen.fresh > 0, drift.of_service.paused, now),
        issue: drift.drift.issue.as_ref().map(IssueLink::of),
        first_seen: when(seen.first),
        last_seen: when(seen.last),
        last_good: when(drift.drift.last_good.as_ref().map(|good| good.at)),
        first_bad: when(drift.drift.first_bad),
        older: evidence::older(&drift, now),
        plot: Plot::of(&drift.days, now.day()),
        facts: facts
            .into_iter()
            .filter(|(_, counted)| !counted.is_empty())
            .map(|(name, counted)| Fact::new(name, counted))
            .collect(),
        timeline: timeline::of(&drift, now),
        evidence,
        drift,
    })
}

/// The same as JSON, as the API gives it.
pub(super) async fn raw(
    state: Data<State>,
    viewer: Viewer,
    path: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let (service, hash) = names(path.into_inner())?;
    let details = state
        .store
        .drift_details(&viewer.workspace, &service, &hash, Micros::now());
    let details = state.read(details).await?.ok_or(NONE)?;
    let json = serde_json::to_string_pretty(&details).map_err(|_| PageError::Internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(json))
}

async fn look(
    state: &State,
    viewer: &Viewer,
    path: (String, String),
) -> Result<DriftLook, PageError> {
    let (service, hash) = names(path)?;
    let look = state
        .store
        .drift_look(&viewer.workspace, &service, &hash, Micros::now());
    state.read(look).await?.ok_or(NONE)
}

fn names((service, hash): (String, String)) -> Result<(Service, StepHash), PageError> {
    let service = Service::parse(&service).map_err(|_| NONE)?;
    let hash = StepHash::parse(&hash).map_err(|_| NONE)?;
    Ok((service, hash))
}
