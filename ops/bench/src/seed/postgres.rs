//! Seeds a Postgres database: binary COPY, a day at a time.

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, PgConnection};

use super::{Batch, Event, Head};
use crate::bare::KIND;

const HEAD: &str = "SELECT position, hash FROM event_heads WHERE workspace = 'default'";
const SET_HEAD: &str = "
INSERT INTO event_heads (workspace, position, hash) VALUES ('default', $1, $2)
ON CONFLICT (workspace) DO UPDATE SET position = excluded.position, hash = excluded.hash";
const EVENTS: &str = "
COPY events (workspace, position, recorded_at, kind, version, report_id, payload, hash) FROM STDIN (FORMAT binary)";
const BATCHES: &str = "
COPY batches (workspace, day, service, step, count, first_seen, last_seen, last_position, fresh)
FROM STDIN (FORMAT binary)";

pub(super) struct Postgres(PgConnection);

impl Postgres {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql("SET synchronous_commit = off")
            .execute(&mut connection)
            .await?;
        Ok(Self(connection))
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
        let mut rows = Copy::new();
        for event in events {
            rows.row(8)
                .text("default")
                .long(event.position)
                .long(event.recorded_at)
                .text(KIND);
            rows.field(&1_i32.to_be_bytes())
                .field(event.report_id.as_bytes())
                .text(&event.payload)
                .field(&event.hash);
        }
        self.copy(EVENTS, rows).await?;
        let mut rows = Copy::new();
        for batch in batches {
            rows.row(9)
                .text("default")
                .text(&batch.day)
                .text(&batch.service)
                .text(&batch.step)
                .long(batch.count);
            rows.long(batch.first_seen)
                .long(batch.last_seen)
                .long(batch.last_position)
                .field(&[1]);
        }
        self.copy(BATCHES, rows).await
    }

    async fn copy(&mut self, statement: &str, rows: Copy) -> Result<()> {
        let mut copy = self.0.copy_in_raw(statement).await?;
        copy.send(rows.end()).await?;
        copy.finish().await?;
        Ok(())
    }

    /// Leaves nothing for autovacuum and the checkpointer to do in the middle of a measurement.
    pub(super) async fn finish(mut self, head: &Head) -> Result<()> {
        sqlx::query(SET_HEAD)
            .bind(head.position)
            .bind(&head.hash[..])
            .execute(&mut self.0)
            .await?;
        for statement in [
            "VACUUM (ANALYZE) events",
            "VACUUM (ANALYZE) batches",
            "CHECKPOINT",
        ] {
            sqlx::raw_sql(statement).execute(&mut self.0).await?;
        }
        Ok(self.0.close().await?)
    }
}

/// Rows in Postgres' binary COPY format.
struct Copy(Vec<u8>);

impl Copy {
    fn new() -> Self {
        let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
        // Flags, and the length of an extension: none.
        bytes.extend_from_slice(&[0; 8]);
        Self(bytes)
    }

    fn row(&mut self, fields: i16) -> &mut Self {
        self.0.extend_from_slice(&fields.to_be_bytes());
        self
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.0
            .extend_from_slice(&(bytes.len() as i32).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    fn long(&mut self, value: i64) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&(-1_i16).to_be_bytes());
        self.0
    }
}
