//! `/`: what needs somebody, where reports come from, and what replays cost. With `?service=` the same about one.

mod heat;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use askama::Template;
use drift_schema::{Micros, Service};
use serde::Deserialize;

use super::parts::{IssueLink, compact, drift_url};
use super::standing::{self, Standing, Turn};
use super::time::When;
use super::{Frame, PageError, Section, Viewer, page};
use crate::http::State;
use crate::store::{Concern, OverviewLook, ServiceLook};
use heat::HeatMap;

/// Days of the heat map, today included.
const DAYS: i64 = 14;
const DAY_SECONDS: i64 = 86_400;
/// A tick is due each hour; after this long it is missed loudly.
const SILENT_SECONDS: i64 = 3 * 3_600;
/// Services with a row of their own.
const MOST_SERVICES: usize = 40;
/// Drifts in one list.
const MOST_ITEMS: usize = 60;
/// Of what nobody has to look at, so many stand there at once.
const AT_ONCE: usize = 8;

#[derive(Deserialize)]
pub(super) struct Asked {
    service: Option<String>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    only: Option<Service>,
    /// Nothing but keys is in the log: somebody is here for the first time.
    is_new: bool,
    /// Where clients send reports.
    public_url: String,
    runner: Runner,
    all_paused: bool,
    heat: HeatMap,
    /// What a person is to look at, and what goes on by itself.
    yours: List,
    others: List,
    /// Muted, fixed, or passed: nobody's work.
    rest: List,
    more: i64,
    fixed: i64,
    services: Vec<Spending>,
    more_services: usize,
}

/// When a runner was last heard of.
struct Runner {
    seen: Option<When>,
    /// Too long ago.
    is_silent: bool,
}

struct List {
    first: Vec<Item>,
    /// Folded.
    more: Vec<Item>,
}

/// A drift in a list.
struct Item {
    url: String,
    service: Service,
    step: String,
    standing: Standing,
    issue: Option<IssueLink>,
    last_seen: Option<(Micros, When)>,
    recent: i64,
}

/// What replays of one service cost.
struct Spending {
    service: Service,
    today: u32,
    per_day: Option<u32>,
    last: Option<When>,
    paused: bool,
    runner: Option<String>,
    inconclusive: i64,
    leftovers: usize,
}

pub(super) async fn show(
    state: Data<State>,
    viewer: Viewer,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageError> {
    let only = super::parts::asked_service(asked.service.as_deref())?;
    let now = Micros::now();
    let since = now.minus_seconds((DAYS - 1) * DAY_SECONDS).day();
    let look = state
        .store
        .overview(&viewer.workspace, only.as_ref(), since);
    let look = state.read(look).await?;
    let title = match &only {
        Some(service) => service.to_string(),
        None => "Overview".to_owned(),
    };
    let frame = Frame::new(viewer, Section::Overview, title);
    let public_url = state.public_url.as_str().trim_end_matches('/').to_owned();
    page(&Overview::new(frame, only, public_url, look, now))
}

impl Overview {
    fn new(
        frame: Frame,
        only: Option<Service>,
        public_url: String,
        look: OverviewLook,
        now: Micros,
    ) -> Self {
        let is_paused = |service: &Service| {
            let states = look.services.iter();
            look.all_paused
                || states
                    .filter(|it| it.service == *service)
                    .any(|it| it.state.paused)
        };
        let mut items: Vec<Item> = look
            .concerns
            .iter()
            .map(|concern| Item::new(concern, is_paused(&concern.service), now))
            .collect();
        items.sort_by(|a, b| {
            let newest = b.last_seen.map(|it| it.0).cmp(&a.last_seen.map(|it| it.0));
            a.standing.turn.cmp(&b.standing.turn).then(newest)
        });
        let (mut yours, mut others, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        let mut cut = 0;
        for item in items {
            let list = match item.standing.turn {
                Turn::Yours | Turn::Mender => &mut yours,
                Turn::Machine => &mut others,
                Turn::Nobody => &mut rest,
            };
            if list.len() < MOST_ITEMS {
                list.push(item);
            } else {
                cut += 1;
            }
        }
        let mut services: Vec<Spending> = look
            .services
            .iter()
            .map(|service| Spending::new(service, now))
            .collect();
        // The dearest first, and whatever is not as it should be before them.
        services.sort_by_key(|it| {
            let odd = it.paused || it.inconclusive > 0 || it.leftovers > 0 || it.runner.is_some();
            (!odd, std::cmp::Reverse(it.today))
        });
        let more_services = services.len().saturating_sub(MOST_SERVICES);
        services.truncate(MOST_SERVICES);
        let heat = HeatMap::new(&look.heat, now.day(), DAYS, MOST_SERVICES);
        let is_silent = look
            .contact
            .is_none_or(|at| at.plus_seconds(SILENT_SECONDS) < now);
        Self {
            is_new: heat.is_empty()
                && yours.is_empty()
                && others.is_empty()
                && rest.is_empty()
                && services.is_empty(),
            runner: Runner {
                seen: look.contact.map(|at| When::new(at, now)),
                is_silent,
            },
            all_paused: look.all_paused,
            fixed: look.fixed,
            more: look.more_concerns + cut,
            frame,
            only,
            public_url,
            heat,
            yours: List::of(yours, MOST_ITEMS),
            others: List::of(others, AT_ONCE),
            rest: List::of(rest, AT_ONCE),
            services,
            more_services,
        }
    }
}

impl List {
    fn of(mut items: Vec<Item>, at_once: usize) -> Self {
        let more = items.split_off(at_once.min(items.len()));
        Self { first: items, more }
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

impl Item {
    fn new(concern: &Concern, paused: bool, now: Micros) -> Self {
        let Concern {
            service,
            step,
            drift,
            last_seen,
            recent,
            waiting,
        } = concern;
        Self {
            url: drift_url(service, step),
            service: service.clone(),
            step: step.to_string(),
            standing: standing::of(drift, *waiting, paused, now),
            issue: drift.issue.as_ref().map(IssueLink::of),
            last_seen: last_seen.map(|at| (at, When::new(at, now))),
            recent: *recent,
        }
    }
}

impl Spending {
    fn new(look: &ServiceLook, now: Micros) -> Self {
        let spent = look.state.spent(now);
        Self {
            service: look.service.clone(),
            today: spent.today,
            per_day: look.budget.map(|budget| budget.per_day),
            last: spent.last.map(|at| When::new(at, now)),
            paused: look.state.paused,
            runner: look.state.run.as_ref().map(|run| run.runner.clone()),
            inconclusive: look.state.inconclusive.into(),
            leftovers: look.state.leftovers.len(),
        }
    }

    /// Of the day's budget, in hundredths.
    fn share(&self) -> u32 {
        match self.per_day {
            Some(per_day) => (self.today.saturating_mul(100) / per_day.max(1)).min(100),
            None => 0,
        }
    }

    fn is_spent(&self) -> bool {
        self.per_day.is_some_and(|per_day| self.today >= per_day)
    }
}
