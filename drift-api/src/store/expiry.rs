//! Which evidence may go: what is old, or too much, and what nothing points to that still matters. The event takes it out of the
//! table; the bytes are swept away afterwards (`crate::artifacts`), so that a crash in between leaves nothing for good.

use std::collections::HashSet;

use drift_schema::event::ArtifactsExpired;
use drift_schema::{Digest, Event, Micros, Service, Step, Workspace};

use super::erase::Retention;
use super::session::Session;
use super::{Result, Store};
use crate::lifecycle::Drift;
use crate::lifecycle::drift::Stage;

/// Names in one event.
const STEP: usize = 500;
/// Looked at in one pass; the rest has its turn tomorrow.
const MOST: i64 = 100_000;
/// Something happens to the drifts all the time, and then it is looked at again.
const TRIES: u32 = 5;

/// The newest that is one too many.
const ONE_TOO_MANY: &str = "
    SELECT stored_at FROM artifacts WHERE workspace = $1 ORDER BY stored_at DESC LIMIT 1 OFFSET $2";
const OLDER: &str = "
    SELECT sha256 FROM artifacts WHERE workspace = $1 AND stored_at < $2 ORDER BY stored_at, sha256 LIMIT $3";
const DRIFTS: &str = "SELECT service, step, state FROM drifts WHERE workspace = $1";
const FRESH_PICTURES: &str = "
    SELECT DISTINCT screenshot_ref FROM batches WHERE workspace = $1 AND fresh AND screenshot_ref IS NOT NULL";
const IS_KEPT: &str = "SELECT 1 FROM artifacts WHERE workspace = $1 AND sha256 = $2";

impl Store {
    /// How much was let go.
    pub(super) async fn expire_artifacts(
        &self,
        workspace: &Workspace,
        rules: &Retention,
        now: Micros,
    ) -> Result<u64> {
        let Some(before) = self.artifacts_before(workspace, rules, now).await? else {
            return Ok(0);
        };
        for _ in 0..TRIES {
            if let Some(expired) = self.expire_once(workspace, before, now).await? {
                return Ok(expired);
            }
        }
        tracing::info!(%workspace, "too much happens to the drifts: old evidence stays until tomorrow");
        Ok(0)
    }

    async fn artifacts_before(
        &self,
        workspace: &Workspace,
        rules: &Retention,
        now: Micros,
    ) -> Result<Option<Micros>> {
        let by_age = rules
            .artifact_days
            .map(|days| now.minus_seconds(i64::from(days) * 86_400));
        let Some(keep) = rules.artifact_count else {
            return Ok(by_age);
        };
        let offset = i64::try_from(keep).unwrap_or(i64::MAX);
        let params = [workspace.as_str().into(), offset.into()];
        let row = self.db.row(ONE_TOO_MANY, params).await?;
        let last: Option<i64> = row.map(|row| row.get(0)).transpose()?;
        Ok(by_age.max(last.map(|last| Micros(last + 1))))
    }

    /// None: something happened meanwhile that may point to what was to go.
    async fn expire_once(
        &self,
        workspace: &Workspace,
        before: Micros,
        now: Micros,
    ) -> Result<Option<u64>> {
        let mut session = self.db.snapshot().await?;
        let seen = session.head(workspace).await?.lifecycle_at;
        let needed = session.needed(workspace).await?;
        let params = [workspace.as_str().into(), before.0.into(), MOST.into()];
        let mut doomed: Vec<Digest> = Vec::new();
        for row in session.rows(OLDER, params).await? {
            doomed.push(row.word(0)?);
        }
        doomed.retain(|name| !needed.contains(name));
        session.commit().await?;
        if doomed.is_empty() {
            return Ok(Some(0));
        }
        let mut deciding = self.deciding(workspace, now).await?;
        if deciding.lifecycle_at() != seen {
            return Ok(None);
        }
        for names in doomed.chunks(STEP) {
            let artifacts = names.to_vec();
            deciding
                .append(Event::ArtifactsExpired(ArtifactsExpired { artifacts }))
                .await?;
        }
        deciding.session.commit().await?;
        Ok(Some(doomed.len() as u64))
    }

    /// Which of these are to be kept.
    pub(crate) async fn known_artifacts(
        &self,
        workspace: &Workspace,
        names: Vec<Digest>,
    ) -> Result<HashSet<Digest>> {
        let mut session = self.db.snapshot().await?;
        let mut known = HashSet::new();
        for name in names {
            let params = [workspace.as_str().into(), name.as_str().into()];
            if session.row(IS_KEPT, params).await?.is_some() {
                known.insert(name);
            }
        }
        Ok(known)
    }
}

impl Session {
    /// What an issue that is not done with shows, what later pages are compared with, and what waits to be looked at.
    async fn needed(&mut self, workspace: &Workspace) -> Result<HashSet<Digest>> {
        let mut needed = HashSet::new();
        let mut with_an_issue: Vec<(Service, Step)> = Vec::new();
        for row in self.rows(DRIFTS, [workspace.as_str().into()]).await? {
            let drift: Drift = row.json(2)?;
            needed.extend(drift.last_good.and_then(|good| good.tree));
            if matches!(drift.stage, Stage::Unconfirmed | Stage::Fixed) {
                continue;
            }
            if let Some(proof) = drift.proof {
                needed.extend(proof.screenshot.into_iter().chain(proof.tree));
            }
            with_an_issue.push((row.word(0)?, row.word(1)?));
        }
        for (service, step) in &with_an_issue {
            needed.extend(self.totals(workspace, service, step).await?.picture);
        }
        for row in self
            .rows(FRESH_PICTURES, [workspace.as_str().into()])
            .await?
        {
            needed.insert(row.word(0)?);
        }
        Ok(needed)
    }
}
