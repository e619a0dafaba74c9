//! Flat: a store with ten million events and a million batches against an empty one.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::corpus::Corpus;
use crate::database::{Place, Store};
use crate::limits;
use crate::load::{Load, Outcome, Watch};
use crate::options::{Common, Size};
use crate::report::{Row, Table, median};
use crate::seed;
use crate::server::{Installation, Server};
use crate::traffic::{self, Gets};

pub async fn run(common: &Common, size: Size, verify: bool) -> Result<Vec<Table>> {
    let directory = common.directory()?;
    let (events, batches) = size.or(10_000_000);
    let mut tables = Vec::new();
    for &kind in common.database.kinds() {
        let mut table = Table::new(format!("flat, {kind}, {events} events, {batches} batches"));
        eprintln!("{}", table.title);
        let mut place = Place::new(kind, &directory)?;
        let (rate_empty, rate_full, store) =
            rates(common, &mut place, &mut table, (events, batches)).await?;
        table.push(Row::rate("ingest, empty store", rate_empty));
        table.push(
            Row::rate("ingest, full store", rate_full)
                .against("empty", rate_empty)
                .at_least(0.8),
        );
        if verify {
            let installation = Installation::new(common, &store)?;
            installation.run(&["verify"])?;
            eprintln!("  verify passes");
        }
        tables.push(table);
    }
    Ok(tables)
}

async fn rates(
    common: &Common,
    place: &mut Place,
    table: &mut Table,
    size: (u64, u64),
) -> Result<(f64, f64, Store)> {
    let corpus = Corpus::full()?;
    let full = place.store().await?;
    let on_full = Installation::new(common, &full)?;
    seed::fill(&full.url, size.0, size.1).await?;
    let (write, read) = (on_full.key("ingest")?, on_full.key("read")?);

    let (mut empty_rates, mut full_rates) = (Vec::new(), Vec::new());
    for round in 0..common.rounds.max(1) {
        let store = place.store().await?;
        let on_empty = Installation::new(common, &store)?;
        let key = on_empty.key("ingest")?;
        let server = on_empty.serve()?;
        empty_rates.push(
            limits::saturate(common, &server, &corpus, &key, place.pid())
                .await?
                .clean("empty store")?
                .rate,
        );
        server.stop()?;
        place.remove(store).await?;

        let server = on_full.serve()?;
        if round == 0 {
            queries(common, &server, &corpus, &read, table, "nothing new").await?;
        }
        full_rates.push(
            limits::saturate(common, &server, &corpus, &write, place.pid())
                .await?
                .clean("full store")?
                .rate,
        );
        if round == 0 {
            queries(
                common,
                &server,
                &corpus,
                &read,
                table,
                "1,000 fresh batches",
            )
            .await?;
        }
        server.stop()?;
    }
    Ok((median(empty_rates), median(full_rates), full))
}

/// The two questions that clients and the runner ask, one at a time.
async fn queries(
    common: &Common,
    server: &Server,
    corpus: &Corpus,
    key: &str,
    table: &mut Table,
    when: &str,
) -> Result<()> {
    let path = "/drift/fresh?window=3600";
    let (status, body) = traffic::get_once(path, server.address, key)?;
    if status != 200 {
        bail!("{path}: {status}");
    }
    let fresh = ask(
        common,
        server,
        &Gets::new([path.to_owned()], server.address, key),
    )
    .await?;
    table.push(
        Row::new(
            format!("GET {path}, p50, {when}"),
            fresh.latency.millis(0.5),
            "ms",
        )
        .under(5.0)
        .note(format!(
            "{} bytes; p99 {:.2} ms",
            body.len(),
            fresh.latency.millis(0.99)
        )),
    );
    let path = |service: &str, step: &str| format!("/drift/known?service={service}&step={step}");
    let known =
        (0..corpus.drifts).map(|drift| path(corpus.service(drift).as_str(), corpus.step(drift)));
    // Nothing to be found, in a workspace with a million batches.
    let unknown =
        (0..corpus.drifts).map(|drift| path(corpus.service(drift).as_str(), "never-reported"));
    for (what, paths) in [
        ("", Vec::from_iter(known)),
        (" of a step that nobody reported", Vec::from_iter(unknown)),
    ] {
        let known = ask(common, server, &Gets::new(paths, server.address, key)).await?;
        table.push(
            Row::new(
                format!("GET /drift/known{what}, p50, {when}"),
                known.latency.millis(0.5),
                "ms",
            )
            .under(1.0)
            .note(format!("p99 {:.2} ms", known.latency.millis(0.99))),
        );
    }
    Ok(())
}

async fn ask(common: &Common, server: &Server, gets: &Gets) -> Result<Outcome> {
    let load = Load {
        address: server.address,
        connections: 1,
        threads: 1,
        warm_up: Duration::from_millis(200),
        duration: common.duration().min(Duration::from_secs(3)),
        watch: Watch::default(),
    };
    load.run(gets).await?.clean("queries")
}
