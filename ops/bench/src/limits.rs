//! The limits that everything is held against, measured on this machine in this run: H (parse and answer), D
//! (bare durable bulk insert), what both together allow, and a bare commit.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bare::{Bare, Count, Event};
use crate::corpus::Corpus;
use crate::database::{Place, Store};
use crate::histogram::Histogram;
use crate::load::{Cpu, Load, Outcome, Watch};
use crate::options::Common;
use crate::random::{Ids, Random, now_micros};
use crate::server::Server;
use crate::traffic::Reports;

/// Rows per transaction of D.
const BULK: usize = 1000;

/// H: the same HTTP server, parser and answer, without a store.
pub async fn parse_only(
    common: &Common,
    corpus: &Corpus,
    directory: &std::path::Path,
) -> Result<Outcome> {
    let server = Server::stand_in(&["h-server"], directory)?;
    let outcome = saturate(common, &server, corpus, "none", None)
        .await?
        .clean("H")?;
    server.stop()?;
    Ok(outcome)
}

/// One transaction per request, on the bare tables.
pub async fn transaction_per_request(
    common: &Common,
    corpus: &Corpus,
    store: &Store,
    database: Option<u32>,
) -> Result<Outcome> {
    let bare = Bare::open(&store.url, 1).await?;
    bare.create_tables().await?;
    bare.close().await;
    let pool = common.pool.to_string();
    let server = Server::stand_in(
        &["tx-server", "--url", &store.url, "--pool", &pool],
        &store.directory,
    )?;
    let outcome = saturate(common, &server, corpus, "none", database)
        .await?
        .clean("one transaction per request")?;
    server.stop()?;
    Ok(outcome)
}

/// Keeps a server busy with single reports.
pub async fn saturate(
    common: &Common,
    server: &Server,
    corpus: &Corpus,
    key: &str,
    database: Option<u32>,
) -> Result<Outcome> {
    load(common, server, common.connections.unwrap_or(64), database)
        .run(&Reports::new(corpus, server.address, key, common.ids))
        .await
}

pub fn load(common: &Common, server: &Server, connections: usize, database: Option<u32>) -> Load {
    Load {
        address: server.address,
        connections,
        threads: common.threads,
        warm_up: common.warm_up(),
        duration: common.duration(),
        watch: Watch {
            server: Some(server.pid()),
            database,
        },
    }
}

/// D: rows per second. The CPU time of the client that binds and sends them stands as the generator's.
pub async fn bulk(common: &Common, corpus: &Corpus, place: &mut Place) -> Result<Outcome> {
    let watch = Watch {
        server: None,
        database: place.pid(),
    };
    let bare = Bare::open(&place.store().await?.url, 1).await?;
    bare.create_tables().await?;
    let mut rows = Rows::new(common, corpus);
    let mut outcome = Outcome::default();
    let warm = Instant::now() + common.warm_up();
    while Instant::now() < warm {
        one_bulk(&bare, &mut rows).await?;
    }
    let (start, before) = (Instant::now(), Cpu::now(watch));
    while start.elapsed() < common.duration() {
        outcome.worth += one_bulk(&bare, &mut rows).await?;
    }
    outcome.rate = outcome.worth as f64 / start.elapsed().as_secs_f64();
    outcome.cpu = Cpu::now(watch).since(before);
    bare.close().await;
    Ok(outcome)
}

async fn one_bulk(bare: &Bare, rows: &mut Rows<'_>) -> Result<u64> {
    let events = rows.next(BULK);
    let counts = rows.counts(&events);
    bare.insert_many(&events, &counts).await?;
    Ok(events.len() as u64)
}

/// How long a single row's durable commit takes with nothing else going on.
pub async fn bare_commits(common: &Common, corpus: &Corpus, store: &Store) -> Result<Histogram> {
    let bare = Bare::open(&store.url, 1).await?;
    bare.create_tables().await?;
    let mut rows = Rows::new(common, corpus);
    let mut latency = Histogram::default();
    let begun = Instant::now();
    let length = common.duration().min(Duration::from_secs(3));
    while begun.elapsed() < length {
        let row = rows.next(1);
        let from = Instant::now();
        bare.insert_event(&row[0]).await?;
        latency.record(from.elapsed());
    }
    bare.close().await;
    Ok(latency)
}

/// L: a request that does both cannot be faster than one after the other.
pub fn both(h: f64, d: f64) -> f64 {
    1.0 / (1.0 / h + 1.0 / d)
}

/// Rows as the log holds them, in order.
struct Rows<'a> {
    corpus: &'a Corpus,
    ids: Ids,
    random: Random,
    position: i64,
}

impl<'a> Rows<'a> {
    fn new(common: &Common, corpus: &'a Corpus) -> Self {
        Self {
            corpus,
            ids: Ids::new(common.ids, Random::stream(1)),
            random: Random::stream(2),
            position: 0,
        }
    }

    fn next(&mut self, rows: usize) -> Vec<Event<'a>> {
        let recorded_at = now_micros();
        let row = |_| {
            self.position += 1;
            let sample = &self.corpus.samples[self.random.below(self.corpus.samples.len())];
            Event {
                position: self.position,
                recorded_at,
                report_id: self.ids.draw(),
                sample,
                hash: self.random.bytes(),
            }
        };
        (0..rows).map(row).collect()
    }

    /// What a transaction adds to each counter.
    fn counts(&self, events: &[Event<'a>]) -> Vec<Count<'a>> {
        let mut counts: Vec<Option<Count<'a>>> = vec![None; self.corpus.drifts];
        for event in events {
            let count = counts[event.sample.drift].get_or_insert(Count {
                sample: event.sample,
                count: 0,
                last_seen: 0,
                last_position: 0,
            });
            count.count += 1;
            count.last_seen = event.recorded_at;
            count.last_position = event.position;
        }
        counts.into_iter().flatten().collect()
    }
}
