//! What the events of drifts and runs do to their tables: the state is read, the event applied (`crate::lifecycle`),
//! and the state written back. What reaches beyond the one drift is in `decisions`.

mod decisions;

use std::collections::BTreeMap;

use drift_schema::run::{Task, Verdict};
use drift_schema::{Event, Micros, Service, Step, Workspace};
use serde::Serialize;
use uuid::Uuid;

use crate::lifecycle::{Drift, RunLog, ServiceState};
use crate::store::session::{Param, Session, list};
use crate::store::triage::names;
use crate::store::{Result, StoreError};

/// The kill switch for all services is kept like one of them, under a name that none can have.
pub(in crate::store) const ALL: &str = "*";

/// A run with its fencing token, a service and a drift.
const STANDING: &str = "
    SELECT (SELECT state FROM runs WHERE workspace = $1 AND run = $2), (SELECT token FROM runs WHERE workspace = $1 AND run = $2),
        (SELECT state FROM services WHERE workspace = $1 AND service = $3),
        (SELECT state FROM drifts WHERE workspace = $1 AND service = $4 AND step = $5)";
const DRIFT: &str = "SELECT state FROM drifts WHERE workspace = $1 AND service = $2 AND step = $3";
const DRIFTS: &str = "
    SELECT step, state FROM drifts WHERE workspace = $1 AND service = $2
        AND step IN (SELECT value FROM json_array_elements_text($3::json) AS asked (value))";
const SQLITE_DRIFTS: &str = "
    SELECT step, state FROM drifts WHERE workspace = $1 AND service = $2 AND step IN (SELECT value FROM json_each($3))";
const SET_DRIFT: &str = "
    INSERT INTO drifts (workspace, service, step, step_hash, stage, pending, issue, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (workspace, service, step) DO UPDATE SET
        stage = excluded.stage, pending = excluded.pending, issue = excluded.issue, state = excluded.state";
const SERVICE: &str = "SELECT state FROM services WHERE workspace = $1 AND service = $2";
const SET_SERVICE: &str = "
    INSERT INTO services (workspace, service, state) VALUES ($1, $2, $3)
    ON CONFLICT (workspace, service) DO UPDATE SET state = excluded.state";
const RUN: &str = "SELECT state, token FROM runs WHERE workspace = $1 AND run = $2";
const NEW_RUN: &str = "
    INSERT INTO runs (workspace, run, service, token, claimed_at, state) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (workspace, run) DO NOTHING";
const SET_RUN: &str = "UPDATE runs SET state = $3 WHERE workspace = $1 AND run = $2";
const HANDLED: &str = "
    UPDATE batches SET fresh = FALSE WHERE workspace = $1 AND service = $2 AND step = $3 AND fresh AND last_position < $4";

/// The drift that an event is about.
pub(in crate::store) fn drift_of(event: &Event) -> Option<(&Service, &Step)> {
    match event {
        Event::StepPassed(e) => Some((&e.service, &e.step)),
        Event::DriftJudged(e) => Some((&e.service, &e.step)),
        Event::FixVerified(e) => Some((&e.service, &e.step)),
        Event::IssueRequested(e) => Some((&e.service, &e.step)),
        Event::IssueWritten(e) => Some((&e.service, &e.step)),
        Event::IssueChanged(e) => Some((&e.service, &e.step)),
        Event::ReplayAsked(e) => Some((&e.service, &e.step)),
        Event::ReplayDropped(e) => Some((&e.service, &e.step)),
        Event::DriftMuted(e) => Some((&e.service, &e.step)),
        Event::DriftUnmuted(e) => Some((&e.service, &e.step)),
        Event::FixDeclared(e) => Some((&e.service, &e.step)),
        Event::FixWithdrawn(e) => Some((&e.service, &e.step)),
        Event::StepRenamed(e) => Some((&e.service, &e.step)),
        Event::StepRenameUndone(e) => Some((&e.service, &e.step)),
        _ => None,
    }
}

/// The service whose replays an event is about.
fn service_of(event: &Event) -> Option<&str> {
    match event {
        Event::RunClaimed(e) => Some(e.service.as_str()),
        Event::RunExpired(e) => Some(e.service.as_str()),
        Event::RunFinished(e) => Some(e.service.as_str()),
        Event::ResourceLeft(e) => Some(e.service.as_str()),
        Event::DriftJudged(e) => Some(e.service.as_str()),
        Event::ReplaysPaused(e) => Some(e.service.as_ref().map_or(ALL, Service::as_str)),
        Event::ReplaysResumed(e) => Some(e.service.as_ref().map_or(ALL, Service::as_str)),
        _ => None,
    }
}

fn run_of(event: &Event) -> Option<Uuid> {
    match event {
        Event::RunClaimed(e) => Some(e.run),
        Event::RunExpired(e) => Some(e.run),
        Event::RunFinished(e) => Some(e.run),
        Event::ResourceLeft(e) => Some(e.run),
        Event::StepPassed(e) => Some(e.run),
        Event::DriftJudged(e) => Some(e.run),
        Event::FixVerified(e) => Some(e.run),
        Event::IssueWritten(e) => Some(e.run),
        _ => None,
    }
}

/// Whether somebody has now dealt with what was reported before the run was claimed. What is proved is dealt with only
/// once the issue says so.
fn handles(event: &Event) -> bool {
    match event {
        Event::DriftJudged(e) => matches!(
            e.verdict,
            Verdict::NotReproduced | Verdict::Blocked | Verdict::Auth
        ),
        Event::IssueWritten(e) => matches!(e.task, Task::Open | Task::Reopen | Task::Bump),
        _ => false,
    }
}

impl Session {
    pub(super) async fn project_lifecycle(
        &mut self,
        workspace: &Workspace,
        position: i64,
        at: Micros,
        event: &Event,
    ) -> Result<()> {
        let run = run_of(event);
        let service = service_of(event);
        let drift = drift_of(event);
        let params = [
            workspace.as_str().into(),
            run.into(),
            service.map(str::to_owned).into(),
            drift.map(|(service, _)| service.to_string()).into(),
            drift.map(|(_, step)| step.to_string()).into(),
        ];
        let before = self.row(STANDING, params).await?;
        let before = before.ok_or(sqlx::Error::RowNotFound)?;
        let token = before.get::<Option<i64>>(1)?.unwrap_or_default();
        if let Event::RunClaimed(claimed) = event {
            let mut log = RunLog::default();
            log.apply(at, event);
            let params = [
                workspace.as_str().into(),
                claimed.run.into(),
                claimed.service.as_str().into(),
                position.into(),
                at.0.into(),
                json(&log)?,
            ];
            self.run(NEW_RUN, params).await?;
        } else if let Some(run) = run
            && let Some(mut log) = before.json_if_any::<RunLog>(0)?
        {
            log.apply(at, event);
            let params = [workspace.as_str().into(), run.into(), json(&log)?];
            self.run(SET_RUN, params).await?;
        }
        if let Some(service) = service {
            let mut state: ServiceState = before.json_if_any(2)?.unwrap_or_default();
            state.apply(position, at, event);
            let params = [workspace.as_str().into(), service.into(), json(&state)?];
            self.run(SET_SERVICE, params).await?;
        }
        if let Some((service, step)) = drift {
            let before: Drift = before.json_if_any(3)?.unwrap_or_default();
            let mut drift = before.clone();
            drift.apply(position, at, event);
            self.set_drift(workspace, service, step, &drift).await?;
            if handles(event) {
                self.handled(workspace, service, step, &drift, token)
                    .await?;
            }
            self.project_decision(workspace, position, at, event, &before)
                .await?;
        }
        Ok(())
    }

    async fn set_drift(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        drift: &Drift,
    ) -> Result<()> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            step.as_str().into(),
            step.hash().as_str().into(),
            drift.label().into(),
            drift.is_pending().into(),
            drift
                .issue
                .as_ref()
                .map(|issue| issue.number.cast_signed())
                .into(),
            json(drift)?,
        ];
        self.run(SET_DRIFT, params).await?;
        Ok(())
    }

    /// What was reported before, under any of its names, no longer waits.
    async fn handled(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        drift: &Drift,
        before: i64,
    ) -> Result<()> {
        for name in names(step, drift) {
            let params = [
                workspace.as_str().into(),
                service.as_str().into(),
                name.as_str().into(),
                before.into(),
            ];
            self.run(HANDLED, params).await?;
        }
        Ok(())
    }

    /// The drift that reports of a step are about.
    pub(in crate::store) async fn drift_of_todays_name(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
    ) -> Result<Option<Drift>> {
        let drift = self.drift(workspace, service, step).await?;
        match drift.as_ref().and_then(|drift| drift.renamed_to.as_ref()) {
            Some(to) => self.drift(workspace, service, to).await,
            None => Ok(drift),
        }
    }

    pub(in crate::store) async fn drift(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
    ) -> Result<Option<Drift>> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            step.as_str().into(),
        ];
        let row = self.row(DRIFT, params).await?;
        Ok(row.map(|row| row.json(0)).transpose()?)
    }

    /// Those of these steps that have a state, in one trip.
    pub(in crate::store) async fn drifts_of(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        steps: &[&Step],
    ) -> Result<BTreeMap<Step, Drift>> {
        let sql = if self.is_sqlite() {
            SQLITE_DRIFTS
        } else {
            DRIFTS
        };
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            list(steps)?,
        ];
        let rows = self.rows(sql, params).await?;
        let drifts = rows.iter().map(|row| Ok((row.word(0)?, row.json(1)?)));
        drifts.collect()
    }

    pub(in crate::store) async fn service_state(
        &mut self,
        workspace: &Workspace,
        service: &str,
    ) -> Result<ServiceState> {
        let row = self
            .row(SERVICE, [workspace.as_str().into(), service.into()])
            .await?;
        Ok(row.map(|row| row.json(0)).transpose()?.unwrap_or_default())
    }

    /// With the fencing token.
    pub(in crate::store) async fn run_log(
        &mut self,
        workspace: &Workspace,
        run: Uuid,
    ) -> Result<Option<(RunLog, i64)>> {
        let row = self
            .row(RUN, [workspace.as_str().into(), run.into()])
            .await?;
        Ok(row
            .map(|row| Ok::<_, sqlx::Error>((row.json(0)?, row.get(1)?)))
            .transpose()?)
    }
}

fn json(state: &impl Serialize) -> Result<Param> {
    let text = serde_json::to_string(state).map_err(StoreError::Unwritable)?;
    Ok(text.into())
}
