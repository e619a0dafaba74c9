//! Is the log whole, and are the tables what the log says? The tables are derived once more, beside the live ones,
//! in temporary tables of the same names: on this connection those hide the live ones, so that the projection
//! under test is the very code that wrote them.

use std::collections::BTreeMap;

use drift_schema::{Recorded, Workspace};

use super::projection::Projector;
use super::replay::{Break, LOGS, Walk};
use super::session::{Database, Row, Session};
use super::{Result, Store, StoreError};

/// What `verify` found in one workspace.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Verified {
    pub workspace: Workspace,
    pub events: i64,
    pub erased: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<Break>,
    /// Batches that differ from what the log gives. None if the log is broken: then it gives nothing to go by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differing_batches: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differing_keys: Option<i64>,
    /// Rows about drifts, services, runs and artifacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differing_lifecycle: Option<i64>,
}

impl Verified {
    pub fn is_clean(&self) -> bool {
        let differing = [
            self.differing_batches,
            self.differing_keys,
            self.differing_lifecycle,
        ];
        self.broken.is_none() && differing == [Some(0); 3]
    }

    /// In words, without the number of events.
    pub fn found(&self) -> String {
        match &self.broken {
            None => format!(
                "chain whole, {} batches, {} keys and {} rows about drifts and runs differ from the log",
                self.differing_batches.unwrap_or(0),
                self.differing_keys.unwrap_or(0),
                self.differing_lifecycle.unwrap_or(0)
            ),
            Some(broken) => format!("chain broken at {}: {}", broken.position, broken.what),
        }
    }
}

impl Store {
    /// Checks every workspace as of one moment. Holds up nobody who writes.
    pub async fn verify(&self) -> Result<Vec<Verified>> {
        let (_database, session, verified) = self.db.alone().derive_beside().await?;
        session.roll_back().await?;
        Ok(verified)
    }
}

impl Database {
    /// Derives all tables in shadows and notes what differs; leaves the shadows to the caller.
    pub(super) async fn derive_beside(self) -> Result<(Self, Session, Vec<Verified>)> {
        let mut session = self.snapshot().await?;
        session.make_shadows().await?;
        let mut verified = BTreeMap::new();
        for row in session.rows(LOGS, []).await? {
            let workspace: Workspace = row.word(0)?;
            verified.insert(workspace.clone(), session.derive(workspace).await?);
        }
        for workspace in session.compare_shadows().await? {
            if !verified.contains_key(&workspace) {
                verified.insert(workspace.clone(), session.derive(workspace).await?);
            }
        }
        let mut verified: Vec<_> = verified.into_values().collect();
        for one in verified.iter_mut().filter(|one| one.broken.is_none()) {
            let differing = session.differing(&one.workspace).await?;
            one.differing_batches = Some(differing.batches);
            one.differing_keys = Some(differing.keys);
            one.differing_lifecycle = Some(differing.lifecycle);
        }
        Ok((self, session, verified))
    }
}

impl Session {
    async fn derive(&mut self, workspace: Workspace) -> Result<Verified> {
        let mut walk = Walk::from(super::log::Head::of_nothing(&workspace));
        let mut projector = Projector::default();
        let mut erased = 0;
        let mut checked = Vec::new();
        let mut rows = self.rows_after(&workspace, walk.position).await?;
        while let Some(last) = rows.last() {
            let last: i64 = last.get(0)?;
            // Hashing and decoding take as long as all the rest: another thread does them, while this one reads the page after it and
            // projects the one before.
            let checking = tokio::task::spawn_blocking(move || check(walk, &rows));
            let next = self.rows_after(&workspace, last).await;
            for recorded in checked {
                projector.feed(self, &workspace, recorded).await?;
            }
            let page = checking.await.map_err(|_| {
                StoreError::Refused("the check of a page did not come to its end".to_owned())
            })?;
            let erased_here;
            (walk, checked, erased_here) = page?;
            erased += erased_here;
            rows = next?;
        }
        for recorded in checked {
            projector.feed(self, &workspace, recorded).await?;
        }
        projector.flush(self, &workspace).await?;
        let head = self.head(&workspace).await?;
        let broken = walk.ends_at(&head);
        Ok(Verified {
            workspace,
            events: walk.position,
            erased,
            broken,
            differing_batches: None,
            differing_keys: None,
            differing_lifecycle: None,
        })
    }
}

/// Checks one page: the walk after it, what is to be projected, and how many payloads are erased.
fn check(mut walk: Walk, rows: &[Row]) -> Result<(Walk, Vec<Recorded>, u64)> {
    let page = walk.check(rows)?;
    let erased = page.iter().filter(|row| row.payload.is_none()).count() as u64;
    let mut recorded = Vec::with_capacity(page.len());
    for row in &page {
        // Whatever stands in a broken log may not even fit into the tables.
        if walk.broken.is_some() {
            break;
        }
        match row.decode() {
            Ok(one) => recorded.push(one),
            Err(_) => walk.break_at(row.position, "this program cannot read the event"),
        }
    }
    Ok((walk, recorded, erased))
}
