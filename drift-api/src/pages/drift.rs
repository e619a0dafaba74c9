//! `/drifts/{service}/{step_hash}`: all that is known about one drift.

mod compare;
mod evidence;
mod plot;
mod timeline;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{Data, Path};
use askama::Template;
use drift_schema::run::{Counted, Verdict};
use drift_schema::{Micros, ScraperVersion, Service, StepHash};
use uuid::Uuid;

use super::parts::{IssueLink, grouped};
use super::standing::{self, Standing};
use super::story;
use super::time::When;
use super::{Frame, PageError, Section, Viewer, page};
use crate::http::State;
use crate::store::DriftLook;
use evidence::{Comparison, Evidence, Proved};
use plot::Plot;
use timeline::{Entry, What};

const NONE: PageError = PageError::NotFound("drift");
/// Of the scraper's last words, in characters.
const MOST_WORDS: usize = 400;

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
    last_words: Option<LastWords>,
    /// A scraper that trips, though a maintainer said that this version has the fix.
    doubted_by: Option<ScraperVersion>,
    older: Vec<Proved>,
    plot: Option<Plot>,
    facts: Vec<Fact>,
    timeline: Vec<Entry>,
}

/// The end of what the scraper logged in the run that judged the drift: often the cause in plain words.
struct LastWords {
    text: String,
    run: Uuid,
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
    let last_words = LastWords::find(&state, &viewer, &drift).await?;
    let timeline = timeline::of(&drift, &story::names(&state, &viewer.workspace), now);
    let waiting = drift.days.iter().filter(|day| day.fresh);
    let waiting = waiting.map(|day| day.first_seen).min();
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
        standing: standing::of(&drift.drift, waiting, drift.of_service.paused, now),
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
        doubted_by: doubted_by(&drift),
        timeline,
        evidence,
        last_words,
        drift,
    })
}

/// The newest that tripped and is not older than the version in which somebody says it is fixed.
fn doubted_by(look: &DriftLook) -> Option<ScraperVersion> {
    let declared = look
        .decided
        .fix_declared
        .and(look.drift.fixed_in.as_ref())?;
    let reported = look.seen.versions.iter();
    let reported = reported.filter_map(|one| ScraperVersion::parse(&one.value).ok());
    let tripped = reported.chain(look.drift.newest_broken.clone());
    tripped
        .filter(|version| !version.is_older_than(declared))
        .reduce(|a, b| if a.is_older_than(&b) { b } else { a })
}

impl LastWords {
    /// None: the step passed, or the run is not over or said nothing.
    async fn find(
        state: &State,
        viewer: &Viewer,
        look: &DriftLook,
    ) -> Result<Option<Self>, PageError> {
        let judged = look.drift.judged.as_ref();
        let Some(judged) = judged.filter(|it| it.verdict != Verdict::NotReproduced) else {
            return Ok(None);
        };
        let run = state.store.run_look(&viewer.workspace, judged.run);
        let Some(run) = state.read(run).await? else {
            return Ok(None);
        };
        let line = run.log.log_tail.lines().rev().map(str::trim);
        let line = line.into_iter().find(|line| !line.is_empty());
        Ok(line.map(|line| Self {
            text: compare::cut(line, MOST_WORDS),
            run: judged.run,
        }))
    }
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
