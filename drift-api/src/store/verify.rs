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
}

impl Verified {
    pub fn is_clean(&self) -> bool {
        self.broken.is_none() && self.differing_batches == Some(0) && self.differing_keys == Some(0)
    }
}

/// Of what differs: rows of a workspace without a log would go unseen otherwise.
const DIFFERING: &str = "SELECT workspace FROM differing_batches UNION SELECT workspace FROM live_keys UNION SELECT workspace FROM keys";

const PG_SHADOWS: [&str; 4] = [
    "CREATE TEMP VIEW live_batches AS SELECT * FROM batches",
    "CREATE TEMP VIEW live_keys AS SELECT * FROM keys",
    "CREATE TEMP TABLE batches (LIKE batches INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (workspace, day, service, step))",
    "CREATE TEMP TABLE keys (LIKE keys INCLUDING ALL)",
];
const SQLITE_SHADOWS: [&str; 4] = [
    "CREATE TEMP VIEW live_batches AS SELECT * FROM main.batches",
    "CREATE TEMP VIEW live_keys AS SELECT * FROM main.keys",
    "CREATE TEMP TABLE batches (workspace TEXT, day TEXT, service TEXT, step TEXT, count INTEGER, first_seen INTEGER, last_seen INTEGER,
        last_position INTEGER, fresh INTEGER, screenshot_ref TEXT, PRIMARY KEY (workspace, day, service, step)) WITHOUT ROWID",
    "CREATE TEMP TABLE keys (workspace TEXT, key TEXT PRIMARY KEY, name TEXT, scopes TEXT, hash TEXT, rate INTEGER, created_at INTEGER,
        revoked_at INTEGER)",
];

/// Numbered, so that a rebuild can mend them a few at a time.
const DIFFERING_BATCHES: &str = "
    CREATE TEMP TABLE differing_batches AS
    SELECT ROW_NUMBER() OVER () AS n, d.* FROM (
        SELECT workspace, day, service, step FROM (SELECT * FROM live_batches EXCEPT SELECT * FROM batches) AS gone
        UNION
        SELECT workspace, day, service, step FROM (SELECT * FROM batches EXCEPT SELECT * FROM live_batches) AS missing
    ) AS d";
const DIFFERING_KEYS: &str = "
    CREATE TEMP TABLE differing_keys AS
    SELECT key FROM (SELECT * FROM live_keys EXCEPT SELECT * FROM keys) AS gone
    UNION
    SELECT key FROM (SELECT * FROM keys EXCEPT SELECT * FROM live_keys) AS missing";
const BATCHES_OF: &str = "SELECT COUNT(*) FROM differing_batches WHERE workspace = $1";
const KEYS_OF: &str = "
    SELECT COUNT(*) FROM differing_keys
    WHERE key IN (SELECT key FROM live_keys WHERE workspace = $1 UNION SELECT key FROM keys WHERE workspace = $1)";

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
        for statement in if self.is_sqlite() {
            SQLITE_SHADOWS
        } else {
            PG_SHADOWS
        } {
            session.run(statement, []).await?;
        }
        let mut verified = BTreeMap::new();
        for row in session.rows(LOGS, []).await? {
            let workspace: Workspace = row.word(0)?;
            verified.insert(workspace.clone(), session.derive(workspace).await?);
        }
        session.run(DIFFERING_BATCHES, []).await?;
        session.run(DIFFERING_KEYS, []).await?;
        for row in session.rows(DIFFERING, []).await? {
            let workspace: Workspace = row.word(0)?;
            if !verified.contains_key(&workspace) {
                verified.insert(workspace.clone(), session.derive(workspace).await?);
            }
        }
        let mut verified: Vec<_> = verified.into_values().collect();
        for one in verified.iter_mut().filter(|one| one.broken.is_none()) {
            one.differing_batches = Some(session.count(BATCHES_OF, &one.workspace).await?);
            one.differing_keys = Some(session.count(KEYS_OF, &one.workspace).await?);
        }
        Ok((self, session, verified))
    }
}

impl Session {
    async fn derive(&mut self, workspace: Workspace) -> Result<Verified> {
        let mut walk = Walk::from(super::log::Head {
            position: 0,
            hash: drift_schema::chain::genesis(&workspace),
        });
        let mut projector = Projector::default();
        let mut erased = 0;
        let mut rows = self.rows_after(&workspace, walk.position).await?;
        while let Some(last) = rows.last() {
            let last: i64 = last.get(0)?;
            // Hashing and decoding take as long as reading: another thread does them, while the database is at the next page.
            let checking = tokio::task::spawn_blocking(move || check(walk, &rows));
            let next = self.rows_after(&workspace, last).await;
            let checked = checking.await.map_err(|_| {
                StoreError::Refused("the check of a page did not come to its end".to_owned())
            })?;
            let (checked_walk, recorded, erased_here) = checked?;
            walk = checked_walk;
            erased += erased_here;
            for recorded in recorded {
                projector.feed(self, &workspace, recorded).await?;
            }
            rows = next?;
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
        })
    }

    async fn count(&mut self, sql: &'static str, workspace: &Workspace) -> Result<i64> {
        let row = self
            .row(sql, [workspace.as_str().into()])
            .await?
            .ok_or(sqlx::Error::RowNotFound)?;
        Ok(row.get(0)?)
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
