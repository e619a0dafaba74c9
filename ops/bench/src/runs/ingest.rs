//! One report per request: the rate against what HTTP and the disk allow together, latency full and at a tenth,
//! one hot drift, one transaction per request, and a slow disk.

use std::path::Path;

use anyhow::Result;

use crate::corpus::Corpus;
use crate::database::{Kind, Place};
use crate::limits;
use crate::load::Outcome;
use crate::options::Common;
use crate::pace::Pace;
use crate::report::{Row, Table, median};
use crate::server::Installation;
use crate::slow_disk::SlowDisk;
use crate::traffic::Reports;

#[derive(Debug, Clone, Copy)]
pub struct Parts {
    pub limits_only: bool,
    pub slow_disk: bool,
}

pub async fn run(common: &Common, parts: Parts) -> Result<Vec<Table>> {
    let directory = common.directory()?;
    let mut tables = Vec::new();
    for &kind in common.database.kinds() {
        let mut table = Table::new(format!("ingest, {kind}"));
        eprintln!("{}", table.title);
        let mut place = Place::new(kind, &directory)?;
        let rates = rates(common, &mut place, &mut table, parts.limits_only).await?;
        if let Some(ours) = rates {
            at_a_tenth(common, &mut place, &mut table, ours).await?;
            if parts.slow_disk {
                on_a_slow_disk(common, &mut place, &mut table, &directory).await?;
            }
        }
        tables.push(table);
    }
    Ok(tables)
}

/// What the rounds have shown, one value per round.
#[derive(Default)]
struct Rounds {
    h: Vec<f64>,
    d: Vec<f64>,
    ours: Vec<f64>,
    hot: Vec<f64>,
    alone: Vec<f64>,
}

/// The measurements that are compared with each other, in turn. Returns our rate.
async fn rates(
    common: &Common,
    place: &mut Place,
    table: &mut Table,
    limits_only: bool,
) -> Result<Option<f64>> {
    let (corpus, hot) = (Corpus::full()?, Corpus::hot()?);
    let mut rounds = Rounds::default();
    let (mut h, mut d, mut ours, mut one, mut alone) = Default::default();
    for round in 1..=common.rounds.max(1) {
        eprintln!("  round {round}");
        h = limits::parse_only(common, &corpus, place.directory()).await?;
        rounds.h.push(h.rate);
        d = limits::bulk(common, &corpus, place).await?;
        rounds.d.push(d.rate);
        if limits_only {
            continue;
        }
        ours = full(common, place, &corpus).await?;
        rounds.ours.push(ours.rate);
        one = full(common, place, &hot).await?;
        rounds.hot.push(one.rate);
        let store = place.store().await?;
        alone = limits::transaction_per_request(common, &corpus, &store, place.pid()).await?;
        rounds.alone.push(alone.rate);
    }
    let (rate_h, rate_d) = (median(rounds.h), median(rounds.d));
    let limit = limits::both(rate_h, rate_d);
    table.push(Row::rate("H: parse and answer, store nothing", rate_h).cpu(&h));
    table.push(Row::rate("D: bare bulk insert, rows", rate_d).cpu(&d));
    table.push(Row::rate("L = 1/(1/H + 1/D)", limit).note("aim for 0.70 of it"));
    if limits_only {
        let commits = limits::bare_commits(common, &corpus, &place.store().await?).await?;
        table.push(Row::new("bare commit, p50", commits.millis(0.5), "ms"));
        return Ok(None);
    }
    let (rate, rate_hot, rate_alone) = (
        median(rounds.ours),
        median(rounds.hot),
        median(rounds.alone),
    );
    table.push(
        Row::rate("one report per request", rate)
            .against("L", limit)
            .at_least(0.5)
            .cpu(&ours),
    );
    table.push(Row::new("p50 at that rate", ours.latency.millis(0.5), "ms"));
    table.push(Row::new("p99 at that rate", ours.latency.millis(0.99), "ms").under(40.0));
    table.push(Row::rate("one transaction per request", rate_alone).cpu(&alone));
    table.push(
        Row::rate("ours against it", rate)
            .against("alone", rate_alone)
            .at_least(4.0),
    );
    table.push(
        Row::rate("one hot drift", rate_hot)
            .against("1,000 drifts", rate)
            .at_least(0.8)
            .cpu(&one),
    );
    Ok(Some(rate))
}

/// The real server on a fresh store, everything on.
async fn full(common: &Common, place: &mut Place, corpus: &Corpus) -> Result<Outcome> {
    let store = place.store().await?;
    let installation = Installation::new(common, &store)?;
    let key = installation.key("ingest")?;
    let server = installation.serve()?;
    let outcome = limits::saturate(common, &server, corpus, &key, place.pid())
        .await?
        .clean("ingest")?;
    server.stop()?;
    Ok(outcome)
}

/// What one caller waits when there is no crowd, against three bare commits measured right before.
async fn at_a_tenth(
    common: &Common,
    place: &mut Place,
    table: &mut Table,
    rate: f64,
) -> Result<()> {
    let corpus = Corpus::full()?;
    let commits = limits::bare_commits(common, &corpus, &place.store().await?).await?;
    let three = 3.0 * commits.millis(0.5);
    table.push(
        Row::new("bare commit, p50", commits.millis(0.5), "ms")
            .note(format!("p99 {:.3} ms", commits.millis(0.99))),
    );

    let store = place.store().await?;
    let installation = Installation::new(common, &store)?;
    let key = installation.key("ingest")?;
    let server = installation.serve()?;
    let pace = Pace {
        address: server.address,
        connections: 64,
        rate: rate / 10.0,
        duration: common.duration(),
    };
    let traffic = Reports::new(&corpus, server.address, &key, common.ids);
    let outcome = pace.run(&traffic).await?.clean("a tenth of the rate")?;
    server.stop()?;
    table.push(Row::rate("open loop at a tenth", outcome.rate));
    table.push(Row::new(
        "p50 at a tenth",
        outcome.latency.millis(0.5),
        "ms",
    ));
    table.push(
        Row::new("p99 at a tenth", outcome.latency.millis(0.99), "ms")
            .against("3 commits", three)
            .at_most(1.0),
    );
    Ok(())
}

/// 2 ms more for every sync. So few connections as 64 cannot keep a rate of more than 64 per sync, whatever the
/// server does: that bound stands beside the loss, and a larger crowd shows what the server itself loses.
async fn on_a_slow_disk(
    common: &Common,
    place: &mut Place,
    table: &mut Table,
    directory: &Path,
) -> Result<()> {
    let corpus = Corpus::full()?;
    let disk = SlowDisk::build(directory)?;
    place.preload(&disk.library())?;
    let preload = disk.library();
    let preload = (place.kind == Kind::Sqlite).then_some(preload.as_path());
    for connections in [64, 512] {
        let store = place.store().await?;
        let installation = Installation::new(common, &store)?;
        let key = installation.key("ingest")?;
        let server = installation.serve_under(preload)?;
        let traffic = Reports::new(&corpus, server.address, &key, common.ids);
        let load = limits::load(common, &server, connections, place.pid());
        let quick = load.run(&traffic).await?.clean("a quick disk")?;
        disk.slow_down()?;
        let slow = load.run(&traffic).await?.clean("a slow disk");
        disk.speed_up()?;
        let slow = slow?;
        server.stop()?;
        let bound = connections as f64 / 0.002;
        table.push(
            Row::rate(
                format!("2 ms per fsync, {connections} connections"),
                slow.rate,
            )
            .against("without", quick.rate)
            .at_least(2.0 / 3.0)
            .note(format!(
                "bound by waiting: {connections} per 2 ms = {bound:.0}/s; p99 {:.1} ms",
                slow.latency.millis(0.99)
            )),
        );
    }
    Ok(())
}
