//! What people's decisions do beyond the drift that they are about: to the other name of a step, and to the reports that wait.

use drift_schema::event::FixWithdrawn;
use drift_schema::{Event, Micros, Service, Step, Workspace};

use crate::lifecycle::Drift;
use crate::store::Result;
use crate::store::session::Session;
use crate::store::triage::names;

const WAITS_AGAIN: &str = "
    UPDATE batches SET fresh = TRUE WHERE workspace = $1 AND service = $2 AND step = $3 AND day = $4 AND NOT fresh";

impl Session {
    /// `before` is the drift as it was before the event.
    pub(super) async fn project_decision(
        &mut self,
        workspace: &Workspace,
        position: i64,
        at: Micros,
        event: &Event,
        before: &Drift,
    ) -> Result<()> {
        match event {
            Event::FixDeclared(fix) => {
                self.handled(workspace, &fix.service, &fix.step, before, position)
                    .await
            }
            Event::FixWithdrawn(fix) => self.waits_again(workspace, fix, before).await,
            Event::StepRenamed(renamed) => {
                let (service, step) = (&renamed.service, &renamed.step);
                if let Some(earlier) = &before.renamed_to {
                    self.with_drift(workspace, service, earlier, |drift| {
                        drift.let_go(position, at, event, step);
                    })
                    .await?;
                }
                self.with_drift(workspace, service, &renamed.to, |drift| {
                    drift.take_over(position, at, event, step);
                })
                .await
            }
            Event::StepRenameUndone(undone) => match &before.renamed_to {
                Some(earlier) => {
                    self.with_drift(workspace, &undone.service, earlier, |drift| {
                        drift.let_go(position, at, event, &undone.step);
                    })
                    .await
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    async fn waits_again(
        &mut self,
        workspace: &Workspace,
        fix: &FixWithdrawn,
        drift: &Drift,
    ) -> Result<()> {
        for name in names(&fix.step, drift) {
            for day in &fix.waiting {
                let params = [
                    workspace.as_str().into(),
                    fix.service.as_str().into(),
                    name.as_str().into(),
                    day.to_string().into(),
                ];
                self.run(WAITS_AGAIN, params).await?;
            }
        }
        Ok(())
    }

    async fn with_drift(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        change: impl FnOnce(&mut Drift),
    ) -> Result<()> {
        let drift = self.drift(workspace, service, step).await?;
        let mut drift = drift.unwrap_or_default();
        change(&mut drift);
        self.set_drift(workspace, service, step, &drift).await
    }
}
