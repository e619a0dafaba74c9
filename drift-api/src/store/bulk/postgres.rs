//! Postgres takes arrays, and does a whole flush in one statement.

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{Executor, Postgres, Row as _};
use uuid::Uuid;

use super::{Fact, Flush, Flushed, NewRow, add_facts, count_up};
use crate::store::session::Row;
use crate::store::tally::Tally;

const EVENTS: &str = "
    INSERT INTO events (workspace, position, recorded_at, kind, version, report_id, payload, hash)
    SELECT $1, * FROM UNNEST($2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::uuid[], $7::text[], $8::bytea[])";

macro_rules! batches {
    ($condition:literal) => {
        concat!(
            "INSERT INTO batches (workspace, day, service, step, count, first_seen, last_seen, last_position, fresh, screenshot_ref)
             SELECT $1, day, service, step, count, first_seen, last_seen, last_position, fresh, screenshot_ref
             FROM UNNEST($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::boolean[], $10::text[])
                AS t (day, service, step, count, first_seen, last_seen, last_position, fresh, screenshot_ref)",
            $condition,
            count_up!()
        )
    };
}

const BATCHES: &str = batches!("");

/// Moves the head, if it is where the caller thinks it is, and only then appends and counts. What sorts here by
/// batch sorts as in Rust, for the collation is "C".
const FLUSH: &str = concat!(
    "WITH moved AS (UPDATE event_heads SET position = $11, hash = $12
        WHERE workspace = $1 AND position = $13 AND hash = $14 AND lifecycle_at = $22 RETURNING 1),
    stored AS (INSERT INTO events (workspace, position, recorded_at, kind, version, report_id, payload, hash)
        SELECT $1, position, $15, $16, $17, report_id, payload, hash
        FROM UNNEST($18::bigint[], $19::uuid[], $20::text[], $21::bytea[]) AS t (position, report_id, payload, hash)
        WHERE EXISTS (SELECT 1 FROM moved)),
    counted AS (",
    batches!(" WHERE EXISTS (SELECT 1 FROM moved)"),
    " RETURNING day, service, step, count)
    SELECT (SELECT COUNT(*) FROM moved), ARRAY(SELECT count FROM counted ORDER BY day, service, step)"
);

const ADD_FACTS: &str = concat!(
    "INSERT INTO facts (workspace, service, step, day, fact, value, count)
     SELECT $1, * FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])",
    add_facts!()
);

const BY_ID: &str = "
    SELECT report_id, recorded_at, payload, kind, version FROM events WHERE workspace = $1 AND report_id = ANY($2::uuid[])";

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// In a transaction, or on a pool as one of its own.
pub(super) async fn flush<'c>(
    workspace: &str,
    flush: &Flush<'_>,
    on: impl Executor<'c, Database = Postgres>,
) -> sqlx::Result<Flushed> {
    let Flush {
        from,
        rows,
        tallies,
        known: _,
    } = flush;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(Flushed::Counts(Vec::new()));
    };
    let query = bind_tallies(sqlx::query(FLUSH).bind(workspace), tallies)
        .bind(last.position)
        .bind(last.hash.as_slice())
        .bind(from.position)
        .bind(from.hash.as_slice())
        .bind(first.at.0)
        .bind(first.kind)
        .bind(first.version)
        .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>());
    let query = bind_contents(query, rows).bind(from.lifecycle_at);
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

pub(super) async fn insert_events(
    workspace: &str,
    rows: &[NewRow<'_>],
    tx: &mut PgConnection,
) -> sqlx::Result<()> {
    let query = sqlx::query(EVENTS)
        .bind(workspace)
        .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.at.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.kind).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.version).collect::<Vec<_>>());
    bind_contents(query, rows).execute(tx).await?;
    Ok(())
}

pub(super) async fn count_up(
    workspace: &str,
    tallies: &[Tally<'_>],
    tx: &mut PgConnection,
) -> sqlx::Result<()> {
    bind_tallies(sqlx::query(BATCHES).bind(workspace), tallies)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn add_facts(
    workspace: &str,
    facts: &[Fact<'_>],
    tx: &mut PgConnection,
) -> sqlx::Result<()> {
    macro_rules! column {
        ($of:expr) => {
            facts.iter().map($of).collect::<Vec<_>>()
        };
    }
    sqlx::query(ADD_FACTS)
        .bind(workspace)
        .bind(column!(|fact| fact.service.as_str()))
        .bind(column!(|fact| fact.step.as_str()))
        .bind(column!(|fact| fact.day.as_str()))
        .bind(column!(|fact| fact.fact))
        .bind(column!(|fact| fact.value))
        .bind(column!(|fact| fact.by))
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn reports_by_id(
    workspace: &str,
    ids: &[Uuid],
    tx: &mut PgConnection,
) -> sqlx::Result<Vec<Row>> {
    let query = sqlx::query(BY_ID).bind(workspace).bind(ids);
    let rows = query.fetch_all(tx).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// The last three columns of an event.
fn bind_contents<'q>(query: PgQuery<'q>, rows: &'q [NewRow<'_>]) -> PgQuery<'q> {
    query
        .bind(rows.iter().map(|row| row.report_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.payload).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|row| row.hash.as_slice())
                .collect::<Vec<_>>(),
        )
}

/// Parameters $2 to $10.
fn bind_tallies<'q>(query: PgQuery<'q>, tallies: &'q [Tally<'_>]) -> PgQuery<'q> {
    macro_rules! column {
        ($of:expr) => {
            tallies.iter().map($of).collect::<Vec<_>>()
        };
    }
    query
        .bind(column!(|tally| tally.day.to_string()))
        .bind(column!(|tally| tally.service.as_str()))
        .bind(column!(|tally| tally.step.as_str()))
        .bind(column!(|tally| tally.count))
        .bind(column!(|tally| tally.first_seen.0))
        .bind(column!(|tally| tally.last_seen.0))
        .bind(column!(|tally| tally.last_position))
        .bind(column!(|tally| tally.fresh))
        .bind(column!(|tally| tally
            .screenshot_ref
            .map(drift_schema::Digest::as_str)))
}
