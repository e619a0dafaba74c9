//! The log as NDJSON, out of one database and into another. The payload travels as the text that was hashed, so the
//! chain that was made on SQLite verifies on Postgres.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use drift_schema::chain::{self, Link};
use drift_schema::{Micros, Workspace};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use uuid::Uuid;

use super::log::{Head, StoredRow};
use super::projection::Projector;
use super::replay::Walk;
use super::session::Session;
use super::{Result, Store, StoreError};

/// One line of an export.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    workspace: Workspace,
    position: i64,
    /// Microseconds since 1970.
    recorded_at: i64,
    kind: String,
    version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report_id: Option<Uuid>,
    /// The text that the chain covers; none after an erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// Base64, as is `hash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_hash: Option<String>,
    hash: String,
}

/// What an import brought in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    pub workspaces: usize,
    pub events: u64,
}

const WORKSPACES: &str = "SELECT workspace FROM event_heads ORDER BY workspace";
const ANY_EVENT: &str = "SELECT position FROM events LIMIT 1";
const INSERT: &str = "
    INSERT INTO events (workspace, position, recorded_at, kind, version, payload, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const INSERT_REPORT: &str = "
    INSERT INTO events (workspace, position, recorded_at, kind, version, payload, hash, report_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const INSERT_ERASED: &str = "
    INSERT INTO events (workspace, position, recorded_at, kind, version, payload_hash, hash, report_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

impl Store {
    /// Writes every workspace's log, as of one moment. Answers how many events that were.
    pub async fn export(&self, out: &mut (impl AsyncWrite + Unpin)) -> Result<u64> {
        let mut session = self.db.snapshot().await?;
        let mut events = 0;
        for row in session.rows(WORKSPACES, []).await? {
            let workspace: Workspace = row.word(0)?;
            let mut walk = Walk::from(Head {
                position: 0,
                hash: chain::genesis(&workspace),
            });
            loop {
                let page = walk.next_page(&mut session, &workspace).await?;
                if page.is_empty() {
                    break;
                }
                events += page.len() as u64;
                let mut text = Vec::new();
                for row in page {
                    serde_json::to_writer(&mut text, &line(&workspace, row))
                        .map_err(StoreError::Unwritable)?;
                    text.push(b'\n');
                }
                out.write_all(&text).await.map_err(written)?;
            }
            let head = session.head(&workspace).await?;
            if let Some(broken) = walk.ends_at(&head) {
                tracing::warn!(%workspace, position = broken.position, what = broken.what, "the exported log is damaged; run verify");
            }
        }
        out.flush().await.map_err(written)?;
        session.roll_back().await?;
        Ok(events)
    }

    /// Reads an export into an empty store: all of it, or nothing.
    pub async fn import(&self, from: impl AsyncBufRead + Unpin) -> Result<Imported> {
        let mut session = self.db.write().await?;
        if session.row(ANY_EVENT, []).await?.is_some() {
            return Err(StoreError::Refused(
                "the store is not empty; import needs an empty one".to_owned(),
            ));
        }
        let mut lines = from.lines();
        let mut logs: Vec<(Workspace, Walk)> = Vec::new();
        let mut projector = Projector::default();
        let mut events = 0;
        while let Some(text) = lines
            .next_line()
            .await
            .map_err(|error| refused(events + 1, &error))?
        {
            let number = events + 1;
            let line: Line =
                serde_json::from_str(&text).map_err(|error| refused(number, &error))?;
            let (workspace, row) =
                stored(line).ok_or_else(|| refused(number, &"a hash is not 32 bytes of base64"))?;
            if logs.last().is_none_or(|(last, _)| *last != workspace) {
                if let Some((last, walk)) = logs.last() {
                    session.end_import(last, walk, &mut projector).await?;
                }
                let head = session.lock_head(&workspace).await?;
                logs.push((workspace.clone(), Walk::from(head)));
            }
            if let Some((_, walk)) = logs.last_mut() {
                walk.step(&row);
                if let Some(broken) = &walk.broken {
                    return Err(refused(number, &broken.what));
                }
            }
            session.insert_stored(&workspace, &row).await?;
            projector
                .feed(&mut session, &workspace, &row.decode()?)
                .await?;
            events = number;
        }
        if let Some((last, walk)) = logs.last() {
            session.end_import(last, walk, &mut projector).await?;
        }
        session.commit().await?;
        Ok(Imported {
            workspaces: logs.len(),
            events,
        })
    }
}

impl Session {
    async fn insert_stored(&mut self, workspace: &Workspace, row: &StoredRow) -> Result<()> {
        let common = (
            workspace.as_str().into(),
            row.position.into(),
            row.at.0.into(),
            row.kind.as_str().into(),
            i64::from(row.version).into(),
        );
        let (workspace, position, at, kind, version) = common;
        let hash = row.hash.into();
        match (&row.payload, row.report_id, row.payload_hash) {
            (Some(payload), None, _) => {
                self.run(
                    INSERT,
                    [
                        workspace,
                        position,
                        at,
                        kind,
                        version,
                        payload.as_str().into(),
                        hash,
                    ],
                )
                .await?;
            }
            (Some(payload), Some(id), _) => {
                self.run(
                    INSERT_REPORT,
                    [
                        workspace,
                        position,
                        at,
                        kind,
                        version,
                        payload.as_str().into(),
                        hash,
                        id.into(),
                    ],
                )
                .await?;
            }
            (None, id, payload_hash) => {
                let params = [
                    workspace,
                    position,
                    at,
                    kind,
                    version,
                    payload_hash.unwrap_or_default().into(),
                    hash,
                    id.unwrap_or_default().into(),
                ];
                self.run(INSERT_ERASED, params).await?;
            }
        }
        Ok(())
    }

    async fn end_import(
        &mut self,
        workspace: &Workspace,
        walk: &Walk,
        projector: &mut Projector,
    ) -> Result<()> {
        projector.flush(self, workspace).await?;
        self.move_head(
            workspace,
            &Head {
                position: walk.position,
                hash: walk.hash,
            },
        )
        .await
    }
}

fn line(workspace: &Workspace, row: StoredRow) -> Line {
    Line {
        workspace: workspace.clone(),
        position: row.position,
        recorded_at: row.at.0,
        kind: row.kind,
        version: row.version,
        report_id: row.report_id,
        payload: row.payload,
        payload_hash: row.payload_hash.map(|hash| BASE64.encode(hash)),
        hash: BASE64.encode(row.hash),
    }
}

fn stored(line: Line) -> Option<(Workspace, StoredRow)> {
    let link = |text: &str| -> Option<Link> { BASE64.decode(text).ok()?.try_into().ok() };
    let row = StoredRow {
        position: line.position,
        at: Micros(line.recorded_at),
        kind: line.kind,
        version: line.version,
        report_id: line.report_id,
        payload: line.payload,
        payload_hash: match line.payload_hash {
            Some(text) => Some(link(&text)?),
            None => None,
        },
        hash: link(&line.hash)?,
    };
    Some((line.workspace, row))
}

fn refused(line: u64, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Refused(format!(
        "line {line} of the import: {why}; nothing was imported"
    ))
}

fn written(error: std::io::Error) -> StoreError {
    StoreError::Refused(format!("the export could not be written: {error}"))
}
