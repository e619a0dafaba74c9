//! `/events`: the log itself, newest first, by kind and service, with what the last check of its chain said. With a
//! script it goes on by itself (`live`).

mod live;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use askama::Template;
use drift_schema::answer::LoggedEvent;
use drift_schema::{Event, Micros};
use serde::Deserialize;

use super::story::{self, Names, Told};
use super::time::When;
use super::{Frame, PageError, Section, Viewer, page};
use crate::http::State;
use crate::store::{LogFilter, LogKinds, Verification};

pub(crate) use live::Feeds;
pub(super) use live::follow;

const PAGE: u16 = 50;
/// What the choice for everything but reports is called.
const BUT_REPORTS: &str = "but-reports";
/// So much more of the log and it is time to check it again.
const CHECK_AGAIN_SECONDS: i64 = 8 * 86_400;

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Asked {
    kind: Option<String>,
    service: Option<String>,
    before: Option<String>,
    /// Of the live view: what the page shows already.
    after: Option<i64>,
}

#[derive(Template)]
#[template(path = "events.html")]
struct Events {
    frame: Frame,
    kinds: Vec<Kind>,
    filter: LogFilter,
    /// As it stands in the address.
    query: String,
    is_older: bool,
    rows: Vec<Row>,
    older: Option<i64>,
    head: i64,
    checked: Option<Checked>,
}

/// A choice of the filter.
struct Kind {
    name: &'static str,
    words: &'static str,
    is_chosen: bool,
}

/// How the chain was last found.
struct Checked {
    at: When,
    clean: bool,
    found: String,
    position: i64,
    /// Events since then.
    since: i64,
    is_old: bool,
}

/// One event, as the page and the live view show it.
#[derive(Template)]
#[template(path = "events/row.html")]
struct Row {
    at: When,
    told: Told,
}

impl Row {
    fn new(event: &LoggedEvent, names: Names<'_>, now: Micros) -> Self {
        Self {
            at: When::new(event.recorded_at, now),
            told: story::of(event, names),
        }
    }
}

impl Asked {
    /// A form that was sent empty asks for all.
    fn filter(&self) -> Result<LogFilter, PageError> {
        let given = |value: &Option<String>| value.clone().filter(|it| !it.trim().is_empty());
        let kinds = match given(&self.kind).as_deref() {
            None => LogKinds::All,
            Some(BUT_REPORTS) => LogKinds::ButReports,
            Some(name) => {
                let kind = Event::KINDS.iter().find(|(kind, _)| *kind == name);
                LogKinds::Only(kind.ok_or(PageError::NotFound("kind of event"))?.0)
            }
        };
        Ok(LogFilter {
            kinds,
            service: super::parts::asked_service(self.service.as_deref())?,
        })
    }
}

/// For links: what was chosen, without the place in the log.
fn query(filter: &LogFilter) -> String {
    let mut query = String::new();
    match filter.kinds {
        LogKinds::All => {}
        LogKinds::ButReports => query += "&kind=but-reports",
        LogKinds::Only(kind) => query = format!("{query}&kind={kind}"),
    }
    if let Some(service) = &filter.service {
        query = format!("{query}&service={service}");
    }
    query
}

pub(super) async fn list(
    state: Data<State>,
    viewer: Viewer,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageError> {
    let filter = asked.filter()?;
    let before = match asked.before.as_deref() {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| PageError::NotFound("page"))?),
    };
    let look = state
        .store
        .log_look(&viewer.workspace, &filter, before, PAGE);
    let look = state.read(look).await?;
    let now = Micros::now();
    let names = story::names(&state, &viewer.workspace);
    let rows = look.events.iter();
    let rows = rows.map(|event| Row::new(event, &names, now)).collect();
    drop(names);
    let everything = [("", "Everything"), (BUT_REPORTS, "Everything but reports")];
    let single = Event::KINDS.iter().map(|(kind, _)| (*kind, *kind));
    let kinds = everything
        .into_iter()
        .chain(single)
        .map(|(name, words)| Kind {
            name,
            words,
            is_chosen: match filter.kinds {
                LogKinds::All => name.is_empty(),
                LogKinds::ButReports => name == BUT_REPORTS,
                LogKinds::Only(kind) => name == kind,
            },
        });
    page(&Events {
        frame: Frame::new(viewer, Section::Events, "Events"),
        kinds: kinds.collect(),
        query: query(&filter),
        filter,
        is_older: before.is_some(),
        rows,
        older: look.older,
        checked: look.verification.map(|it| Checked::new(it, look.head, now)),
        head: look.head,
    })
}

impl Checked {
    fn new(verification: Verification, head: i64, now: Micros) -> Self {
        let Verification {
            at,
            position,
            clean,
            found,
        } = verification;
        Self {
            at: When::new(at, now),
            clean,
            found,
            position,
            since: (head - position).max(0),
            is_old: at.plus_seconds(CHECK_AGAIN_SECONDS) < now,
        }
    }
}
