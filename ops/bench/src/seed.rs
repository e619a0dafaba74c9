//! Fills a store with a log that is valid down to its last link, and with the counters that it adds up to, much
//! faster than reports could come in: `verify` finds nothing, and the server goes on where this stops.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use drift_schema::chain::{self, Covered, Link};
use drift_schema::{Micros, Workspace};
use sqlx::sqlite::SqliteSynchronous;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::bare::{self, KIND};
use crate::corpus::{Corpus, DRIFTS};
use crate::random::{Random, now_micros, v7_at};
use crate::seed::postgres::Postgres;
use crate::seed::sqlite::Sqlite;

mod postgres;
mod sqlite;

const DAY: i64 = 86_400_000_000;
/// Sixteen zeros at this place of every payload of the corpus give way to the salt.
const SALT: &str = "\"salt\":\"0000000000000000\"";

pub struct Event {
    pub position: i64,
    pub recorded_at: i64,
    pub report_id: Uuid,
    pub payload: String,
    pub hash: Link,
}

pub struct Batch {
    pub day: Arc<str>,
    pub service: String,
    pub step: String,
    pub count: i64,
    pub first_seen: i64,
    pub last_seen: i64,
    pub last_position: i64,
}

/// The last link of the log, as the head row keeps it.
pub struct Head {
    pub position: i64,
    pub hash: Link,
}

enum Sink {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// As if runners had looked at everything that was reported, and its kinds, versions, hosts and digests were counted: on each day one
/// of each, of some thirty versions and a dozen digests. The runners' events are not in the log, so `verify` would object.
pub async fn handle_all(url: &str) -> Result<()> {
    const HANDLE: [&str; 4] = [
        "UPDATE batches SET fresh = FALSE WHERE fresh",
        "INSERT INTO facts (workspace, service, step, day, fact, value, count)
        SELECT workspace, service, step, day, fact, CASE fact
            WHEN 'version' THEN '4.' || substr(day, 4, 1) || '.' || substr(day, 10, 1)
            WHEN 'digest' THEN substr(day, 6, 2) || value
            ELSE value END, count
        FROM batches CROSS JOIN (
            SELECT 'kind' AS fact, 'selector-missing' AS value UNION ALL SELECT 'version', '' UNION ALL SELECT 'host', 'platform.example.com'
            UNION ALL SELECT 'digest', 'abababababababababababababababababababababababababababababab') AS said
        ORDER BY workspace, service, step, day, fact",
        "INSERT INTO facts (workspace, service, step, day, fact, value, count)
        SELECT workspace, service, step, '', fact, value, SUM(count) FROM facts GROUP BY workspace, service, step, fact, value",
        "INSERT INTO fact_cursors (workspace, position) SELECT workspace, position FROM event_heads WHERE TRUE
        ON CONFLICT (workspace) DO UPDATE SET position = excluded.position",
    ];
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let options = bare::sqlite(path)
                .synchronous(SqliteSynchronous::Off)
                .pragma("cache_size", "-500000");
            let mut store = SqliteConnection::connect_with(&options).await?;
            for statement in HANDLE {
                sqlx::query(statement).execute(&mut store).await?;
            }
            sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(&mut store)
                .await?;
            store.close().await?;
        }
        None => {
            let mut store = PgConnection::connect(url).await?;
            for statement in HANDLE {
                sqlx::query(statement).execute(&mut store).await?;
            }
            for statement in [
                "VACUUM (ANALYZE) batches",
                "VACUUM (ANALYZE) facts",
                "CHECKPOINT",
            ] {
                sqlx::raw_sql(statement).execute(&mut store).await?;
            }
            store.close().await?;
        }
    }
    Ok(())
}

/// The day before which the server has added up all days.
pub async fn closed_before(url: &str) -> Result<Option<String>> {
    const CLOSED: &str = "SELECT day FROM batch_total_cursors";
    Ok(match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut store = SqliteConnection::connect_with(&bare::sqlite(path)).await?;
            let day = sqlx::query_scalar(CLOSED).fetch_optional(&mut store).await;
            store.close().await?;
            day?
        }
        None => {
            let mut store = PgConnection::connect(url).await?;
            let day = sqlx::query_scalar(CLOSED).fetch_optional(&mut store).await;
            store.close().await?;
            day?
        }
    })
}

/// Spreads `events` evenly over the drifts of the corpus and as many whole days before today as it takes to make
/// `batches` of them.
pub async fn fill(url: &str, events: u64, batches: u64) -> Result<()> {
    let drifts = DRIFTS.min(usize::try_from(batches)?);
    ensure!(
        drifts > 0 && events >= batches,
        "there cannot be more batches than events"
    );
    let (days, events) = (
        i64::try_from(batches)? / drifts as i64,
        i64::try_from(events)?,
    );
    let mut sink = match url.strip_prefix("sqlite://") {
        Some(path) => Sink::Sqlite(Sqlite::open(path).await?),
        None => Sink::Postgres(Postgres::open(url).await?),
    };
    let head = match &mut sink {
        Sink::Sqlite(sink) => sink.head().await?,
        Sink::Postgres(sink) => sink.head().await?,
    };
    let mut log = Log::continuing(head, Corpus::new(drifts, 4)?)?;
    let begun = Instant::now();
    let today = now_micros() / DAY * DAY;
    for day in 0..days {
        let first = events * day / days;
        let todays = log.day(
            today - (days - day) * DAY,
            events * (day + 1) / days - first,
        );
        match &mut sink {
            Sink::Sqlite(sink) => sink.day(&todays.0, &todays.1).await?,
            Sink::Postgres(sink) => sink.day(&todays.0, &todays.1).await?,
        }
        if (day + 1) % (days / 4).max(1) == 0 {
            eprintln!(
                "  {} events seeded in {:.0} s",
                log.head.position,
                begun.elapsed().as_secs_f64()
            );
        }
    }
    match sink {
        Sink::Sqlite(sink) => sink.finish(&log.head).await,
        Sink::Postgres(sink) => sink.finish(&log.head).await,
    }
}

/// The log as it grows.
struct Log {
    corpus: Corpus,
    head: Head,
    /// Where the salt stands in the payload of each sample.
    salts: Vec<usize>,
    random: Random,
}

impl Log {
    fn continuing(head: Option<Head>, corpus: Corpus) -> Result<Self> {
        let salt = |payload: &str| Some(payload.find(SALT)? + SALT.len() - 17);
        let salts = corpus
            .samples
            .iter()
            .map(|sample| salt(&sample.payload).context("no salt in a payload"));
        let salts = salts.collect::<Result<_>>()?;
        let head = head.unwrap_or_else(|| Head {
            position: 0,
            hash: chain::genesis(&Workspace::default_one()),
        });
        Ok(Self {
            corpus,
            head,
            salts,
            random: Random::stream(3),
        })
    }

    fn day(&mut self, midnight: i64, events: i64) -> (Vec<Event>, Vec<Batch>) {
        let day: Arc<str> = Micros(midnight).day().to_string().into();
        let mut batches: Vec<Option<Batch>> = Vec::new();
        batches.resize_with(self.corpus.drifts, || None);
        let todays = (0..events).map(|number| {
            let event = self.event(midnight + number * (DAY / events.max(1)), number as usize);
            let drift = number as usize % self.corpus.drifts;
            let batch = batches[drift].get_or_insert_with(|| Batch {
                day: Arc::clone(&day),
                service: self.corpus.service(drift).to_string(),
                step: self.corpus.step(drift).to_owned(),
                count: 0,
                first_seen: event.recorded_at,
                last_seen: 0,
                last_position: 0,
            });
            batch.count += 1;
            batch.last_seen = event.recorded_at;
            batch.last_position = event.position;
            event
        });
        (todays.collect(), batches.into_iter().flatten().collect())
    }

    fn event(&mut self, recorded_at: i64, number: usize) -> Event {
        let index = number % self.corpus.samples.len();
        let mut payload = self.corpus.samples[index].payload.clone();
        let at = self.salts[index];
        payload.replace_range(at..at + 16, &hex::encode(self.random.bytes::<8>()));
        let position = self.head.position + 1;
        let report_id = v7_at(recorded_at / 1000, &mut self.random);
        let covered = Covered {
            position,
            recorded_at: Micros(recorded_at),
            kind: KIND,
            version: 1,
            report_id: Some(report_id),
            payload_hash: &chain::payload_hash(&payload),
        };
        let hash = chain::link(&self.head.hash, covered);
        self.head = Head { position, hash };
        Event {
            position,
            recorded_at,
            report_id,
            payload,
            hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use drift_schema::Event as DomainEvent;

    use super::*;

    #[test]
    fn a_seeded_day_is_a_chain_that_adds_up() {
        let mut log = Log::continuing(None, Corpus::new(10, 4).unwrap()).unwrap();
        let (events, batches) = log.day(20_000 * DAY, 95);
        let mut before = chain::genesis(&Workspace::default_one());
        for event in &events {
            let decoded = DomainEvent::decode(KIND, 1, &event.payload).unwrap();
            assert_eq!(decoded.encode().unwrap(), event.payload);
            let covered = Covered {
                position: event.position,
                recorded_at: Micros(event.recorded_at),
                kind: KIND,
                version: 1,
                report_id: Some(event.report_id),
                payload_hash: &chain::payload_hash(&event.payload),
            };
            before = chain::link(&before, covered);
            assert_eq!(before, event.hash);
        }
        assert_eq!((log.head.position, log.head.hash), (95, before));
        assert_eq!(
            (
                batches.len(),
                batches.iter().map(|batch| batch.count).sum::<i64>()
            ),
            (10, 95)
        );
        assert!(batches.iter().all(|batch| *batch.day == *"2024-10-04"));
    }
}
