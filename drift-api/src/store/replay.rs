//! Reading a log from one end to the other while checking its chain: what `verify`, `rebuild` and `export` share.

use drift_schema::chain::Link;
use drift_schema::{Event, Workspace};

use super::Result;
use super::log::{Head, NEXT_EVENTS, StoredRow};
use super::session::{Row, Session};

/// Rows per statement: large enough to amortise it, small enough to hold.
const PAGE: i64 = 5_000;

/// The workspaces that have a log, or the head of one: a head row that was taken away must not hide a log. The recursion
/// hops along the index, from one workspace to the next.
pub(super) const LOGS: &str = "
    WITH RECURSIVE logged (workspace) AS (
        SELECT MIN(workspace) FROM events
        UNION ALL
        SELECT (SELECT MIN(workspace) FROM events WHERE workspace > logged.workspace) FROM logged WHERE workspace IS NOT NULL
    )
    SELECT workspace FROM logged WHERE workspace IS NOT NULL UNION SELECT workspace FROM event_heads ORDER BY workspace";

/// Where a chain stops being what it should.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Break {
    pub position: i64,
    pub what: &'static str,
}

/// Walks the log of one workspace, page by page.
pub(super) struct Walk {
    pub(super) position: i64,
    pub(super) hash: Link,
    pub(super) broken: Option<Break>,
}

impl Walk {
    pub(super) fn from(head: Head) -> Self {
        Self {
            position: head.position,
            hash: head.hash,
            broken: None,
        }
    }

    /// The next rows, each checked against the one before. Empty at the end.
    pub(super) async fn next_page(
        &mut self,
        session: &mut Session,
        workspace: &Workspace,
    ) -> Result<Vec<StoredRow>> {
        loop {
            let rows = session.rows_after(workspace, self.position).await?;
            let page = self.check(&rows)?;
            if rows.is_empty() || !page.is_empty() {
                return Ok(page);
            }
        }
    }

    /// Checks rows that follow one another, and moves on past them. What does not read is left out.
    pub(super) fn check(&mut self, rows: &[Row]) -> Result<Vec<StoredRow>> {
        let mut page = Vec::with_capacity(rows.len());
        for row in rows {
            match StoredRow::read(row) {
                Ok(row) => {
                    self.step(&row);
                    page.push(row);
                }
                Err(_) => {
                    self.position = row.get(0)?;
                    self.break_at(self.position, "a column does not read");
                }
            }
        }
        Ok(page)
    }

    /// The first break is the one that is kept: what comes after it proves nothing.
    pub(super) fn break_at(&mut self, position: i64, what: &'static str) {
        self.broken.get_or_insert(Break { position, what });
    }

    /// Checks one row against the one before, and moves on to it.
    pub(super) fn step(&mut self, row: &StoredRow) {
        if let (None, Some(what)) = (&self.broken, self.look_at(row)) {
            self.break_at(row.position, what);
        }
        self.position = row.position;
        self.hash = row.hash;
    }

    fn look_at(&self, row: &StoredRow) -> Option<&'static str> {
        if row.position != self.position + 1 {
            Some("events are missing before this one")
        } else if row.payload.is_none() && row.payload_hash.is_none() {
            Some("the payload is gone without leaving its hash")
        } else if row.expected_link(&self.hash) != row.hash {
            Some("the event is not the one that the chain was made over")
        } else if row.payload.is_none() && row.kind != Event::KINDS[0].0 {
            Some("the payload is gone, though it is not that of a report")
        } else {
            None
        }
    }

    /// To be asked at the end of the log: is the head row where the last event is?
    pub(super) fn ends_at(&self, head: &Head) -> Option<Break> {
        let position = self.position.max(head.position);
        if let Some(broken) = &self.broken {
            return Some(broken.clone());
        }
        let what = match self.position.cmp(&head.position) {
            std::cmp::Ordering::Less => "the log ends before its head",
            std::cmp::Ordering::Greater => "the log goes on after its head",
            std::cmp::Ordering::Equal if self.hash != head.hash => {
                "the head has another hash than the last event"
            }
            std::cmp::Ordering::Equal => return None,
        };
        Some(Break { position, what })
    }
}

impl Session {
    /// The next page of a log, unread.
    pub(super) async fn rows_after(
        &mut self,
        workspace: &Workspace,
        position: i64,
    ) -> Result<Vec<Row>> {
        let params = [workspace.as_str().into(), position.into(), PAGE.into()];
        Ok(self.rows(NEXT_EVENTS, params).await?)
    }
}
