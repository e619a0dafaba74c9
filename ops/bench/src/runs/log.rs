//! `verify` and `rebuild` against a plain read of the log, and a rebuild beside ingest.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::corpus::Corpus;
use crate::database::Place;
use crate::limits;
use crate::options::{Common, Size};
use crate::plain_read;
use crate::report::{Row, Table};
use crate::seed;
use crate::server::Installation;
use crate::traffic::Reports;

pub async fn run(common: &Common, size: Size) -> Result<Vec<Table>> {
    let directory = common.directory()?;
    let (events, batches) = size.or(1_000_000);
    let mut tables = Vec::new();
    for &kind in common.database.kinds() {
        let mut table = Table::new(format!("log, {kind}, {events} events, {batches} batches"));
        eprintln!("{}", table.title);
        let mut place = Place::new(kind, &directory)?;
        let store = place.store().await?;
        let installation = Installation::new(common, &store)?;
        seed::fill(&store.url, events, batches).await?;

        // The second pass finds what the first has left in memory, as the commands after it do.
        let mut read = Duration::MAX;
        for _ in 0..2 {
            let begun = Instant::now();
            let rows = plain_read::whole_log(&store.url).await?;
            read = read.min(begun.elapsed());
            anyhow::ensure!(rows >= events, "{rows} of {events} events were read");
        }
        let plain = events as f64 / read.as_secs_f64();
        table.push(Row::rate("plain read of the log, events", plain));
        for command in ["verify", "rebuild"] {
            let begun = Instant::now();
            installation.run(&[command])?;
            let rate = events as f64 / begun.elapsed().as_secs_f64();
            table.push(
                Row::rate(format!("{command}, events"), rate)
                    .against("plain", plain)
                    .at_least(0.25),
            );
        }
        beside_ingest(common, &installation, &place, &mut table, events).await?;
        installation
            .run(&["verify"])
            .context("after a rebuild beside ingest")?;
        tables.push(table);
    }
    Ok(tables)
}

/// Ingest as before, and ingest for as long as a rebuild takes.
async fn beside_ingest(
    common: &Common,
    installation: &Installation,
    place: &Place,
    table: &mut Table,
    events: u64,
) -> Result<()> {
    let corpus = Corpus::full()?;
    let key = installation.key("ingest")?;
    let server = installation.serve()?;
    let alone = limits::saturate(common, &server, &corpus, &key, place.pid())
        .await?
        .clean("ingest alone")?;

    let rebuild = {
        let installation = installation.clone();
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            installation.run(&["rebuild"]).map(|_| begun.elapsed())
        })
    };
    // Short measurements one after the other, until the rebuild is done.
    let traffic = Reports::new(&corpus, server.address, &key, common.ids);
    let mut load = limits::load(
        common,
        &server,
        common.connections.unwrap_or(64),
        place.pid(),
    );
    (load.warm_up, load.duration) = (Duration::ZERO, Duration::from_secs(1));
    let (mut worth, mut seconds, mut slowest) = (0, 0.0, 0.0_f64);
    while !rebuild.is_finished() || seconds == 0.0 {
        let outcome = load.run(&traffic).await?.clean("ingest beside a rebuild")?;
        worth += outcome.worth;
        seconds += load.duration.as_secs_f64();
        slowest = slowest.max(outcome.latency.millis(1.0));
    }
    let took = rebuild.await.context("the rebuild panicked")??;
    server.stop()?;
    table.push(Row::rate("ingest alone", alone.rate));
    table.push(
        Row::rate("ingest beside a rebuild", worth as f64 / seconds)
            .against("alone", alone.rate)
            .note(format!("slowest answer {slowest:.0} ms")),
    );
    table.push(Row::rate(
        "rebuild beside ingest, events",
        events as f64 / took.as_secs_f64(),
    ));
    Ok(())
}
