//! Appending to the log. The head row of a workspace is the lock that makes its positions free of gaps and ordered
//! by commit: whoever holds it is the only writer, so a reader that has seen position n never finds n - 1 later.

use drift_schema::chain::{self, Covered, Link};
use drift_schema::{Event, Micros, Recorded, Workspace};
use uuid::Uuid;

use super::bulk::NewRow;
use super::session::{Row, Session};
use super::{Result, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) position: i64,
    pub(super) hash: Link,
    /// Position of the last event that was not a report, or the mark of a rebuild since: as long as it stays, what is known of the
    /// drifts does, too.
    pub(super) lifecycle_at: i64,
}

const HEAD_FOR_UPDATE: &str =
    "SELECT position, hash, lifecycle_at FROM event_heads WHERE workspace = $1 FOR UPDATE";
/// SQLite's transactions that write are alone anyway.
const HEAD: &str = "SELECT position, hash, lifecycle_at FROM event_heads WHERE workspace = $1";
const NEW_HEAD: &str = "INSERT INTO event_heads (workspace, position, hash) VALUES ($1, 0, $2) ON CONFLICT (workspace) DO NOTHING";
/// Appends one and moves the head: what follows a report is one event at a time.
const APPEND: &str = "
    WITH moved AS (UPDATE event_heads SET position = $2, hash = $7, lifecycle_at = $2 WHERE workspace = $1)
    INSERT INTO events (workspace, position, recorded_at, kind, version, payload, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const SQLITE_APPEND: &str = "
    INSERT INTO events (workspace, position, recorded_at, kind, version, payload, hash) VALUES ($1, $2, $3, $4, $5, $6, $7);
    UPDATE event_heads SET position = $2, hash = $7, lifecycle_at = $2 WHERE workspace = $1";
const MOVE_HEAD: &str =
    "UPDATE event_heads SET position = $2, hash = $3, lifecycle_at = $4 WHERE workspace = $1";

/// An event in its stored form, before it has a place in the log.
pub(super) struct Sealed<'a> {
    pub(super) kind: &'static str,
    pub(super) version: i32,
    pub(super) report_id: Option<Uuid>,
    pub(super) payload: &'a str,
    pub(super) payload_hash: Link,
}

impl Head {
    pub(super) fn of_nothing(workspace: &Workspace) -> Self {
        Self {
            position: 0,
            hash: chain::genesis(workspace),
            lifecycle_at: 0,
        }
    }

    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            position: row.get(0)?,
            hash: row.link(1)?,
            lifecycle_at: row.get(2)?,
        })
    }

    /// Gives the next place to an event and moves on to it.
    pub(super) fn take<'a>(&mut self, event: Sealed<'a>, at: Micros) -> NewRow<'a> {
        let Sealed {
            kind,
            version,
            report_id,
            payload,
            payload_hash,
        } = event;
        self.position += 1;
        let covered = Covered {
            position: self.position,
            recorded_at: at,
            kind,
            version,
            report_id,
            payload_hash: &payload_hash,
        };
        self.hash = chain::link(&self.hash, covered);
        NewRow {
            position: self.position,
            at,
            kind,
            version,
            report_id,
            payload,
            hash: self.hash,
        }
    }
}

impl Session {
    /// The end of a log, for a look.
    pub(super) async fn head(&mut self, workspace: &Workspace) -> Result<Head> {
        let row = self.row(HEAD, [workspace.as_str().into()]).await?;
        row.map_or_else(|| Ok(Head::of_nothing(workspace)), |row| Head::read(&row))
    }

    /// The end of a log, held until this transaction ends.
    pub(super) async fn lock_head(&mut self, workspace: &Workspace) -> Result<Head> {
        let select = if self.is_sqlite() {
            HEAD
        } else {
            HEAD_FOR_UPDATE
        };
        if let Some(row) = self.row(select, [workspace.as_str().into()]).await? {
            return Head::read(&row);
        }
        self.run(
            NEW_HEAD,
            [workspace.as_str().into(), chain::genesis(workspace).into()],
        )
        .await?;
        let row = self.row(select, [workspace.as_str().into()]).await?;
        Head::read(&row.ok_or(sqlx::Error::RowNotFound)?)
    }

    pub(super) async fn move_head(&mut self, workspace: &Workspace, head: &Head) -> Result<()> {
        let params = [
            workspace.as_str().into(),
            head.position.into(),
            head.hash.into(),
            head.lifecycle_at.into(),
        ];
        self.run(MOVE_HEAD, params).await?;
        Ok(())
    }

    /// Appends one event that is not a report, and projects it.
    pub(super) async fn append(
        &mut self,
        workspace: &Workspace,
        head: &mut Head,
        event: Event,
        at: Micros,
    ) -> Result<Recorded> {
        let payload = event.encode().map_err(StoreError::Unwritable)?;
        let sealed = Sealed {
            kind: event.kind(),
            version: event.version(),
            report_id: None,
            payload: &payload,
            payload_hash: chain::payload_hash(&payload),
        };
        let row = head.take(sealed, at);
        head.lifecycle_at = row.position;
        let sql = if self.is_sqlite() {
            SQLITE_APPEND
        } else {
            APPEND
        };
        let params = [
            workspace.as_str().into(),
            row.position.into(),
            at.0.into(),
            row.kind.into(),
            i64::from(row.version).into(),
            row.payload.into(),
            row.hash.into(),
        ];
        self.run(sql, params).await?;
        let recorded = Recorded {
            position: row.position,
            at,
            report_id: None,
            event: Some(event),
        };
        self.project(workspace, &recorded).await?;
        Ok(recorded)
    }
}

/// The columns of an event as they are stored, for those who check or copy the log.
pub(super) struct StoredRow {
    pub(super) position: i64,
    pub(super) at: Micros,
    pub(super) kind: String,
    pub(super) version: i32,
    pub(super) report_id: Option<Uuid>,
    pub(super) payload: Option<String>,
    pub(super) payload_hash: Option<Link>,
    pub(super) hash: Link,
}

/// Columns in the order in which `StoredRow` reads them.
pub(super) const NEXT_EVENTS: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash
    FROM events WHERE workspace = $1 AND position > $2 ORDER BY position LIMIT $3";

impl StoredRow {
    pub(super) fn read(row: &Row) -> Result<Self> {
        let payload_hash: Option<Vec<u8>> = row.get(6)?;
        Ok(Self {
            position: row.get(0)?,
            at: Micros(row.get(1)?),
            kind: row.get(2)?,
            version: row.get(3)?,
            report_id: row.get(4)?,
            payload: row.get(5)?,
            payload_hash: payload_hash.map(|_| row.link(6)).transpose()?,
            hash: row.link(7)?,
        })
    }

    /// What the link of this event must be, after the one before it.
    pub(super) fn expected_link(&self, before: &Link) -> Link {
        let payload_hash = match (&self.payload, &self.payload_hash) {
            (Some(payload), _) => chain::payload_hash(payload),
            (None, hash) => hash.unwrap_or_default(),
        };
        chain::link(
            before,
            Covered {
                position: self.position,
                recorded_at: self.at,
                kind: &self.kind,
                version: self.version,
                report_id: self.report_id,
                payload_hash: &payload_hash,
            },
        )
    }

    pub(super) fn decode(&self) -> Result<Recorded> {
        let event = self
            .payload
            .as_deref()
            .map(|payload| Event::decode(&self.kind, self.version, payload))
            .transpose()?;
        Ok(Recorded {
            position: self.position,
            at: self.at,
            report_id: self.report_id,
            event,
        })
    }
}
