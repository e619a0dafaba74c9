//! Forgets what is to be forgotten: rows by the store, then the bytes of evidence that no row knows any more. The daily task of the
//! server and `drift-api retain` both do it.

use drift_schema::{Micros, Workspace};

use crate::artifacts::Artifacts;
use crate::store::{Erased, Result, Retention, Store};
use crate::telemetry::causes;

pub async fn apply(
    store: &Store,
    artifacts: &Artifacts,
    rules: &Retention,
    now: Micros,
) -> Result<Vec<(Workspace, Erased)>> {
    let done = store.retain(rules, now).await?;
    for (workspace, _) in &done {
        // A bucket that is unwell today is swept tomorrow.
        if let Err(error) = artifacts.sweep(workspace, store).await {
            tracing::warn!(%workspace, error = %causes(&*error), "old evidence is out of the log, and its bytes are still there");
        }
    }
    Ok(done)
}
