//! The log as NDJSON, out of one database and into another. The payload travels as the text that was hashed, so the
//! chain that was made on SQLite verifies on Postgres.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use drift_schema::chain::Link;
use drift_schema::{Event, Micros, Workspace};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use uuid::Uuid;

use super::bulk::NewRow;
use super::log::{Head, StoredRow};
use super::projection::Projector;
use super::replay::{LOGS, Walk};
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

/// The last line: without it nobody would miss the end of a file that was cut off.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    end: End,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    /// Lines before this one.
    events: u64,
}

/// What an import brought in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    pub workspaces: usize,
    pub events: u64,
}

const ANY_EVENT: &str = "SELECT position FROM events LIMIT 1";
const INSERT_ERASED: &str = "
    INSERT INTO events (workspace, position, recorded_at, kind, version, payload_hash, hash, report_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
/// Rows per statement of an import.
const TOGETHER: usize = 500;

impl Store {
    /// Writes every workspace's log, as of one moment. Answers how many events that were.
    pub async fn export(&self, out: &mut (impl AsyncWrite + Unpin)) -> Result<u64> {
        let mut session = self.db.snapshot().await?;
        let mut events = 0;
        let mut damaged = None;
        for row in session.rows(LOGS, []).await? {
            let workspace: Workspace = row.word(0)?;
            let mut walk = Walk::from(Head::of_nothing(&workspace));
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
            damaged = damaged.or(walk.ends_at(&head).map(|broken| (workspace, broken)));
        }
        session.roll_back().await?;
        if damaged.is_none() {
            let end = serde_json::to_vec(&Last {
                end: End { events },
            });
            out.write_all(&end.map_err(StoreError::Unwritable)?)
                .await
                .map_err(written)?;
            out.write_all(b"\n").await.map_err(written)?;
        }
        out.flush().await.map_err(written)?;
        match damaged {
            None => Ok(events),
            Some((workspace, broken)) => Err(StoreError::Refused(format!(
                "what was written cannot be imported: the log of {workspace} is damaged at position {}: {}",
                broken.position, broken.what
            ))),
        }
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
        let mut import = Import {
            session,
            logs: Vec::new(),
            projector: Projector::default(),
            waiting: Vec::new(),
        };
        let mut number = 0;
        let mut end = None;
        while let Some(text) = lines
            .next_line()
            .await
            .map_err(|error| refused(number + 1, &error))?
        {
            number += 1;
            if end.is_some() {
                return Err(refused(number, &"the export ended before it"));
            }
            if text.starts_with(r#"{"end""#) {
                let Last {
                    end: End { events },
                } = serde_json::from_str(&text).map_err(|error| refused(number, &error))?;
                if events != number - 1 {
                    return Err(refused(
                        number,
                        &format_args!("there were {events} events in the export"),
                    ));
                }
                end = Some(events);
                continue;
            }
            let line: Line =
                serde_json::from_str(&text).map_err(|error| refused(number, &error))?;
            let (workspace, row) = stored(line).ok_or_else(|| {
                refused(
                    number,
                    &"it takes a payload or its hash, and hashes of 32 bytes in base64",
                )
            })?;
            import.take(workspace, row).await.map_err(|why| match why {
                StoreError::Refused(why) => refused(number, &why),
                StoreError::Unreadable(error) => refused(number, &error),
                other => other,
            })?;
        }
        let events = end.ok_or_else(|| refused(number + 1, &"the export was cut off"))?;
        import.end_log().await?;
        import.session.commit().await?;
        Ok(Imported {
            workspaces: import.logs.len(),
            events,
        })
    }
}

/// An import on its way, in one transaction.
struct Import {
    session: Session,
    /// Each log comes in one piece; the last one is being read.
    logs: Vec<(Workspace, Walk)>,
    projector: Projector,
    waiting: Vec<StoredRow>,
}

impl Import {
    async fn take(&mut self, workspace: Workspace, row: StoredRow) -> Result<()> {
        if self.logs.last().is_none_or(|(last, _)| *last != workspace) {
            self.end_log().await?;
            let head = self.session.lock_head(&workspace).await?;
            self.projector = Projector::of(&mut self.session, &workspace).await?;
            self.logs.push((workspace.clone(), Walk::from(head)));
        }
        if let Some((_, walk)) = self.logs.last_mut() {
            walk.step(&row);
            if let Some(broken) = &walk.broken {
                return Err(StoreError::Refused(broken.what.to_owned()));
            }
        }
        let recorded = row.decode()?;
        self.projector
            .feed(&mut self.session, &workspace, recorded)
            .await?;
        if row.payload.is_some() {
            self.waiting.push(row);
            return if self.waiting.len() < TOGETHER {
                Ok(())
            } else {
                self.flush().await
            };
        }
        let params = [
            workspace.as_str().into(),
            row.position.into(),
            row.at.0.into(),
            row.kind.as_str().into(),
            i64::from(row.version).into(),
            row.payload_hash.unwrap_or_default().into(),
            row.hash.into(),
            row.report_id.unwrap_or_default().into(),
        ];
        self.session.run(INSERT_ERASED, params).await?;
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let Some((workspace, _)) = self.logs.last() else {
            return Ok(());
        };
        let rows: Vec<NewRow<'_>> = self.waiting.iter().filter_map(as_new).collect();
        if !rows.is_empty() {
            let inserted = self.session.insert_events(workspace.as_str(), &rows);
            inserted.await.map_err(|error| {
                let twice = error
                    .as_database_error()
                    .is_some_and(sqlx::error::DatabaseError::is_unique_violation);
                match twice {
                    true => {
                        StoreError::Refused("a report before this line is there twice".to_owned())
                    }
                    false => error.into(),
                }
            })?;
        }
        self.waiting.clear();
        Ok(())
    }

    async fn end_log(&mut self) -> Result<()> {
        self.flush().await?;
        if let Some((workspace, walk)) = self.logs.last() {
            self.projector.flush(&mut self.session, workspace).await?;
            let head = Head {
                position: walk.position,
                hash: walk.hash,
                // Of what is not a report, the last came no later.
                lifecycle_at: walk.position,
            };
            self.session.move_head(workspace, &head).await?;
        }
        Ok(())
    }
}

/// None for what does not decode, which was refused before it got here.
fn as_new(row: &StoredRow) -> Option<NewRow<'_>> {
    let (kind, _) = Event::KINDS.iter().find(|(kind, _)| *kind == row.kind)?;
    Some(NewRow {
        position: row.position,
        at: row.at,
        kind,
        version: row.version,
        report_id: row.report_id,
        payload: row.payload.as_deref()?,
        hash: row.hash,
    })
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
    // An event has either.
    (row.payload.is_some() != row.payload_hash.is_some()).then_some((line.workspace, row))
}

fn refused(line: u64, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Refused(format!(
        "line {line} of the import: {why}; nothing was imported"
    ))
}

fn written(error: std::io::Error) -> StoreError {
    StoreError::Refused(format!("the export could not be written: {error}"))
}
