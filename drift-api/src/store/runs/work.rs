//! What there is to do.

use std::collections::BTreeMap;

use drift_schema::run::{DriftWork, Seen, ServiceWork, Withheld, WithheldFor, Work};
use drift_schema::{Micros, Service, Step, Workspace};
use uuid::Uuid;

use super::is_held;
use crate::lifecycle::{Drift, ServiceState};
use crate::store::projection::ALL_SERVICES;
use crate::store::session::{Row, Session};
use crate::store::triage::Waiting;
use crate::store::{Result, Store};

/// The most drifts that one answer names; the rest shows once these are handled.
const MOST: i64 = 10_000;

const FRESH: &str = "
    SELECT service, step, CAST(SUM(count) AS BIGINT) FROM batches WHERE workspace = $1 AND fresh
    GROUP BY service, step ORDER BY service, step LIMIT $2";
const PENDING: &str = "SELECT service, step, state FROM drifts WHERE workspace = $1 AND pending ORDER BY service, step LIMIT $2";
/// The states of those that are fresh and have one.
const CONFIRMED_FRESH: &str = "
    SELECT service, step, state FROM drifts WHERE workspace = $1 AND NOT pending
        AND (service, step) IN (SELECT service, step FROM batches WHERE workspace = $1 AND fresh)";
const SERVICES: &str = "SELECT service, state FROM services WHERE workspace = $1";
const LEASES: &str = "SELECT service, run, until FROM leases WHERE workspace = $1";
/// Drifts with their state, those that wait for nothing if they are asked for, and again those with fresh reports, with or without
/// a state.
const WORK_OF: &str = "
    SELECT step, state, CAST(0 AS BIGINT) FROM drifts WHERE workspace = $1 AND service = $2 AND pending
    UNION ALL
    SELECT step, state, CAST(0 AS BIGINT) FROM drifts WHERE workspace = $1 AND service = $2 AND NOT pending AND $3
    UNION ALL
    SELECT step, (SELECT state FROM drifts WHERE workspace = $1 AND service = $2 AND step = waiting.step), reports FROM (
        SELECT step, CAST(SUM(count) AS BIGINT) AS reports FROM batches
        WHERE workspace = $1 AND service = $2 AND fresh GROUP BY step) AS waiting";
const SERVICE_OF_RUN: &str = "SELECT service FROM runs WHERE workspace = $1 AND run = $2";

impl Store {
    /// What a tick would do.
    pub async fn work(&self, workspace: &Workspace, now: Micros) -> Result<Work> {
        let scope = workspace.as_str();
        let fresh = self.db.rows(FRESH, [scope.into(), MOST.into()]).await?;
        let pending = self.db.rows(PENDING, [scope.into(), MOST.into()]).await?;
        let mut drifts = Waiting::new();
        for row in &fresh {
            drifts.insert(drift_key(row)?, (Drift::default(), row.get(2)?));
        }
        let confirmed = if fresh.is_empty() {
            Vec::new()
        } else {
            self.db.rows(CONFIRMED_FRESH, [scope.into()]).await?
        };
        for row in confirmed.iter().chain(&pending) {
            drifts.entry(drift_key(row)?).or_default().0 = row.json(2)?;
        }
        let drifts = self.as_people_decided(workspace, drifts, now).await?;
        let mut services: Vec<ServiceWork> = Vec::new();
        for ((service, step), (drift, reports)) in drifts {
            let Some(task) = drift.task(reports > 0) else {
                continue;
            };
            let work = DriftWork {
                step_hash: step.hash(),
                step,
                task,
                reports,
                asked: drift.asked.is_some(),
            };
            match services.last_mut().filter(|last| last.service == service) {
                Some(last) => last.drifts.push(work),
                None => services.push(ServiceWork {
                    service,
                    drifts: vec![work],
                    withheld: None,
                    budget: drift_schema::run::Spent::default(),
                }),
            }
        }
        if !services.is_empty() {
            self.withhold(workspace, &mut services, now).await?;
        }
        let asking = self.asking(workspace, !services.is_empty(), now).await?;
        Ok(Work {
            as_of: now,
            services,
            ask: asking.issues,
            is_daily: asking.is_daily,
        })
    }

    pub(super) async fn service_of_run(
        &self,
        workspace: &Workspace,
        run: Uuid,
    ) -> Result<Option<Service>> {
        let params = [workspace.as_str().into(), run.into()];
        let row = self.db.row(SERVICE_OF_RUN, params).await?;
        Ok(row.map(|row| row.word(0)).transpose()?)
    }

    async fn withhold(
        &self,
        workspace: &Workspace,
        services: &mut [ServiceWork],
        now: Micros,
    ) -> Result<()> {
        let scope = workspace.as_str();
        let mut states: BTreeMap<String, ServiceState> = BTreeMap::new();
        for row in self.db.rows(SERVICES, [scope.into()]).await? {
            states.insert(row.get(0)?, row.json(1)?);
        }
        let mut leases: BTreeMap<String, (Uuid, Micros)> = BTreeMap::new();
        for row in self.db.rows(LEASES, [scope.into()]).await? {
            leases.insert(row.get(0)?, (row.get(1)?, Micros(row.get(2)?)));
        }
        let all_paused = states.get(ALL_SERVICES).is_some_and(|all| all.paused);
        for work in services {
            let state = states.get(work.service.as_str());
            work.budget = state.map(|state| state.spent(now)).unwrap_or_default();
            let run = state.and_then(|state| state.run.as_ref());
            let lease = leases
                .get(work.service.as_str())
                .filter(|(run_leased, until)| {
                    run.is_some_and(|run| run.run == *run_leased) && is_held(*until, now)
                });
            let paused = all_paused || state.is_some_and(|state| state.paused);
            work.withheld = match lease {
                Some((_, until)) => Some(Withheld {
                    reason: WithheldFor::Leased,
                    until: Some(*until),
                }),
                None if paused => Some(Withheld {
                    reason: WithheldFor::Paused,
                    until: None,
                }),
                None => None,
            };
        }
        Ok(())
    }
}

impl Session {
    /// The drifts of a service that something may be done about, with how many reports wait. By hand: all that are known.
    pub(super) async fn work_of(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        by_hand: bool,
        now: Micros,
    ) -> Result<Vec<(Step, Drift, i64)>> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            by_hand.into(),
        ];
        let mut drifts = Waiting::new();
        for row in self.rows(WORK_OF, params).await? {
            let known = drifts.entry((service.clone(), row.word(0)?)).or_default();
            if let Some(drift) = row.json_if_any(1)? {
                known.0 = drift;
            }
            known.1 += row.get::<i64>(2)?;
        }
        let drifts = self.as_people_decided(workspace, drifts, now).await?;
        Ok(drifts
            .into_iter()
            .map(|((_, step), (drift, reports))| (step, drift, reports))
            .collect())
    }

    pub(super) async fn service_of_run(
        &mut self,
        workspace: &Workspace,
        run: Uuid,
    ) -> Result<Option<Service>> {
        let row = self
            .row(SERVICE_OF_RUN, [workspace.as_str().into(), run.into()])
            .await?;
        Ok(row.map(|row| row.word(0)).transpose()?)
    }

    /// What was reported of some steps, the commonest values of each fact. However many steps: two trips.
    pub(in crate::store) async fn seen(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        steps: &[&Step],
        most: i64,
    ) -> Result<BTreeMap<Step, Seen>> {
        let mut facts = self.facts_of(workspace, service, steps, most).await?;
        let totals = self.totals_of(workspace, service, steps).await?;
        let seen = totals.into_iter().map(|(step, totals)| {
            let seen = totals.with(facts.remove(&step).unwrap_or_default());
            (step, seen)
        });
        Ok(seen.collect())
    }
}

fn drift_key(row: &Row) -> sqlx::Result<(Service, Step)> {
    Ok((row.word(0)?, row.word(1)?))
}
