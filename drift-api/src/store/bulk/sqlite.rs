//! SQLite gets many rows of VALUES; each number of rows up to `ROWS` is a text of its own, prepared once. Every text
//! is a trip to SQLite's thread and back, so statements that follow one another anyway go together; and every text or blob
//! that is bound is copied three times on its way, so what is the same in all rows is bound once.

use std::sync::LazyLock;

use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool};
use sqlx::{Row as _, Sqlite};
use uuid::Uuid;

use super::{Fact, Flush, Flushed, NewRow, add_facts, count_up};
use crate::store::session::Row;
use crate::store::tally::Tally;

/// OR FAIL: what goes wrong ends our transaction anyway, so the one statement need not be undone.
const EVENTS: &str = "INSERT OR FAIL INTO events (workspace, position, recorded_at, kind, version, report_id, payload, hash) VALUES ";
const BATCHES: &str = "INSERT OR FAIL INTO batches
    (workspace, day, service, step, count, first_seen, last_seen, last_position, fresh, screenshot_ref) VALUES ";
const MOVE_HEAD: &str = "UPDATE event_heads SET position = ?, hash = ? WHERE workspace = ? AND position = ? AND hash = ? AND lifecycle_at = ?";
const FACTS: &str = "INSERT INTO facts (workspace, service, step, day, fact, value, count) VALUES ";
const BY_ID: &str = "SELECT report_id, recorded_at, payload, kind, version FROM events WHERE workspace = ? AND report_id IN (";

/// The same with the parameters of a whole flush.
const MOVE_HEAD_ON: &str = "UPDATE event_heads SET position = ?7, hash = ?8 WHERE workspace = ?1 AND position = ?2 AND hash = ?9 AND lifecycle_at = ?10";
/// Ends the text there unless the head was moved: a head without a workspace is refused.
const OR_FAIL: &str = "INSERT OR FAIL INTO event_heads (workspace, position, hash) SELECT NULL, 0, x'' WHERE CHANGES() <> 1";
/// Parameters that come before those of the rows.
const AT_ONCE: usize = 10;

/// The most rows of a text that exists for every smaller number too.
const ROWS: usize = 64;
/// For long lists, where few trips count.
const MANY_ROWS: usize = 512;

/// Texts by their number of rows.
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

static APPEND: LazyLock<ByRows> = LazyLock::new(|| {
    ByRows::new(|n| [EVENTS, &join("(?, ?, ?, ?, ?, ?, ?, ?)", ", ", n)].concat())
});
static APPEND_AND_MOVE: LazyLock<ByRows> =
    LazyLock::new(|| ByRows::new(|n| [APPEND.get(n), "; ", MOVE_HEAD].concat()));
static COUNT_UP: LazyLock<ByRows> = LazyLock::new(|| {
    ByRows::new(|n| {
        let rows = join("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ", ", n);
        [BATCHES, &rows, count_up!()].concat()
    })
});
static COUNT_UP_AND_JOIN: LazyLock<ByRows> = LazyLock::new(|| {
    ByRows::new(|n| {
        let asked: Vec<String> = (0..n).map(|i| format!("({i}, ?, ?, ?)")).collect();
        [
            COUNT_UP.get(n),
            "; SELECT GROUP_CONCAT(count) FROM (WITH asked (n, day, service, step) AS (VALUES ",
            &asked.join(", "),
            ") SELECT count FROM asked CROSS JOIN batches
            WHERE batches.workspace = ? AND batches.day = asked.day AND batches.service = asked.service
                AND batches.step = asked.step ORDER BY n)",
        ]
        .concat()
    })
});
/// A whole flush in one trip: so many events, and as many counters. Its numbered parameters are those of `bind_flush`.
static FLUSH: LazyLock<ByRows> = LazyLock::new(|| {
    ByRows::new(|n| {
        let parameters = |at: usize| AT_ONCE + at + 1;
        let events: Vec<String> = (0..n)
            .map(|i| {
                let [id, payload, hash] = [0, 1, 2].map(|column| parameters(3 * i + column));
                format!("(?1, ?2 + {i} + 1, ?3, ?4, ?5, ?{id}, ?{payload}, ?{hash})")
            })
            .collect();
        let tallies: Vec<String> = (0..n)
            .map(|i| {
                let [service, step, count, position, fresh, picture] =
                    [0, 1, 2, 3, 4, 5].map(|column| parameters(3 * n + 6 * i + column));
                format!("(?1, ?6, ?{service}, ?{step}, ?{count}, ?3, ?3, ?{position}, ?{fresh}, ?{picture})")
            })
            .collect();
        let events = events.join(", ");
        let tallies = tallies.join(", ");
        let counted = count_up!(no news);
        format!(
            "BEGIN IMMEDIATE; {EVENTS}{events}; {MOVE_HEAD_ON}; {OR_FAIL}; {BATCHES}{tallies}{counted}; COMMIT"
        )
    })
});
static ADD_FACTS: LazyLock<ByRows> = LazyLock::new(|| {
    ByRows::new(|n| {
        let rows: Vec<String> = (0..n)
            .map(|i| {
                let [service, step, day, fact, value, by] =
                    [2, 3, 4, 5, 6, 7].map(|column| 6 * i + column);
                format!("(?1, ?{service}, ?{step}, ?{day}, ?{fact}, ?{value}, ?{by})")
            })
            .collect();
        [FACTS, &rows.join(", "), add_facts!()].concat()
    })
});
static FIND: LazyLock<ByRows> =
    LazyLock::new(|| ByRows::new(|n| [BY_ID, &join("?", ", ", n), ")"].concat()));

fn join(one: &str, between: &str, times: usize) -> String {
    vec![one; times].join(between)
}

/// Cuts a list into runs that have a text each.
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

type SqliteQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

/// A connection in the middle of a transaction that sqlx knows nothing of. Dropped there, it is closed, which rolls
/// back; nobody else gets it from the pool.
struct InTransaction {
    connection: PoolConnection<Sqlite>,
    open: bool,
}

impl Drop for InTransaction {
    fn drop(&mut self) {
        if self.open {
            self.connection.close_on_drop();
        }
    }
}

impl InTransaction {
    async fn roll_back(mut self) -> sqlx::Result<()> {
        sqlx::query("ROLLBACK")
            .execute(&mut *self.connection)
            .await?;
        self.open = false;
        Ok(())
    }
}

/// One trip, where the counters are known. A flush of more rows than a text has takes the long way, where trips hardly count.
pub(super) async fn flush_at_once(
    workspace: &str,
    flush: &Flush<'_>,
    pool: &SqlitePool,
) -> sqlx::Result<Flushed> {
    let rows = flush.rows.len();
    let Some(known) = flush.known.as_ref().filter(|_| rows > 0 && rows <= ROWS) else {
        return Ok(Flushed::HeadMoved);
    };
    let mut transaction = InTransaction {
        connection: pool.acquire().await?,
        open: true,
    };
    let query = bind_flush(sqlx::query(FLUSH.get(rows)), workspace, flush);
    let Err(error) = query.execute(&mut *transaction.connection).await else {
        transaction.open = false;
        let counts = known.iter().zip(&flush.tallies);
        return Ok(Flushed::Counts(
            counts.map(|(count, tally)| count + tally.count).collect(),
        ));
    };
    let refused = match constraint(&error).as_deref() {
        // Of the index over the ids.
        Some("2067") => Ok(Flushed::Repeated),
        // Of the primary key: somebody else's event stands there. Or of the head, which stands somewhere else.
        Some("1555" | "1299") => Ok(Flushed::HeadMoved),
        _ => Err(error),
    };
    // Where BEGIN was what failed there is nothing to roll back, and the connection goes.
    let rolled_back = transaction.roll_back().await;
    refused.and_then(|refused| rolled_back.map(|()| refused))
}

fn constraint(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Within a transaction that holds the head.
pub(super) async fn flush(
    workspace: &str,
    flush: &Flush<'_>,
    tx: &mut SqliteConnection,
) -> sqlx::Result<Vec<i64>> {
    let mut from = flush.from;
    for run in runs(flush.rows) {
        let part = Flush {
            from,
            rows: run,
            tallies: Vec::new(),
            known: None,
        };
        let query = sqlx::query(APPEND_AND_MOVE.get(run.len()));
        bind_append(query, workspace, &part, run)
            .execute(&mut *tx)
            .await?;
        from.position = run[run.len() - 1].position;
        from.hash = run[run.len() - 1].hash;
    }
    let mut counts = Vec::with_capacity(flush.tallies.len());
    for run in runs(&flush.tallies) {
        let query = sqlx::query(COUNT_UP_AND_JOIN.get(run.len()));
        let query = bind_tallies(query, workspace, run);
        let query = run.iter().fold(query, bind_batch);
        let row = query.bind(workspace).fetch_one(&mut *tx).await?;
        read_counts(&row, &mut counts)?;
    }
    Ok(counts)
}

pub(super) async fn insert_events(
    workspace: &str,
    rows: &[NewRow<'_>],
    tx: &mut SqliteConnection,
) -> sqlx::Result<()> {
    for run in runs(rows) {
        let query = bind_events(sqlx::query(APPEND.get(run.len())), workspace, run);
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

pub(super) async fn count_up(
    workspace: &str,
    tallies: &[Tally<'_>],
    tx: &mut SqliteConnection,
) -> sqlx::Result<()> {
    for run in runs(tallies) {
        let text = COUNT_UP.get(run.len());
        let query = bind_tallies(sqlx::query(text), workspace, run);
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

pub(super) async fn add_facts(
    workspace: &str,
    facts: &[Fact<'_>],
    tx: &mut SqliteConnection,
) -> sqlx::Result<()> {
    for run in runs(facts) {
        let query = sqlx::query(ADD_FACTS.get(run.len())).bind(workspace);
        let query = run.iter().fold(query, |query, fact| {
            query
                .bind(fact.service.as_str())
                .bind(fact.step.as_str())
                .bind(fact.day.as_str())
                .bind(fact.fact)
                .bind(fact.value)
                .bind(fact.by)
        });
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

pub(super) async fn reports_by_id(
    workspace: &str,
    ids: &[Uuid],
    tx: &mut SqliteConnection,
) -> sqlx::Result<Vec<Row>> {
    let mut found = Vec::new();
    for run in runs(ids) {
        let query = sqlx::query(FIND.get(run.len())).bind(workspace);
        let query = run.iter().fold(query, |query, id| query.bind(*id));
        let rows = query.fetch_all(&mut *tx).await?;
        found.extend(rows.into_iter().map(Row::Sqlite));
    }
    Ok(found)
}

/// Each parameter has its number in `FLUSH`. There are as many counters as events: of fewer the last one stands there again,
/// with nothing to add.
fn bind_flush<'q>(
    query: SqliteQuery<'q>,
    workspace: &'q str,
    flush: &'q Flush<'_>,
) -> SqliteQuery<'q> {
    let (from, rows) = (&flush.from, flush.rows);
    let (Some(last), Some(tally)) = (rows.last(), flush.tallies.last()) else {
        return query;
    };
    let query = query
        .bind(workspace)
        .bind(from.position)
        .bind(last.at.0)
        .bind(last.kind)
        .bind(last.version)
        .bind(tally.day.to_string())
        .bind(last.position)
        .bind(last.hash.as_slice())
        .bind(from.hash.as_slice())
        .bind(from.lifecycle_at);
    let query = rows.iter().fold(query, |query, row| {
        query
            .bind(row.report_id)
            .bind(row.payload)
            .bind(row.hash.as_slice())
    });
    let nothing = Tally { count: 0, ..*tally };
    let tallies = flush
        .tallies
        .iter()
        .copied()
        .chain(std::iter::repeat(nothing));
    tallies.take(rows.len()).fold(query, |query, tally| {
        query
            .bind(tally.service.as_str())
            .bind(tally.step.as_str())
            .bind(tally.count)
            .bind(tally.last_position)
            .bind(tally.fresh)
            .bind(tally.screenshot_ref.map(drift_schema::Digest::as_str))
    })
}

fn bind_append<'q>(
    query: SqliteQuery<'q>,
    workspace: &'q str,
    flush: &'q Flush<'_>,
    run: &'q [NewRow<'_>],
) -> SqliteQuery<'q> {
    let query = bind_events(query, workspace, run);
    match run.last() {
        Some(to) => query.bind(to.position).bind(to.hash.to_vec()),
        None => query,
    }
    .bind(workspace)
    .bind(flush.from.position)
    .bind(flush.from.hash.to_vec())
    .bind(flush.from.lifecycle_at)
}

fn bind_events<'q>(
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

fn bind_tallies<'q>(
    query: SqliteQuery<'q>,
    workspace: &'q str,
    run: &'q [Tally<'_>],
) -> SqliteQuery<'q> {
    run.iter().fold(query, |query, tally| {
        bind_batch(query.bind(workspace), tally)
            .bind(tally.count)
            .bind(tally.first_seen.0)
            .bind(tally.last_seen.0)
            .bind(tally.last_position)
            .bind(tally.fresh)
            .bind(tally.screenshot_ref.map(drift_schema::Digest::as_str))
    })
}

fn bind_batch<'q>(query: SqliteQuery<'q>, tally: &'q Tally<'_>) -> SqliteQuery<'q> {
    query
        .bind(tally.day.to_string())
        .bind(tally.service.as_str())
        .bind(tally.step.as_str())
}

fn read_counts(row: &sqlx::sqlite::SqliteRow, counts: &mut Vec<i64>) -> sqlx::Result<()> {
    // A lone count is not concatenated and stays a number.
    let text: String = row.try_get_unchecked(0)?;
    for count in text.split(',') {
        let count = count
            .parse()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        counts.push(count);
    }
    Ok(())
}
