//! The lease of a run, kept as long as somebody works on it.

use std::convert::Infallible;

use drift_schema::run::{Heartbeat, Run};
use tokio::time::Instant;

use super::{Runner, seconds};
use crate::api::ApiError;

impl Runner {
    /// Runs beside the work, on a lease that was asked for at `since`. Comes back only when it is lost, or may be: whoever hears
    /// nothing from the backend for as long as it lasts must write no more, for another runner may have begun to.
    pub(super) async fn keep_lease(&self, run: &Run, since: Instant) -> ApiError {
        match self.beat(run, since).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn beat(&self, run: &Run, since: Instant) -> Result<Infallible, ApiError> {
        let heartbeat = Heartbeat {
            token: run.token,
            lease_seconds: seconds(self.limits.lease),
        };
        let mut over = since + self.limits.lease;
        loop {
            let beating = async {
                tokio::time::sleep(self.limits.lease / 3).await;
                let sent = Instant::now();
                (sent, self.api.heartbeat(run.run, &heartbeat).await)
            };
            match tokio::time::timeout_at(over, beating).await {
                Ok((sent, Ok(_))) => over = sent + self.limits.lease,
                // It may come back before the lease ends.
                Ok((_, Err(error @ ApiError::Away { .. }))) => {
                    tracing::warn!(%error, "no heartbeat");
                }
                Ok((_, Err(error))) => return Err(error),
                Err(_) => return Err(ApiError::LeaseOver),
            }
        }
    }
}
