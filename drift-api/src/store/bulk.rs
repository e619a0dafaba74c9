//! The two statements that carry the load, and the one place where the databases get different text: Postgres
//! unnests arrays, SQLite gets many rows of VALUES, in a few fixed sizes so that each is prepared once.

use std::collections::HashMap;
use std::sync::LazyLock;

use drift_schema::Micros;
use drift_schema::chain::Link;
use uuid::Uuid;

use super::session::{Kind, Row, Session};
use super::tally::{BatchKey, Tallies};

/// A row of `events`, about to be appended.
pub(super) struct NewRow {
    pub(super) position: i64,
    pub(super) at: Micros,
    pub(super) kind: &'static str,
    pub(super) version: i32,
    pub(super) report_id: Option<Uuid>,
    pub(super) payload: String,
    pub(super) hash: Link,
}

const PG_EVENTS: &str = "
    INSERT INTO events (workspace, position, recorded_at, kind, version, report_id, payload, hash)
    SELECT $1, * FROM UNNEST($2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::uuid[], $7::text[], $8::bytea[])
    ON CONFLICT (report_id, workspace) WHERE report_id IS NOT NULL DO NOTHING";

const SQLITE_EVENTS: &str = "
    INSERT INTO events (workspace, position, recorded_at, kind, version, report_id, payload, hash) VALUES ";
const SQLITE_EVENTS_END: &str =
    " ON CONFLICT (report_id, workspace) WHERE report_id IS NOT NULL DO NOTHING";

macro_rules! count_up {
    () => {
        " ON CONFLICT (workspace, day, service, step) DO UPDATE SET
            count = batches.count + excluded.count,
            first_seen = CASE WHEN excluded.first_seen < batches.first_seen THEN excluded.first_seen ELSE batches.first_seen END,
            last_seen = CASE WHEN excluded.last_seen > batches.last_seen THEN excluded.last_seen ELSE batches.last_seen END,
            last_position = excluded.last_position,
            fresh = TRUE,
            screenshot_ref = COALESCE(excluded.screenshot_ref, batches.screenshot_ref)
        RETURNING count"
    };
}

const PG_BATCHES: &str = concat!(
    "INSERT INTO batches (workspace, day, service, step, count, first_seen, last_seen, last_position, fresh, screenshot_ref)
     SELECT $1, day, service, step, count, first_seen, last_seen, last_position, TRUE, screenshot_ref
     FROM UNNEST($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[])
        AS t (day, service, step, count, first_seen, last_seen, last_position, screenshot_ref)",
    count_up!(),
    ", day, service, step"
);

const SQLITE_BATCHES: &str = "INSERT INTO batches (workspace, day, service, step, count, first_seen, last_seen, last_position, fresh, screenshot_ref) VALUES ";
const SQLITE_BATCHES_END: &str = concat!(count_up!(), ", day, service, step");

const PG_BY_ID: &str = "
    SELECT report_id, recorded_at, payload, kind, version FROM events WHERE workspace = $1 AND report_id = ANY($2::uuid[])";
const SQLITE_BY_ID: &str = "SELECT report_id, recorded_at, payload, kind, version FROM events WHERE workspace = ? AND report_id IN (";

/// Row counts for which a statement is kept, largest first.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// `head (?, …), (?, …) tail` for each of the sizes.
fn with_values(head: &str, row: &str, tail: &str) -> [String; 4] {
    SIZES.map(|size| [head, &vec![row; size].join(", "), tail].concat())
}

static SQLITE_EVENTS_OF: LazyLock<[String; 4]> =
    LazyLock::new(|| with_values(SQLITE_EVENTS, "(?, ?, ?, ?, ?, ?, ?, ?)", SQLITE_EVENTS_END));
static SQLITE_BATCHES_OF: LazyLock<[String; 4]> = LazyLock::new(|| {
    with_values(
        SQLITE_BATCHES,
        "(?, ?, ?, ?, ?, ?, ?, ?, TRUE, ?)",
        SQLITE_BATCHES_END,
    )
});

static SQLITE_BY_ID_OF: LazyLock<[String; 4]> =
    LazyLock::new(|| with_values(SQLITE_BY_ID, "?", ")"));

/// Cuts rows into runs that have a statement each.
fn in_sizes<T>(mut rows: &[T]) -> impl Iterator<Item = (usize, &[T])> {
    std::iter::from_fn(move || {
        let which = SIZES.iter().position(|&size| size <= rows.len())?;
        let (run, rest) = rows.split_at(SIZES[which]);
        rows = rest;
        Some((which, run))
    })
}

impl Session {
    /// Appends rows and says how many were new; a `report_id` that the log has already is passed over.
    pub(super) async fn insert_events(
        &mut self,
        workspace: &str,
        rows: &[NewRow],
    ) -> sqlx::Result<u64> {
        match &mut self.0 {
            Kind::Postgres(tx) => {
                let done = sqlx::query(PG_EVENTS)
                    .bind(workspace)
                    .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
                    .bind(rows.iter().map(|row| row.at.0).collect::<Vec<_>>())
                    .bind(rows.iter().map(|row| row.kind).collect::<Vec<_>>())
                    .bind(rows.iter().map(|row| row.version).collect::<Vec<_>>())
                    .bind(rows.iter().map(|row| row.report_id).collect::<Vec<_>>())
                    .bind(
                        rows.iter()
                            .map(|row| row.payload.as_str())
                            .collect::<Vec<_>>(),
                    )
                    .bind(
                        rows.iter()
                            .map(|row| row.hash.as_slice())
                            .collect::<Vec<_>>(),
                    )
                    .execute(&mut **tx)
                    .await?;
                Ok(done.rows_affected())
            }
            Kind::Sqlite(tx) => {
                let mut inserted = 0;
                for (which, run) in in_sizes(rows) {
                    let query = run.iter().fold(
                        sqlx::query(SQLITE_EVENTS_OF[which].as_str()),
                        |query, row| {
                            query
                                .bind(workspace)
                                .bind(row.position)
                                .bind(row.at.0)
                                .bind(row.kind)
                                .bind(row.version)
                                .bind(row.report_id)
                                .bind(row.payload.as_str())
                                .bind(row.hash.as_slice())
                        },
                    );
                    inserted += query.execute(&mut **tx).await?.rows_affected();
                }
                Ok(inserted)
            }
        }
    }

    /// Adds to the counters, making the batches that are new, and answers their counts from now on.
    pub(super) async fn count_up(
        &mut self,
        workspace: &str,
        tallies: &Tallies,
    ) -> sqlx::Result<HashMap<BatchKey, i64>> {
        let tallies: Vec<_> = tallies.iter().collect();
        let mut counted = Vec::with_capacity(tallies.len());
        match &mut self.0 {
            Kind::Postgres(tx) => {
                let rows = sqlx::query(PG_BATCHES)
                    .bind(workspace)
                    .bind(
                        tallies
                            .iter()
                            .map(|(key, _)| key.day.to_string())
                            .collect::<Vec<_>>(),
                    )
                    .bind(
                        tallies
                            .iter()
                            .map(|(key, _)| key.service.as_str())
                            .collect::<Vec<_>>(),
                    )
                    .bind(
                        tallies
                            .iter()
                            .map(|(key, _)| key.step.as_str())
                            .collect::<Vec<_>>(),
                    )
                    .bind(
                        tallies
                            .iter()
                            .map(|(_, tally)| tally.count)
                            .collect::<Vec<_>>(),
                    )
                    .bind(
                        tallies
                            .iter()
                            .map(|(_, tally)| tally.first_seen.0)
                            .collect::<Vec<_>>(),
                    )
                    .bind(
                        tallies
                            .iter()
                            .map(|(_, tally)| tally.last_seen.0)
                            .collect::<Vec<_>>(),
                    )
                    .bind(
                        tallies
                            .iter()
                            .map(|(_, tally)| tally.last_position)
                            .collect::<Vec<_>>(),
                    )
                    .bind(
                        tallies
                            .iter()
                            .map(|(_, tally)| {
                                tally.screenshot_ref.as_ref().map(|digest| digest.as_str())
                            })
                            .collect::<Vec<_>>(),
                    )
                    .fetch_all(&mut **tx)
                    .await?;
                counted.extend(rows.into_iter().map(Row::Postgres));
            }
            Kind::Sqlite(tx) => {
                for (which, run) in in_sizes(&tallies) {
                    let query = run.iter().fold(
                        sqlx::query(SQLITE_BATCHES_OF[which].as_str()),
                        |query, (key, tally)| {
                            query
                                .bind(workspace)
                                .bind(key.day.to_string())
                                .bind(key.service.as_str())
                                .bind(key.step.as_str())
                                .bind(tally.count)
                                .bind(tally.first_seen.0)
                                .bind(tally.last_seen.0)
                                .bind(tally.last_position)
                                .bind(tally.screenshot_ref.as_ref().map(|digest| digest.as_str()))
                        },
                    );
                    counted.extend(
                        query
                            .fetch_all(&mut **tx)
                            .await?
                            .into_iter()
                            .map(Row::Sqlite),
                    );
                }
            }
        }
        counted
            .iter()
            .map(|row| {
                Ok((
                    BatchKey {
                        day: row.word(1)?,
                        service: row.word(2)?,
                        step: row.word(3)?,
                    },
                    row.get(0)?,
                ))
            })
            .collect()
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
                for (which, run) in in_sizes(ids) {
                    let query = sqlx::query(SQLITE_BY_ID_OF[which].as_str()).bind(workspace);
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
