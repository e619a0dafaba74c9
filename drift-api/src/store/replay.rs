//! Reading a log from one end to the other while checking its chain: what `verify`, `rebuild` and `export` share.

use drift_schema::chain::Link;
use drift_schema::{Recorded, Workspace};

use super::log::{Head, NEXT_EVENTS, StoredRow};
use super::session::Session;
use super::{Result, StoreError};

/// Rows per statement: large enough to amortise it, small enough to hold.
const PAGE: i64 = 2_000;

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
        let rows = session
            .rows(
                NEXT_EVENTS,
                [workspace.as_str().into(), self.position.into(), PAGE.into()],
            )
            .await?;
        let page = rows
            .iter()
            .map(StoredRow::read)
            .collect::<Result<Vec<_>>>()?;
        for row in &page {
            self.step(row);
        }
        Ok(page)
    }

    /// Checks one row against the one before, and moves on to it. The first break is the one that is kept.
    pub(super) fn step(&mut self, row: &StoredRow) {
        if self.broken.is_none() {
            self.broken = self.look_at(row);
        }
        self.position = row.position;
        self.hash = row.hash;
    }

    fn look_at(&self, row: &StoredRow) -> Option<Break> {
        let what = if row.position != self.position + 1 {
            "events are missing before this one"
        } else if row.payload.is_none() && row.payload_hash.is_none() {
            "the payload is gone without leaving its hash"
        } else if row.expected_link(&self.hash) != row.hash {
            "the event is not the one that the chain was made over"
        } else {
            return None;
        };
        Some(Break {
            position: row.position,
            what,
        })
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

/// Decodes for projecting. An erased payload has nothing to decode.
pub(super) fn decoded(rows: &[StoredRow]) -> Result<Vec<Recorded>, StoreError> {
    rows.iter().map(StoredRow::decode).collect()
}
