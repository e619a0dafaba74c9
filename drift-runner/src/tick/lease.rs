//! The lease of a run, kept as long as somebody works on it.

use std::convert::Infallible;

use drift_schema::run::{Heartbeat, Run};

use super::{Runner, seconds};
use crate::api::ApiError;

impl Runner {
    /// Runs beside the work. Comes back only when the lease is lost.
    pub(super) async fn keep_lease(&self, run: &Run) -> ApiError {
        match self.beat(run).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn beat(&self, run: &Run) -> Result<Infallible, ApiError> {
        let heartbeat = Heartbeat {
            token: run.token,
            lease_seconds: seconds(self.limits.lease),
        };
        loop {
            tokio::time::sleep(self.limits.lease / 3).await;
            match self.api.heartbeat(run.run, &heartbeat).await {
                Ok(_) => {}
                // The backend may come back before the lease ends; if not, the next call about the run says so.
                Err(error @ ApiError::Away { .. }) => tracing::warn!(%error, "no heartbeat"),
                Err(error) => return Err(error),
            }
        }
    }
}
