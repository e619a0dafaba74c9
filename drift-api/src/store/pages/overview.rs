//! What needs somebody, where reports come from, and what replays cost.

use drift_schema::run::Budget;
use drift_schema::{Day, Micros, Service, Step, Workspace};

use super::read_budget;
use crate::lifecycle::drift::{MUTED, RENAMED, STUCK};
use crate::lifecycle::{Drift, ServiceState};
use crate::store::projection::ALL_SERVICES;
use crate::store::session::{Row, Session};
use crate::store::{Result, Store};

/// Drifts of one kind of concern that are read; of the rest there is a number.
const MOST: i64 = 60;
/// Fresh batches that are looked at for it.
const MOST_FRESH: i64 = 5_000;

const HEAT: &str = "
    SELECT service, day, CAST(SUM(count) AS BIGINT) FROM batches WHERE workspace = $1 AND day >= $2 GROUP BY service, day";
/// SQLite would read all batches of the service, were the days not bounded on both sides.
const HEAT_OF: &str = "
    SELECT service, day, CAST(SUM(count) AS BIGINT) FROM batches
    WHERE workspace = $1 AND service = $3 AND day BETWEEN $2 AND '9999-12-31' GROUP BY service, day";
// A drift in a list: its state, when it was last reported, reports since a day, since when fresh ones wait where that is not
// clear from its stage, and of how many this is one.
/// Drifts that somebody may look for, a list each: known to be broken, on their way, set aside, and those that nobody can tell of.
/// Under its old name a step is looked for as long as an issue of that name is open (no other part of a state has `"state"`, and
/// no text in it a bare quote).
const LISTS: [[&str; 3]; 4] = [
    ["open", "closed", "closed"],
    ["opening", "reopening", "settling"],
    [MUTED, RENAMED, RENAMED],
    [STUCK, STUCK, STUCK],
];
const OF_STAGES: &str = "
    SELECT listed.service, listed.step, listed.state,
        (SELECT last_seen FROM batches WHERE batches.workspace = listed.workspace AND batches.service = listed.service
            AND batches.step = listed.step ORDER BY day DESC LIMIT 1),
        (SELECT CAST(SUM(count) AS BIGINT) FROM batches WHERE batches.workspace = listed.workspace
            AND batches.service = listed.service AND batches.step = listed.step AND day >= $2),
        CAST(NULL AS BIGINT), of_all
    FROM (SELECT workspace, service, step, state, COUNT(*) OVER () AS of_all FROM drifts
        WHERE workspace = $1 AND stage IN ($4, $5, $6) AND (stage <> 'renamed' OR state LIKE '%\"state\":\"open\"%')
        ORDER BY service, step LIMIT $3) AS listed
    ORDER BY listed.service, listed.step";
const OF_SERVICE: &str = "
    SELECT listed.service, listed.step, listed.state,
        (SELECT last_seen FROM batches WHERE batches.workspace = listed.workspace AND batches.service = listed.service
            AND batches.step = listed.step ORDER BY day DESC LIMIT 1),
        (SELECT CAST(SUM(count) AS BIGINT) FROM batches WHERE batches.workspace = listed.workspace
            AND batches.service = listed.service AND batches.step = listed.step AND day >= $2),
        CAST(NULL AS BIGINT), of_all
    FROM (SELECT workspace, service, step, state, COUNT(*) OVER () AS of_all FROM drifts
        WHERE workspace = $1 AND service = $4
        ORDER BY service, step LIMIT $3) AS listed
    ORDER BY listed.service, listed.step";
/// Reported, and to be replayed. Where far too many wait the list is of those that come first by name.
const FRESH: &str = "
    SELECT waiting.service, waiting.step, MAX(drifts.state), MAX(last_seen), CAST(SUM(count) AS BIGINT),
        MIN(first_seen), COUNT(*) OVER ()
    FROM (SELECT service, step, count, first_seen, last_seen FROM batches WHERE workspace = $1 AND fresh LIMIT $3) AS waiting
        LEFT JOIN drifts ON drifts.workspace = $1 AND drifts.service = waiting.service AND drifts.step = waiting.step
    WHERE stage IS NULL OR stage IN ('unconfirmed', 'stuck', 'fixed')
    GROUP BY waiting.service, waiting.step ORDER BY MAX(last_seen) DESC LIMIT $2";
/// The inner LIMIT keeps SQLite from reading all batches of the service in the order of its steps.
const REPORTED_OF: &str = "
    SELECT service, step, CAST(NULL AS TEXT), MAX(last_seen), CAST(SUM(count) AS BIGINT),
        MIN(CASE WHEN fresh THEN first_seen END), COUNT(*) OVER ()
    FROM (SELECT service, step, count, first_seen, last_seen, fresh FROM batches
        WHERE workspace = $1 AND service = $4 AND day BETWEEN $2 AND '9999-12-31' LIMIT 100000) AS reported
    GROUP BY service, step ORDER BY MAX(last_seen) DESC LIMIT $3";
const FIXED: &str = "SELECT COUNT(*) FROM drifts WHERE workspace = $1 AND stage = 'fixed'";
const SERVICES: &str = "
    SELECT services.service, state, per_day, cooldown_seconds FROM services LEFT JOIN runner_budgets
        ON runner_budgets.workspace = services.workspace AND runner_budgets.service = services.service
    WHERE services.workspace = $1 ORDER BY services.service";

/// Reports of a service on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heat {
    pub service: Service,
    pub day: Day,
    pub reports: i64,
}

/// A drift in a list.
#[derive(Debug, Clone)]
pub struct Concern {
    pub service: Service,
    pub step: Step,
    pub drift: Drift,
    pub last_seen: Option<Micros>,
    /// Since the first day of the heat map.
    pub recent: i64,
    /// Since when reports wait that no runner has handled.
    pub waiting: Option<Micros>,
}

/// What replays of a service cost so far.
#[derive(Debug, Clone)]
pub struct ServiceLook {
    pub service: Service,
    pub state: ServiceState,
    /// What its runner last said that it may cost.
    pub budget: Option<Budget>,
}

#[derive(Debug, Clone, Default)]
pub struct OverviewLook {
    pub heat: Vec<Heat>,
    pub concerns: Vec<Concern>,
    /// Drifts beyond those in `concerns`.
    pub more_concerns: i64,
    /// Drifts whose fix holds.
    pub fixed: i64,
    pub services: Vec<ServiceLook>,
    /// Replays of all services are switched off.
    pub all_paused: bool,
    pub contact: Option<Micros>,
    /// Position of the newest event.
    pub head: i64,
}

impl Store {
    /// Everything of the overview; with a service, everything of that one.
    pub async fn overview(
        &self,
        workspace: &Workspace,
        only: Option<&Service>,
        since: Day,
    ) -> Result<OverviewLook> {
        let mut session = self.db.snapshot().await?;
        let mut look = OverviewLook::default();
        let (scope, day) = (workspace.as_str(), since.to_string());
        let heat = match only {
            None => {
                session
                    .rows(HEAT, [scope.into(), day.as_str().into()])
                    .await?
            }
            Some(service) => {
                let params = [scope.into(), day.as_str().into(), service.as_str().into()];
                session.rows(HEAT_OF, params).await?
            }
        };
        for row in &heat {
            look.heat.push(Heat {
                service: row.word(0)?,
                day: row.word(1)?,
                reports: row.get(2)?,
            });
        }
        match only {
            None => session.concerns(scope, &day, &mut look).await?,
            Some(service) => session.steps_of(scope, &day, service, &mut look).await?,
        }
        if let Some(row) = session.row(FIXED, [scope.into()]).await? {
            look.fixed = row.get(0)?;
        }
        for row in session.rows(SERVICES, [scope.into()]).await? {
            let (name, state): (String, ServiceState) = (row.get(0)?, row.json(1)?);
            if name == ALL_SERVICES {
                look.all_paused = state.paused;
                continue;
            }
            let budget = read_budget(&row, 2)?;
            let service: Service = row.word(0)?;
            if only.is_none_or(|only| *only == service) {
                look.services.push(ServiceLook {
                    service,
                    state,
                    budget,
                });
            }
        }
        look.contact = session.last_contact(workspace).await?;
        look.head = session.head(workspace).await?.position;
        Ok(look)
    }
}

impl Session {
    /// The drifts that something is to be done about, by somebody or by the next tick.
    async fn concerns(&mut self, scope: &str, day: &str, look: &mut OverviewLook) -> Result<()> {
        let params = || [scope.into(), day.into(), MOST.into()];
        for stages in LISTS {
            let ([scope, day, most], [a, b, c]) = (params(), stages.map(Into::into));
            let params = [scope, day, most, a, b, c];
            look.take(&self.rows(OF_STAGES, params).await?)?;
        }
        let rows = self
            .rows(FRESH, [scope.into(), MOST.into(), MOST_FRESH.into()])
            .await?;
        look.take(&rows)
    }

    /// All drifts of a service: those that something happened to, and those that were reported lately.
    async fn steps_of(
        &mut self,
        scope: &str,
        day: &str,
        service: &Service,
        look: &mut OverviewLook,
    ) -> Result<()> {
        let params = || {
            [
                scope.into(),
                day.into(),
                (4 * MOST).into(),
                service.as_str().into(),
            ]
        };
        let known = self.rows(OF_SERVICE, params()).await?;
        look.take(&known)?;
        let reported = self.rows(REPORTED_OF, params()).await?;
        look.take(&reported)
    }
}

impl OverviewLook {
    /// A drift that is there already is one that something happened to, and keeps what is known of it.
    fn take(&mut self, rows: &[Row]) -> Result<()> {
        for row in rows {
            let (service, step): (Service, Step) = (row.word(0)?, row.word(1)?);
            let waiting = row.get::<Option<i64>>(5)?.map(Micros);
            let known = |known: &&mut Concern| known.service == service && known.step == step;
            if let Some(known) = self.concerns.iter_mut().find(known) {
                known.waiting = known.waiting.or(waiting);
                continue;
            }
            let drift = match row.get::<Option<String>>(2)? {
                Some(_) => row.json(2)?,
                None => Drift::default(),
            };
            self.concerns.push(Concern {
                service,
                step,
                drift,
                last_seen: row.get::<Option<i64>>(3)?.map(Micros),
                recent: row.get::<Option<i64>>(4)?.unwrap_or(0),
                waiting,
            });
        }
        if let Some(last) = rows.last() {
            let all: i64 = last.get(6)?;
            self.more_concerns += all - i64::try_from(rows.len()).unwrap_or(all);
        }
        Ok(())
    }
}
