//! Bare tables: the columns of the log and of the counters, with a primary key on the position, a unique report
//! id, and nothing else. What can be written into these per second is what the disk and the database allow.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use crate::bare::statements::{
    DAY, ONE_BATCH, ONE_EVENT, POSTGRES_BATCHES, POSTGRES_EVENTS, POSTGRES_TABLES, SQLITE_BATCHES,
    SQLITE_COUNT, SQLITE_EVENTS, SQLITE_TABLES,
};
use crate::corpus::Sample;

mod statements;

pub const KIND: &str = "report-received";

/// One row of the log.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    pub position: i64,
    pub recorded_at: i64,
    pub report_id: Uuid,
    pub sample: &'a Sample,
    pub hash: [u8; 32],
}

/// What a transaction adds to one counter.
#[derive(Debug, Clone)]
pub struct Count<'a> {
    pub sample: &'a Sample,
    pub count: i64,
    pub last_seen: i64,
    pub last_position: i64,
}

#[derive(Debug, Clone)]
pub enum Bare {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Bare {
    /// Opens a pool whose commits are durable. SQLite has one writer at a time, so there it is one connection.
    pub async fn open(url: &str, connections: u32) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            let options = sqlite(path).synchronous(SqliteSynchronous::Full);
            return Ok(Self::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(1)
                    .connect_with(options)
                    .await?,
            ));
        }
        let options: PgConnectOptions = url.parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .min_connections(connections);
        Ok(Self::Postgres(
            pool.acquire_timeout(Duration::from_secs(60))
                .connect_with(options)
                .await?,
        ))
    }

    pub async fn create_tables(&self) -> Result<()> {
        match self {
            Self::Sqlite(pool) => sqlx::raw_sql(SQLITE_TABLES).execute(pool).await.map(|_| ()),
            Self::Postgres(pool) => sqlx::raw_sql(POSTGRES_TABLES)
                .execute(pool)
                .await
                .map(|_| ()),
        }
        .map_err(Into::into)
    }

    /// One transaction with many rows: the fastest statement that each database has for it.
    pub async fn insert_many(&self, events: &[Event<'_>], counts: &[Count<'_>]) -> Result<()> {
        match self {
            Self::Sqlite(pool) => {
                let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                for events in events.chunks(100) {
                    let text = values(
                        SQLITE_EVENTS,
                        events.len(),
                        5,
                        ", 'default', 'report-received', 1, NULL)",
                        "",
                    );
                    let mut insert = sqlx::query(AssertSqlSafe(text));
                    for event in events {
                        insert = insert
                            .bind(event.position)
                            .bind(event.recorded_at)
                            .bind(event.report_id);
                        insert = insert
                            .bind(event.sample.payload.as_str())
                            .bind(&event.hash[..]);
                    }
                    insert.execute(&mut *transaction).await?;
                }
                for counts in counts.chunks(100) {
                    let text = values(
                        SQLITE_BATCHES,
                        counts.len(),
                        6,
                        ", 'default', '2026-01-01', TRUE)",
                        SQLITE_COUNT,
                    );
                    let mut upsert = sqlx::query(AssertSqlSafe(text));
                    for count in counts {
                        let report = &count.sample.report;
                        upsert = upsert
                            .bind(report.service.as_str())
                            .bind(report.tripwire.step.as_str());
                        upsert = upsert
                            .bind(count.count)
                            .bind(count.last_seen)
                            .bind(count.last_seen);
                        upsert = upsert.bind(count.last_position);
                    }
                    upsert.execute(&mut *transaction).await?;
                }
                Ok(transaction.commit().await?)
            }
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                sqlx::query(POSTGRES_EVENTS)
                    .bind(KIND)
                    .bind(column(events, |event| event.position))
                    .bind(column(events, |event| event.recorded_at))
                    .bind(column(events, |event| event.report_id))
                    .bind(column(events, |event| event.sample.payload.as_str()))
                    .bind(column(events, |event| &event.hash[..]))
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query(POSTGRES_BATCHES)
                    .bind(DAY)
                    .bind(column(counts, |count| count.sample.report.service.as_str()))
                    .bind(column(counts, |count| {
                        count.sample.report.tripwire.step.as_str()
                    }))
                    .bind(column(counts, |count| count.count))
                    .bind(column(counts, |count| count.last_seen))
                    .bind(column(counts, |count| count.last_position))
                    .execute(&mut *transaction)
                    .await?;
                Ok(transaction.commit().await?)
            }
        }
    }

    /// One row alone, durably: what a bare commit costs.
    pub async fn insert_event(&self, event: &Event<'_>) -> Result<()> {
        let text = event.sample.payload.as_str();
        match self {
            Self::Sqlite(pool) => {
                one_event(event.recorded_at, event.report_id, text, &event.hash)
                    .execute(pool)
                    .await?;
            }
            Self::Postgres(pool) => {
                one_event(event.recorded_at, event.report_id, text, &event.hash)
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }

    /// The one-transaction-per-request variant. Returns the batch's new count.
    pub async fn insert_report(
        &self,
        at: i64,
        id: Uuid,
        (service, step, payload): (&str, &str, &str),
        hash: &[u8],
    ) -> Result<i64> {
        macro_rules! in_one_transaction {
            ($transaction:expr) => {{
                let mut transaction = $transaction;
                let position: i64 = one_event(at, id, payload, hash)
                    .fetch_one(&mut *transaction)
                    .await?
                    .get(0);
                let count = sqlx::query(ONE_BATCH)
                    .bind(DAY)
                    .bind(service)
                    .bind(step)
                    .bind(at)
                    .bind(position);
                let count = count.fetch_one(&mut *transaction).await?.get(0);
                transaction.commit().await?;
                Ok(count)
            }};
        }
        match self {
            Self::Sqlite(pool) => in_one_transaction!(pool.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => in_one_transaction!(pool.begin().await?),
        }
    }

    pub async fn close(self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

pub fn sqlite(path: &str) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(60))
}

fn one_event<'q, DB>(
    at: i64,
    id: Uuid,
    payload: &'q str,
    hash: &'q [u8],
) -> sqlx::query::Query<'q, DB, DB::Arguments>
where
    DB: sqlx::Database,
    i64: sqlx::Encode<'q, DB> + sqlx::Type<DB>,
    Uuid: sqlx::Encode<'q, DB> + sqlx::Type<DB>,
    &'q str: sqlx::Encode<'q, DB> + sqlx::Type<DB>,
    &'q [u8]: sqlx::Encode<'q, DB> + sqlx::Type<DB>,
{
    sqlx::query(ONE_EVENT)
        .bind(at)
        .bind(KIND)
        .bind(id)
        .bind(payload)
        .bind(hash)
}

fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// A multi-row `VALUES` with `columns` parameters in each row.
pub fn values(head: &str, rows: usize, columns: usize, constants: &str, tail: &str) -> Arc<str> {
    let parameters = vec!["?"; columns].join(",");
    let row = format!("({parameters}{constants}");
    (head.to_owned() + &vec![row; rows].join(",") + tail).into()
}
