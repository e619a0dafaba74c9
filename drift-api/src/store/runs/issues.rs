//! What others do to issues, as a webhook or a runner that asked has it.

use drift_schema::run::{self, Issue, Observed};
use drift_schema::{Micros, Service, Step, StepHash, Workspace};

use crate::store::deciding::Deciding;
use crate::store::session::Session;
use crate::store::{Result, Store};

const STEP_OF_HASH: &str =
    "SELECT step FROM drifts WHERE workspace = $1 AND service = $2 AND step_hash = $3";
const BY_ISSUE: &str = "SELECT workspace, service, step FROM drifts WHERE issue = $1";
const NEW_DELIVERY: &str = "
    INSERT INTO deliveries (delivery, received_at) VALUES ($1, $2) ON CONFLICT (delivery) DO NOTHING";
const OLD_DELIVERIES: &str =
    "DELETE FROM deliveries WHERE received_at < $1 AND delivery NOT LIKE 'heard %'";
/// GitHub redelivers for three days at most.
const DELIVERY_DAYS: i64 = 7;

impl Store {
    /// What the tracker says of an issue. False: there is no such drift.
    pub async fn observe(
        &self,
        workspace: &Workspace,
        observed: Observed,
        now: Micros,
    ) -> Result<bool> {
        let mut deciding = self.deciding(workspace, now).await?;
        let Some(step) = deciding
            .session
            .step_of(workspace, &observed.service, &observed.step_hash)
            .await?
        else {
            return Ok(false);
        };
        deciding
            .observe(observed.service, step, observed.issue)
            .await?;
        deciding.session.commit().await?;
        Ok(true)
    }

    /// The same by the issue's number and address, as a webhook has it. A delivery that came before changes nothing.
    pub async fn observe_delivery(
        &self,
        delivery: &str,
        number: u64,
        is_ours: impl Fn(&Issue) -> bool,
        seen: run::Observation,
        now: Micros,
    ) -> Result<()> {
        let rows = self
            .db
            .rows(BY_ISSUE, [number.cast_signed().into()])
            .await?;
        for row in &rows {
            let (workspace, service, step): (Workspace, Service, Step) =
                (row.word(0)?, row.word(1)?, row.word(2)?);
            let mut deciding = self.deciding(&workspace, now).await?;
            let drift = deciding.drift(&service, &step).await?;
            if !drift.issue.as_ref().is_some_and(&is_ours) {
                continue;
            }
            // One issue may stand for several drifts, and each is told once.
            let told = format!("{delivery}/{workspace}/{service}/{step}");
            let params = [told.into(), now.0.into()];
            if deciding.session.run(NEW_DELIVERY, params).await? > 0 {
                deciding.observe(service, step, seen.clone()).await?;
                deciding.session.commit().await?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Deliveries that will not come again.
    pub(in crate::store) async fn forget_deliveries(&self, now: Micros) -> Result<()> {
        let old = now.minus_seconds(DELIVERY_DAYS * 86_400);
        let mut session = self.db.write().await?;
        session.run(OLD_DELIVERIES, [old.0.into()]).await?;
        Ok(session.commit().await?)
    }
}

impl Deciding<'_> {
    async fn observe(
        &mut self,
        service: Service,
        step: Step,
        seen: run::Observation,
    ) -> Result<()> {
        let drift = self.drift(&service, &step).await?;
        if let Some(event) = drift.observe(service, step, seen) {
            self.append(event).await?;
        }
        Ok(())
    }
}

impl Session {
    pub(in crate::store) async fn step_of(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        hash: &StepHash,
    ) -> Result<Option<Step>> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            hash.as_str().into(),
        ];
        let row = self.row(STEP_OF_HASH, params).await?;
        Ok(row.map(|row| row.word(0)).transpose()?)
    }
}
