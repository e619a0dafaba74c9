//! Makes the tables what the log says they are, beside running ingest. All is derived in shadows first, without a
//! lock; what differs is then mended a few rows at a time, each time under the lock and after the shadows have
//! caught up with what came in meanwhile. What was added up from the tables is added up anew.

use std::collections::BTreeMap;

use drift_schema::{Micros, Workspace};

use super::projection::Projector;
use super::replay::Walk;
use super::session::Session;
use super::verify::Verified;
use super::{Result, Store, StoreError};

/// What a rebuild did to one workspace.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Rebuilt {
    pub workspace: Workspace,
    pub events: i64,
    pub mended_batches: i64,
    pub mended_keys: i64,
    /// Rows about drifts, services, runs and artifacts.
    pub mended_lifecycle: i64,
}

/// Below zero no event has a position, and no two rebuilds have the same.
const MARK_HEAD: &str = "UPDATE event_heads SET lifecycle_at = $2 WHERE workspace = $1";

/// Rows mended under one lock.
const STEP: i64 = 2_000;

impl Store {
    pub async fn rebuild(&self, now: Micros) -> Result<Vec<Rebuilt>> {
        let (database, session, verified) = self.db.alone().derive_beside().await?;
        // Ends the snapshot; the shadows live as long as the connection.
        session.commit().await?;
        if let Some(Verified {
            workspace,
            broken: Some(broken),
            ..
        }) = verified.iter().find(|one| one.broken.is_some())
        {
            let text = format!(
                "the log of {workspace} is damaged at position {}: {}",
                broken.position, broken.what
            );
            return Err(StoreError::Refused(text));
        }
        // In order, so that two rebuilds at once take the locks one after the other.
        let mut reached: BTreeMap<&Workspace, i64> = verified
            .iter()
            .map(|one| (&one.workspace, one.events))
            .collect();
        let batches: i64 = verified
            .iter()
            .filter_map(|one| one.differing_batches)
            .sum();
        let others: i64 = verified
            .iter()
            .flat_map(|one| [one.differing_keys, one.differing_lifecycle])
            .flatten()
            .sum();

        let mut from = 0;
        while from < batches || (from == 0 && others > 0) {
            let mut session = database.write().await?;
            for (workspace, position) in &mut reached {
                *position = session.catch_up(workspace, *position).await?;
                // No event, so a server that runs beside us would go on with what it knows.
                let params = [workspace.as_str().into(), (-now.0 - from).into()];
                session.run(MARK_HEAD, params).await?;
            }
            session.mend_batches(from, from + STEP).await?;
            if from == 0 {
                session.mend_small_tables().await?;
            }
            session.commit().await?;
            from += STEP;
        }
        for workspace in reached.keys() {
            self.forget_totals(workspace).await?;
        }
        let done = verified.into_iter().map(|one| Rebuilt {
            workspace: one.workspace,
            events: one.events,
            mended_batches: one.differing_batches.unwrap_or(0),
            mended_keys: one.differing_keys.unwrap_or(0),
            mended_lifecycle: one.differing_lifecycle.unwrap_or(0),
        });
        Ok(done.collect())
    }
}

impl Session {
    /// Projects into the shadows what the log got since `position`, and keeps others from adding more.
    async fn catch_up(&mut self, workspace: &Workspace, position: i64) -> Result<i64> {
        self.lock_head(workspace).await?;
        let mut walk = Walk {
            position,
            hash: [0; 32],
            broken: None,
        };
        let mut projector = Projector::of(self, workspace).await?;
        loop {
            let page = walk.next_page(self, workspace).await?;
            if page.is_empty() {
                break;
            }
            for row in &page {
                projector.feed(self, workspace, row.decode()?).await?;
            }
        }
        projector.flush(self, workspace).await?;
        Ok(walk.position)
    }
}
