//! The two statements that carry the load, and the one place where the databases get different text. Postgres takes
//! arrays and does a whole flush in one round trip. SQLite gets many rows of VALUES; each number of rows up to
//! `ROWS` is a statement of its own, prepared once. On both, counts come back as one value: a row for each
//! would cost more than the counting.

use std::sync::LazyLock;

use drift_schema::Micros;
use drift_schema::chain::Link;
use sqlx::Row as _;
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

macro_rules! count_up {
    () => {
        " ON CONFLICT (workspace, day, service, step) DO UPDATE SET
            count = batches.count + excluded.count,
            first_seen = CASE WHEN excluded.first_seen < batches.first_seen THEN excluded.first_seen ELSE batches.first_seen END,
            last_seen = CASE WHEN excluded.last_seen > batches.last_seen THEN excluded.last_seen ELSE batches.last_seen END,
            last_position = excluded.last_position,
            fresh = TRUE,
            screenshot_ref = COALESCE(excluded.screenshot_ref, batches.screenshot_ref)"
    };
}

macro_rules! pg_batches {
    ($condition:literal) => {
        concat!(
            "INSERT INTO batches (workspace, day, service, step, count, first_seen, last_seen, last_position, fresh, screenshot_ref)
             SELECT $1, day, service, step, count, first_seen, last_seen, last_position, TRUE, screenshot_ref
             FROM UNNEST($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[])
                AS t (day, service, step, count, first_seen, last_seen, last_position, screenshot_ref)",
            $condition,
            count_up!()
        )
    };
}

const PG_EVENTS: &str = "
    INSERT INTO events (workspace, position, recorded_at, kind, version, report_id, payload, hash)
    SELECT $1, * FROM UNNEST($2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::uuid[], $7::text[], $8::bytea[])";
const PG_BATCHES: &str = pg_batches!("");
/// Moves the head, if it is where the caller thinks it is, and only then appends and counts. What sorts here by
/// batch sorts as in Rust, for the collation is "C".
const PG_FLUSH: &str = concat!(
    "WITH moved AS (UPDATE event_heads SET position = $10, hash = $11
        WHERE workspace = $1 AND position = $12 AND hash = $13 RETURNING 1),
    stored AS (INSERT INTO events (workspace, position, recorded_at, kind, version, report_id, payload, hash)
        SELECT $1, position, $14, $15, $16, report_id, payload, hash
        FROM UNNEST($17::bigint[], $18::uuid[], $19::text[], $20::bytea[]) AS t (position, report_id, payload, hash)
        WHERE EXISTS (SELECT 1 FROM moved)),
    counted AS (",
    pg_batches!(" WHERE EXISTS (SELECT 1 FROM moved)"),
    " RETURNING day, service, step, count)
    SELECT (SELECT COUNT(*) FROM moved), ARRAY(SELECT count FROM counted ORDER BY day, service, step)"
);

/// OR FAIL: what goes wrong ends our transaction anyway, so SQLite need not keep a copy of every page for undoing
/// the one statement.
const SQLITE_EVENTS: &str = "INSERT OR FAIL INTO events (workspace, position, recorded_at, kind, version, report_id, payload, hash) VALUES ";
const SQLITE_BATCHES: &str = "INSERT OR FAIL INTO batches (workspace, day, service, step, count, first_seen, last_seen, last_position, fresh, screenshot_ref) VALUES ";
/// One of the counts that are asked for in one text. Not a join: that would build a table of what is asked, each time.
const SQLITE_COUNT_OF: &str =
    "(SELECT count FROM batches WHERE workspace = ? AND day = ? AND service = ? AND step = ?)";

const PG_BY_ID: &str = "SELECT report_id, recorded_at, payload, kind, version FROM events WHERE workspace = $1 AND report_id = ANY($2::uuid[])";
const SQLITE_BY_ID: &str = "SELECT report_id, recorded_at, payload, kind, version FROM events WHERE workspace = ? AND report_id IN (";

/// The most rows of a statement that exists for every smaller number too.
const ROWS: usize = 64;
/// For long lists, where few statements count.
const MANY_ROWS: usize = 512;

/// SQLite statements by their number of rows.
struct ByRows {
    few: Vec<String>,
    many: String,
}

impl ByRows {
    fn new(of: impl Fn(usize) -> String) -> Self {
        Self {
            few: (1..=ROWS).map(&of).collect(),
            many: of(MANY_ROWS),
        }
    }

    fn get(&self, rows: usize) -> &str {
        if rows == MANY_ROWS {
            &self.many
        } else {
            &self.few[rows - 1]
        }
    }
}

fn values(row: &str, rows: usize) -> String {
    vec![row; rows].join(", ")
}

static SQLITE_APPEND: LazyLock<ByRows> = LazyLock::new(|| {
    ByRows::new(|n| [SQLITE_EVENTS, &values("(?, ?, ?, ?, ?, ?, ?, ?)", n)].concat())
});
/// Every statement is a trip to SQLite's thread and back: those that follow one another anyway go together.
static SQLITE_APPEND_AND_MOVE: LazyLock<ByRows> = LazyLock::new(|| {
    ByRows::new(|n| [SQLITE_APPEND.get(n), "; ", super::log::SQLITE_MOVE_HEAD].concat())
});
static SQLITE_COUNT_UP: LazyLock<ByRows> = LazyLock::new(|| {
    ByRows::new(|n| {
        [
            SQLITE_BATCHES,
            &values("(?, ?, ?, ?, ?, ?, ?, ?, TRUE, ?)", n),
            count_up!(),
        ]
        .concat()
    })
});
static SQLITE_COUNT_UP_AND_ASK: LazyLock<ByRows> = LazyLock::new(|| {
    ByRows::new(|n| {
        [
            SQLITE_COUNT_UP.get(n),
            "; SELECT ",
            &vec![SQLITE_COUNT_OF; n].join(" || ',' || "),
        ]
        .concat()
    })
});
static SQLITE_FIND: LazyLock<ByRows> =
    LazyLock::new(|| ByRows::new(|n| [SQLITE_BY_ID, &values("?", n), ")"].concat()));

/// Cuts a list into runs that have a statement each.
fn runs<T>(mut list: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let rows = if list.len() >= MANY_ROWS {
            MANY_ROWS
        } else {
            list.len().min(ROWS)
        };
        let (run, rest) = list.split_at(rows);
        list = rest;
        (rows > 0).then_some(run)
    })
}

type PgQuery<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind_events<'q>(query: PgQuery<'q>, rows: &'q [NewRow<'_>]) -> PgQuery<'q> {
    query
        .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.at.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.kind).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.version).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.report_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.payload).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|row| row.hash.as_slice())
                .collect::<Vec<_>>(),
        )
}

fn bind_tallies<'q>(query: PgQuery<'q>, tallies: &'q [Tally<'_>]) -> PgQuery<'q> {
    query
        .bind(
            tallies
                .iter()
                .map(|tally| tally.day.to_string())
                .collect::<Vec<_>>(),
        )
        .bind(
            tallies
                .iter()
                .map(|tally| tally.service.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            tallies
                .iter()
                .map(|tally| tally.step.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(tallies.iter().map(|tally| tally.count).collect::<Vec<_>>())
        .bind(
            tallies
                .iter()
                .map(|tally| tally.first_seen.0)
                .collect::<Vec<_>>(),
        )
        .bind(
            tallies
                .iter()
                .map(|tally| tally.last_seen.0)
                .collect::<Vec<_>>(),
        )
        .bind(
            tallies
                .iter()
                .map(|tally| tally.last_position)
                .collect::<Vec<_>>(),
        )
        .bind(
            tallies
                .iter()
                .map(|tally| tally.screenshot_ref.map(drift_schema::Digest::as_str))
                .collect::<Vec<_>>(),
        )
}

/// What a group of reports does to the log.
pub(super) struct Flush<'a> {
    /// The end of the log before it.
    pub(super) from: Head,
    /// All of one kind, version and time.
    pub(super) rows: &'a [NewRow<'a>],
    /// Sorted by batch.
    pub(super) tallies: Vec<Tally<'a>>,
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

impl Database {
    /// The whole flush as one statement that commits by itself. Postgres only; elsewhere the head counts as moved.
    pub(super) async fn flush_at_once(
        &self,
        workspace: &str,
        flush: &Flush<'_>,
    ) -> sqlx::Result<Flushed> {
        match self {
            Self::Postgres { write, .. } => pg_flush(workspace, flush, write).await,
            Self::Sqlite { .. } => Ok(Flushed::HeadMoved),
        }
    }
}

async fn pg_flush<'c>(
    workspace: &str,
    flush: &Flush<'_>,
    on: impl sqlx::Executor<'c, Database = sqlx::Postgres>,
) -> sqlx::Result<Flushed> {
    let Flush {
        from,
        rows,
        tallies,
    } = flush;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(Flushed::Counts(Vec::new()));
    };
    let query = bind_tallies(sqlx::query(PG_FLUSH).bind(workspace), tallies)
        .bind(last.position)
        .bind(last.hash.as_slice())
        .bind(from.position)
        .bind(from.hash.as_slice())
        .bind(first.at.0)
        .bind(first.kind)
        .bind(first.version)
        .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.report_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.payload).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|row| row.hash.as_slice())
                .collect::<Vec<_>>(),
        );
    let row = match query.fetch_one(on).await {
        Ok(row) => row,
        Err(error) => return Flushed::unless_repeated(Err(error)),
    };
    Ok(if row.try_get::<i64, _>(0)? == 1 {
        Flushed::Counts(row.try_get(1)?)
    } else {
        Flushed::HeadMoved
    })
}

impl Session {
    /// Appends rows.
    pub(super) async fn insert_events(
        &mut self,
        workspace: &str,
        rows: &[NewRow<'_>],
    ) -> sqlx::Result<()> {
        match &mut self.0 {
            Kind::Postgres(tx) => {
                bind_events(sqlx::query(PG_EVENTS).bind(workspace), rows)
                    .execute(&mut **tx)
                    .await?;
            }
            Kind::Sqlite(tx) => {
                for run in runs(rows) {
                    let query =
                        sqlite_events(sqlx::query(SQLITE_APPEND.get(run.len())), workspace, run);
                    query.execute(&mut **tx).await?;
                }
            }
        }
        Ok(())
    }

    /// Adds to the counters, making the batches that are new.
    pub(super) async fn count_up(
        &mut self,
        workspace: &str,
        tallies: &[Tally<'_>],
    ) -> sqlx::Result<()> {
        match &mut self.0 {
            Kind::Postgres(tx) => {
                bind_tallies(sqlx::query(PG_BATCHES).bind(workspace), tallies)
                    .execute(&mut **tx)
                    .await?;
            }
            Kind::Sqlite(tx) => {
                for run in runs(tallies) {
                    let query =
                        sqlite_tallies(sqlx::query(SQLITE_COUNT_UP.get(run.len())), workspace, run);
                    query.execute(&mut **tx).await?;
                }
            }
        }
        Ok(())
    }

    /// Appends the rows, adds the tallies, moves the head.
    pub(super) async fn flush(
        &mut self,
        workspace: &str,
        flush: &Flush<'_>,
    ) -> sqlx::Result<Flushed> {
        match &mut self.0 {
            Kind::Postgres(tx) => pg_flush(workspace, flush, &mut **tx).await,
            Kind::Sqlite(tx) => Flushed::unless_repeated(
                sqlite_flush(workspace, flush, tx)
                    .await
                    .map(Flushed::Counts),
            ),
        }
    }

    /// Those of the reports that the log has: id, time, payload, kind, version.
    pub(super) async fn reports_by_id(
        &mut self,
        workspace: &str,
        ids: &[Uuid],
    ) -> sqlx::Result<Vec<Row>> {
        match &mut self.0 {
            Kind::Postgres(tx) => {
                let rows = sqlx::query(PG_BY_ID)
                    .bind(workspace)
                    .bind(ids)
                    .fetch_all(&mut **tx)
                    .await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
            Kind::Sqlite(tx) => {
                let mut found = Vec::new();
                for run in runs(ids) {
                    let query = sqlx::query(SQLITE_FIND.get(run.len())).bind(workspace);
                    let query = run.iter().fold(query, |query, id| query.bind(*id));
                    found.extend(
                        query
                            .fetch_all(&mut **tx)
                            .await?
                            .into_iter()
                            .map(Row::Sqlite),
                    );
                }
                Ok(found)
            }
        }
    }
}

type SqliteQuery<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

async fn sqlite_flush(
    workspace: &str,
    flush: &Flush<'_>,
    tx: &mut sqlx::SqliteConnection,
) -> sqlx::Result<Vec<i64>> {
    for run in runs(flush.rows) {
        let to = &run[run.len() - 1];
        let query = sqlite_events(
            sqlx::query(SQLITE_APPEND_AND_MOVE.get(run.len())),
            workspace,
            run,
        );
        query
            .bind(to.position)
            .bind(to.hash.as_slice())
            .bind(workspace)
            .execute(&mut *tx)
            .await?;
    }
    let mut counts = Vec::with_capacity(flush.tallies.len());
    for run in runs(&flush.tallies) {
        let query = sqlite_tallies(
            sqlx::query(SQLITE_COUNT_UP_AND_ASK.get(run.len())),
            workspace,
            run,
        );
        let query = run.iter().fold(query, |query, tally| {
            query
                .bind(workspace)
                .bind(tally.day.to_string())
                .bind(tally.service.as_str())
                .bind(tally.step.as_str())
        });
        // A lone count is not concatenated and stays a number.
        let row = query.fetch_one(&mut *tx).await?;
        let text: String = row.try_get_unchecked(0)?;
        for count in text.split(',') {
            counts.push(
                count
                    .parse()
                    .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            );
        }
    }
    Ok(counts)
}

fn sqlite_events<'q>(
    query: SqliteQuery<'q>,
    workspace: &'q str,
    run: &'q [NewRow<'_>],
) -> SqliteQuery<'q> {
    run.iter().fold(query, |query, row| {
        query
            .bind(workspace)
            .bind(row.position)
            .bind(row.at.0)
            .bind(row.kind)
            .bind(row.version)
            .bind(row.report_id)
            .bind(row.payload)
            .bind(row.hash.as_slice())
    })
}

fn sqlite_tallies<'q>(
    query: SqliteQuery<'q>,
    workspace: &'q str,
    run: &'q [Tally<'_>],
) -> SqliteQuery<'q> {
    run.iter().fold(query, |query, tally| {
        query
            .bind(workspace)
            .bind(tally.day.to_string())
            .bind(tally.service.as_str())
            .bind(tally.step.as_str())
            .bind(tally.count)
            .bind(tally.first_seen.0)
            .bind(tally.last_seen.0)
            .bind(tally.last_position)
            .bind(tally.screenshot_ref.map(drift_schema::Digest::as_str))
    })
}
