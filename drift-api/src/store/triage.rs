//! What people decide about drifts and services.

use drift_schema::event::{Event, ReplaysPaused, ReplaysResumed};
use drift_schema::{Micros, Service, Workspace};

use super::projection::ALL_SERVICES;
use super::{Result, Store};

impl Store {
    /// Switches replays off or on, of one service or of all.
    pub async fn pause(
        &self,
        workspace: &Workspace,
        service: Option<Service>,
        paused: bool,
        by: String,
        now: Micros,
    ) -> Result<()> {
        let mut deciding = self.deciding(workspace, now).await?;
        let name = service.as_ref().map_or(ALL_SERVICES, Service::as_str);
        if deciding
            .session
            .service_state(workspace, name)
            .await?
            .paused
            != paused
        {
            deciding
                .append(if paused {
                    Event::ReplaysPaused(ReplaysPaused { service, by })
                } else {
                    Event::ReplaysResumed(ReplaysResumed { service, by })
                })
                .await?;
        }
        Ok(deciding.session.commit().await?)
    }
}
