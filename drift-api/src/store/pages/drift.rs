//! All about one drift.

use drift_schema::answer::DecidedByPeople;
use drift_schema::answer::LoggedEvent;
use drift_schema::run::Seen;
use drift_schema::{Day, Micros, Service, Step, StepHash, Workspace};

use crate::lifecycle::{Drift, ServiceState};
use crate::store::log::StoredRow;
use crate::store::queries::logged;
use crate::store::session::Session;
use crate::store::{Result, Store};

/// Reports that are counted while somebody waits for the page; more are counted soon, and the page says so.
const COUNTED_AT_ONCE: i64 = 200;
/// Of everything that happened to a drift, the latest so many.
const MOST_MOMENTS: usize = 60;
/// Of one fact, the commonest.
const SHOWN_VALUES: i64 = 8;

const DAYS: &str = "
    SELECT day, count, fresh, first_seen, last_seen FROM batches
    WHERE workspace = $1 AND service = $2 AND step = $3 ORDER BY day DESC LIMIT 366";
const DAYS_IN_ALL: &str =
    "SELECT COUNT(*) FROM batches WHERE workspace = $1 AND service = $2 AND step = $3";
const FACTS_UP_TO: &str = "SELECT position FROM fact_cursors WHERE workspace = $1";
const MOMENTS: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events
    WHERE workspace = $1 AND position IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text($2::json) AS value)
    ORDER BY position DESC";
const SQLITE_MOMENTS: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events
    WHERE workspace = $1 AND position IN (SELECT value FROM json_each($2)) ORDER BY position DESC";

/// Reports of a drift on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayOfDrift {
    pub day: Day,
    pub reports: i64,
    pub fresh: bool,
    pub first_seen: Micros,
    pub last_seen: Micros,
}

#[derive(Debug, Clone)]
pub struct DriftLook {
    pub service: Service,
    pub step: Step,
    pub drift: Drift,
    pub decided: DecidedByPeople,
    pub of_service: ServiceState,
    pub seen: Seen,
    /// Reports of the whole workspace that are not in the facts of `seen` yet.
    pub not_counted: i64,
    /// Newest first, a year at most.
    pub days: Vec<DayOfDrift>,
    pub days_in_all: i64,
    /// What happened beside reports, newest first.
    pub moments: Vec<LoggedEvent>,
    pub more_moments: usize,
}

impl Store {
    /// None: no such drift.
    pub async fn drift_look(
        &self,
        workspace: &Workspace,
        service: &Service,
        hash: &StepHash,
        now: Micros,
    ) -> Result<Option<DriftLook>> {
        self.count_facts_if_at_most(workspace, COUNTED_AT_ONCE)
            .await?;
        let mut session = self.db.snapshot().await?;
        let Some(step) = session.step_by_hash(workspace, service, hash).await? else {
            return Ok(None);
        };
        let drift = session.drift(workspace, service, &step).await?;
        let drift = drift.unwrap_or_default();
        let decided = session
            .decided_by_people(workspace, service, &step, &drift, now)
            .await?;
        let of_service = session.service_state(workspace, service.as_str()).await?;
        let params = || {
            [
                workspace.as_str().into(),
                service.as_str().into(),
                step.as_str().into(),
            ]
        };
        let mut seen = session
            .seen(workspace, service, &[&step], SHOWN_VALUES)
            .await?;
        let seen = seen.remove(&step).unwrap_or_default();
        let row = session.row(DAYS_IN_ALL, params()).await?;
        let days_in_all = row.map(|row| row.get(0)).transpose()?.unwrap_or(0);
        let mut days = Vec::new();
        for row in session.rows(DAYS, params()).await? {
            days.push(DayOfDrift {
                day: row.word(0)?,
                reports: row.get(1)?,
                fresh: row.get(2)?,
                first_seen: Micros(row.get(3)?),
                last_seen: Micros(row.get(4)?),
            });
        }
        let latest = drift.moments.iter().rev().take(MOST_MOMENTS);
        let positions: Vec<i64> = latest.map(|moment| moment.position).collect();
        let moments = session.events_at(workspace, &positions).await?;
        let head = session.head(workspace).await?.position;
        let row = session
            .row(FACTS_UP_TO, [workspace.as_str().into()])
            .await?;
        let counted: i64 = row.map(|row| row.get(0)).transpose()?.unwrap_or(0);
        Ok(Some(DriftLook {
            service: service.clone(),
            more_moments: drift.moments.len() - positions.len(),
            step,
            drift,
            decided: decided.unwrap_or_default(),
            of_service,
            seen,
            not_counted: head - counted,
            days,
            days_in_all,
            moments,
        }))
    }
}

impl Session {
    async fn events_at(
        &mut self,
        workspace: &Workspace,
        positions: &[i64],
    ) -> Result<Vec<LoggedEvent>> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let sql = if self.is_sqlite() {
            SQLITE_MOMENTS
        } else {
            MOMENTS
        };
        let numbers: Vec<String> = positions.iter().map(ToString::to_string).collect();
        let json = format!("[{}]", numbers.join(","));
        let rows = self
            .rows(sql, [workspace.as_str().into(), json.into()])
            .await?;
        rows.iter()
            .map(|row| StoredRow::read(row).and_then(logged))
            .collect()
    }
}
