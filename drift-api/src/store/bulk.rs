//! The statements that carry the load, and the one place where the databases get different text. Counts come back as
//! one value: a row for each would cost more than the counting.

mod postgres;
mod sqlite;

use drift_schema::chain::Link;
use drift_schema::{Micros, Service, Step};
use uuid::Uuid;

use super::log::Head;
use super::session::{Database, Kind, Row, Session};
use super::tally::Tally;

/// A row of `events`, about to be appended.
pub(super) struct NewRow<'a> {
    pub(super) position: i64,
    pub(super) at: Micros,
    pub(super) kind: &'static str,
    pub(super) version: i32,
    pub(super) report_id: Option<Uuid>,
    pub(super) payload: &'a str,
    pub(super) hash: Link,
}

/// What is added to a row of `facts`.
pub(super) struct Fact<'a> {
    pub(super) service: &'a Service,
    pub(super) step: &'a Step,
    /// Empty: of all days.
    pub(super) day: String,
    pub(super) fact: &'static str,
    pub(super) value: &'a str,
    pub(super) by: i64,
}

/// What a group of reports does to the log.
pub(super) struct Flush<'a> {
    /// The end of the log before it.
    pub(super) from: Head,
    /// All of one kind, version and time.
    pub(super) rows: &'a [NewRow<'a>],
    /// Sorted by batch.
    pub(super) tallies: Vec<Tally<'a>>,
    /// How high the batches stand before it, if that is known of all, and none becomes fresh by this that was not.
    pub(super) known: Option<Vec<i64>>,
}

pub(super) enum Flushed {
    /// The counts of the tallies' batches from now on, in their order.
    Counts(Vec<i64>),
    /// The log has one of the reports already. The transaction, if it goes on, must not be committed.
    Repeated,
    /// The log does not end where the flush begins. Nothing was done.
    HeadMoved,
}

impl Flushed {
    /// A unique index is what says that a report is not new.
    fn unless_repeated(done: sqlx::Result<Self>) -> sqlx::Result<Self> {
        match done {
            Err(error)
                if error
                    .as_database_error()
                    .is_some_and(sqlx::error::DatabaseError::is_unique_violation) =>
            {
                Ok(Self::Repeated)
            }
            done => done,
        }
    }
}

/// The conflict clause of counting, the same for both. Where no batch can become fresh SQLite is better off without the word:
/// it rewrites an index whenever a statement names one of its columns.
macro_rules! count_up {
    () => {
        concat!(
            crate::store::bulk::count_up!(no news),
            ", fresh = batches.fresh OR excluded.fresh"
        )
    };
    (no news) => {
        " ON CONFLICT (workspace, day, service, step) DO UPDATE SET
            count = batches.count + excluded.count,
            first_seen = CASE WHEN excluded.first_seen < batches.first_seen THEN excluded.first_seen ELSE batches.first_seen END,
            last_seen = CASE WHEN excluded.last_seen > batches.last_seen THEN excluded.last_seen ELSE batches.last_seen END,
            last_position = excluded.last_position,
            screenshot_ref = COALESCE(excluded.screenshot_ref, batches.screenshot_ref)"
    };
}
use count_up;

macro_rules! add_facts {
    () => {
        " ON CONFLICT (workspace, service, step, day, fact, value) DO UPDATE SET count = facts.count + excluded.count"
    };
}
use add_facts;

impl Database {
    /// The whole flush as a transaction of its own, in as few trips as there can be, provided that the log ends where
    /// the flush begins.
    pub(super) async fn flush_at_once(
        &self,
        workspace: &str,
        flush: &Flush<'_>,
    ) -> sqlx::Result<Flushed> {
        match self {
            Self::Postgres { write, .. } => postgres::flush(workspace, flush, write).await,
            Self::Sqlite { write, .. } => sqlite::flush_at_once(workspace, flush, write).await,
        }
    }
}

impl Session {
    /// Appends the rows, adds the tallies, moves the head.
    pub(super) async fn flush(
        &mut self,
        workspace: &str,
        flush: &Flush<'_>,
    ) -> sqlx::Result<Flushed> {
        match &mut self.0 {
            Kind::Postgres(tx) => postgres::flush(workspace, flush, &mut **tx).await,
            Kind::Sqlite(tx) => {
                let done = sqlite::flush(workspace, flush, tx).await;
                Flushed::unless_repeated(done.map(Flushed::Counts))
            }
        }
    }

    /// Appends rows.
    pub(super) async fn insert_events(
        &mut self,
        workspace: &str,
        rows: &[NewRow<'_>],
    ) -> sqlx::Result<()> {
        match &mut self.0 {
            Kind::Postgres(tx) => postgres::insert_events(workspace, rows, tx).await,
            Kind::Sqlite(tx) => sqlite::insert_events(workspace, rows, tx).await,
        }
    }

    /// Adds to the counters, making the batches that are new.
    pub(super) async fn count_up(
        &mut self,
        workspace: &str,
        tallies: &[Tally<'_>],
    ) -> sqlx::Result<()> {
        match &mut self.0 {
            Kind::Postgres(tx) => postgres::count_up(workspace, tallies, tx).await,
            Kind::Sqlite(tx) => sqlite::count_up(workspace, tallies, tx).await,
        }
    }

    /// Adds to the facts, each of which is there once.
    pub(super) async fn add_facts(
        &mut self,
        workspace: &str,
        facts: &[Fact<'_>],
    ) -> sqlx::Result<()> {
        match &mut self.0 {
            Kind::Postgres(tx) => postgres::add_facts(workspace, facts, tx).await,
            Kind::Sqlite(tx) => sqlite::add_facts(workspace, facts, tx).await,
        }
    }

    /// Those of the reports that the log has: id, time, payload, kind, version.
    pub(super) async fn reports_by_id(
        &mut self,
        workspace: &str,
        ids: &[Uuid],
    ) -> sqlx::Result<Vec<Row>> {
        match &mut self.0 {
            Kind::Postgres(tx) => postgres::reports_by_id(workspace, ids, tx).await,
            Kind::Sqlite(tx) => sqlite::reports_by_id(workspace, ids, tx).await,
        }
    }
}
