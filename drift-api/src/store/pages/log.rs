//! The log from its end backwards, as people look through it.

use drift_schema::answer::LoggedEvent;
use drift_schema::{Service, Workspace};

use super::signs::Verification;
use crate::store::log::StoredRow;
use crate::store::queries::logged;
use crate::store::session::{Param, Session};
use crate::store::{Result, Store};

/// Events that are looked through for those of one service; who wants older ones asks on from there.
const LOOKED_THROUGH: i64 = 5_000;

// Rows, and where the last one of a number of rows stands, over the same part of the log. Which service an event is about only its
// payload says.
const ALL: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events
    WHERE workspace = $1 AND position < $2 AND position >= $3 AND ($5 = '' OR payload LIKE $5)
    ORDER BY position DESC LIMIT $4";
const ALL_FLOOR: &str = "
    SELECT position FROM events WHERE workspace = $1 AND position < $2 ORDER BY position DESC LIMIT 1 OFFSET $3";
const REPORTS: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events
    WHERE workspace = $1 AND position < $2 AND position >= $3 AND ($5 = '' OR payload LIKE $5)
        AND kind = 'report-received'
    ORDER BY position DESC LIMIT $4";
const REPORTS_FLOOR: &str = "
    SELECT position FROM events WHERE workspace = $1 AND position < $2 AND kind = 'report-received' ORDER BY position DESC LIMIT 1 OFFSET $3";
const BUT_REPORTS: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events
    WHERE workspace = $1 AND position < $2 AND position >= $3 AND ($5 = '' OR payload LIKE $5)
        AND kind <> 'report-received'
    ORDER BY position DESC LIMIT $4";
const BUT_REPORTS_FLOOR: &str = "
    SELECT position FROM events WHERE workspace = $1 AND position < $2 AND kind <> 'report-received' ORDER BY position DESC LIMIT 1 OFFSET $3";
const OF_KIND: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events
    WHERE workspace = $1 AND position < $2 AND position >= $3 AND ($5 = '' OR payload LIKE $5)
        AND kind <> 'report-received' AND kind = $6
    ORDER BY position DESC LIMIT $4";
const OF_KIND_FLOOR: &str = "
    SELECT position FROM events WHERE workspace = $1 AND position < $2 AND kind <> 'report-received' AND kind = $4
    ORDER BY position DESC LIMIT 1 OFFSET $3";

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogKinds {
    #[default]
    All,
    ButReports,
    /// One that `Event::KINDS` has.
    Only(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFilter {
    pub kinds: LogKinds,
    pub service: Option<Service>,
}

#[derive(Debug, Clone)]
pub struct LogLook {
    /// Newest first.
    pub events: Vec<LoggedEvent>,
    /// Where to go on.
    pub older: Option<i64>,
    /// Position of the newest event of all.
    pub head: i64,
    pub verification: Option<Verification>,
}

impl Store {
    pub async fn log_look(
        &self,
        workspace: &Workspace,
        filter: &LogFilter,
        before: Option<i64>,
        limit: u16,
    ) -> Result<LogLook> {
        let mut session = self.db.snapshot().await?;
        let head = session.head(workspace).await?.position;
        let before = before.unwrap_or(i64::MAX).min(head + 1);
        let floor = match filter.service {
            None => None,
            Some(_) => session.floor(workspace, &filter.kinds, before).await?,
        };
        // One more than asked for tells whether there is another page.
        let params: [Param; 5] = [
            workspace.as_str().into(),
            before.into(),
            floor.unwrap_or(0).into(),
            (i64::from(limit) + 1).into(),
            // A service's name has nothing that LIKE would take for something else.
            filter
                .service
                .as_ref()
                .map(|service| format!("%\"service\":\"{service}\"%"))
                .unwrap_or_default()
                .into(),
        ];
        let rows = match filter.kinds {
            LogKinds::All => session.rows(ALL, params).await?,
            LogKinds::ButReports => session.rows(BUT_REPORTS, params).await?,
            LogKinds::Only("report-received") => session.rows(REPORTS, params).await?,
            LogKinds::Only(kind) => {
                let [a, b, c, d, e] = params;
                session.rows(OF_KIND, [a, b, c, d, e, kind.into()]).await?
            }
        };
        let mut events = rows
            .iter()
            .map(|row| StoredRow::read(row).and_then(logged))
            .collect::<Result<Vec<_>>>()?;
        let more = events.len() > usize::from(limit);
        events.truncate(limit.into());
        let older = match events.last() {
            Some(last) if more => Some(last.position),
            _ => floor.filter(|floor| *floor > 1),
        };
        Ok(LogLook {
            events,
            older,
            head,
            verification: session.last_verification(workspace).await?,
        })
    }
}

impl Session {
    /// Where looking for the events of one service stops. None at the beginning of the log.
    async fn floor(
        &mut self,
        workspace: &Workspace,
        kinds: &LogKinds,
        before: i64,
    ) -> Result<Option<i64>> {
        let params = || {
            [
                workspace.as_str().into(),
                before.into(),
                (LOOKED_THROUGH - 1).into(),
            ]
        };
        let row = match kinds {
            LogKinds::All => self.row(ALL_FLOOR, params()).await?,
            LogKinds::ButReports => self.row(BUT_REPORTS_FLOOR, params()).await?,
            LogKinds::Only("report-received") => self.row(REPORTS_FLOOR, params()).await?,
            LogKinds::Only(kind) => {
                let [a, b, c] = params();
                self.row(OF_KIND_FLOOR, [a, b, c, (*kind).into()]).await?
            }
        };
        Ok(row.map(|row| row.get(0)).transpose()?)
    }
}
