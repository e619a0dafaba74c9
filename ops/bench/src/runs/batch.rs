//! A thousand reports per request, as NDJSON: how much of the bare insert's rate is left.

use anyhow::Result;

use crate::corpus::Corpus;
use crate::database::Place;
use crate::limits;
use crate::load::Outcome;
use crate::options::Common;
use crate::report::{Row, Table, median};
use crate::server::Installation;
use crate::traffic::Bodies;

pub async fn run(common: &Common, lines: usize) -> Result<Vec<Table>> {
    let directory = common.directory()?;
    let corpus = Corpus::full()?;
    let connections = common.connections.unwrap_or(4);
    let mut tables = Vec::new();
    for &kind in common.database.kinds() {
        let mut table = Table::new(format!("batch, {kind}"));
        eprintln!("{}", table.title);
        let mut place = Place::new(kind, &directory)?;
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        let (mut bulk, mut last) = (Outcome::default(), None);
        for _ in 0..common.rounds.max(1) {
            bulk = limits::bulk(common, &corpus, &mut place).await?;
            bare.push(bulk.rate);
            let store = place.store().await?;
            let installation = Installation::new(common, &store)?;
            let key = installation.key("ingest")?;
            let server = installation.serve()?;
            let traffic = Bodies::new(&corpus, lines, server.address, &key, common.ids);
            let outcome = limits::load(common, &server, connections, place.pid())
                .run(&traffic)
                .await?;
            let outcome = outcome.clean("batch")?;
            server.stop()?;
            ours.push(outcome.rate);
            last = Some(outcome);
        }
        let d = median(bare);
        table.push(Row::rate("D: bare bulk insert, rows", d).cpu(&bulk));
        if let Some(last) = last {
            let what = format!("{lines} reports per request, {connections} connections");
            table.push(
                Row::rate(what, median(ours))
                    .against("D", d)
                    .at_least(0.6)
                    .cpu(&last),
            );
            table.push(Row::new("p50 of a request", last.latency.millis(0.5), "ms"));
            table.push(Row::new(
                "p99 of a request",
                last.latency.millis(0.99),
                "ms",
            ));
        }
        tables.push(table);
    }
    Ok(tables)
}
