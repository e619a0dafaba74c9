//! Seeds an SQLite file: long transactions of multi-row inserts that do not wait for the disk.

use anyhow::{Context as _, Result};
use sqlx::sqlite::SqliteSynchronous;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{Batch, Event, Head};
use crate::bare;

/// Rows per statement.
const CHUNK: usize = 200;

const HEAD: &str = "SELECT position, hash FROM event_heads WHERE workspace = 'default'";
const SET_HEAD: &str = "
INSERT INTO event_heads (workspace, position, hash) VALUES ('default', $1, $2)
ON CONFLICT (workspace) DO UPDATE SET position = excluded.position, hash = excluded.hash";
const EVENTS: &str = "
INSERT INTO events (position, recorded_at, report_id, payload, hash, workspace, kind, version) VALUES ";
const BATCHES: &str = "
INSERT INTO batches (day, service, step, count, first_seen, last_seen, last_position, workspace, fresh) VALUES ";

pub(super) struct Sqlite(SqliteConnection);

impl Sqlite {
    pub(super) async fn open(path: &str) -> Result<Self> {
        let options = bare::sqlite(path)
            .synchronous(SqliteSynchronous::Off)
            .pragma("cache_size", "-500000");
        Ok(Self(SqliteConnection::connect_with(&options).await?))
    }

    pub(super) async fn head(&mut self) -> Result<Option<Head>> {
        let row: Option<(i64, Vec<u8>)> = sqlx::query_as(HEAD).fetch_optional(&mut self.0).await?;
        let head = |(position, hash): (i64, Vec<u8>)| {
            Ok(Head {
                position,
                hash: hash.try_into().ok().context("the head's hash is not one")?,
            })
        };
        row.map(head).transpose()
    }

    pub(super) async fn day(&mut self, events: &[Event], batches: &[Batch]) -> Result<()> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        for events in events.chunks(CHUNK) {
            let text = bare::values(
                EVENTS,
                events.len(),
                5,
                ", 'default', 'report-received', 1)",
                "",
            );
            let mut insert = sqlx::query(AssertSqlSafe(text));
            for event in events {
                insert = insert
                    .bind(event.position)
                    .bind(event.recorded_at)
                    .bind(event.report_id);
                insert = insert.bind(event.payload.as_str()).bind(&event.hash[..]);
            }
            insert.execute(&mut *transaction).await?;
        }
        for batches in batches.chunks(CHUNK) {
            let text = bare::values(BATCHES, batches.len(), 7, ", 'default', TRUE)", "");
            let mut insert = sqlx::query(AssertSqlSafe(text));
            for batch in batches {
                insert = insert
                    .bind(&*batch.day)
                    .bind(batch.service.as_str())
                    .bind(batch.step.as_str());
                insert = insert
                    .bind(batch.count)
                    .bind(batch.first_seen)
                    .bind(batch.last_seen);
                insert = insert.bind(batch.last_position);
            }
            insert.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    pub(super) async fn finish(mut self, head: &Head) -> Result<()> {
        sqlx::query(SET_HEAD)
            .bind(head.position)
            .bind(&head.hash[..])
            .execute(&mut self.0)
            .await?;
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut self.0)
            .await?;
        Ok(self.0.close().await?)
    }
}
