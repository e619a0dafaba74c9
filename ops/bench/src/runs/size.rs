//! Memory idle and with ten thousand connections under full load, and the time from start to ready.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::corpus::Corpus;
use crate::database::{Kind, Place};
use crate::limits;
use crate::options::Common;
use crate::process;
use crate::report::{Row, Table};
use crate::server::{self, Installation, Server};
use crate::traffic::Reports;

/// Whether this process may open a connection each. If not, runs itself again in a shell that may.
pub fn with_room_for(connections: usize) -> Result<bool> {
    let (soft, hard) = process::open_files()?;
    let needed = connections as u64 + 200;
    if soft >= needed {
        return Ok(true);
    }
    if hard < needed {
        bail!("{connections} connections need {needed} open files, and the limit is {hard}");
    }
    let status = server::limits_lifted(&std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .status()?;
    if !status.success() {
        bail!("ended with {status}");
    }
    Ok(false)
}

pub async fn run(common: &Common, crowd: usize) -> Result<Vec<Table>> {
    let directory = common.directory()?;
    let corpus = Corpus::full()?;
    let mut tables = Vec::new();
    for &kind in common.database.kinds() {
        let mut table = Table::new(format!("size, {kind}"));
        eprintln!("{}", table.title);
        let mut place = Place::new(kind, &directory)?;
        let store = place.store().await?;
        if kind == Kind::Sqlite {
            start_to_ready(common, &mut place, &mut table).await?;
        }
        let installation = Installation::new(common, &store)?;
        let key = installation.key("ingest")?;
        let server = installation.serve()?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        table.push(Row::new("resident, idle", mebibytes(server.resident()?.now), "MB").under(30.0));

        let bare = crowd_without_store(common, &corpus, &store.directory, crowd).await?;
        table.push(Row::new(
            format!("resident, peak, {crowd} connections, H's server"),
            bare,
            "MB",
        ));
        let traffic = Reports::new(&corpus, server.address, &key, common.ids);
        let outcome = limits::load(common, &server, crowd, place.pid())
            .run(&traffic)
            .await?;
        if outcome.broken > 0 || outcome.refused.keys().any(|status| *status != 503) {
            bail!(
                "{crowd} connections: refused by status {:?}, {} broken",
                outcome.refused,
                outcome.broken
            );
        }
        let shed = outcome.refusals();
        let peak = mebibytes(server.resident()?.peak);
        table.push(
            Row::new(format!("resident, peak, {crowd} connections"), peak, "MB").under(150.0),
        );
        table.push(
            Row::rate(format!("acknowledged, {crowd} connections"), outcome.rate).note(format!(
                "{shed} shed with 503; p99 {:.0} ms",
                outcome.latency.millis(0.99)
            )),
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
        table.push(Row::new(
            "resident, after the crowd has left",
            mebibytes(server.resident()?.now),
            "MB",
        ));
        server.stop()?;
        tables.push(table);
    }
    Ok(tables)
}

/// How much of it the HTTP server needs for the connections alone.
async fn crowd_without_store(
    common: &Common,
    corpus: &Corpus,
    directory: &Path,
    crowd: usize,
) -> Result<f64> {
    let server = Server::stand_in(&["h-server"], directory)?;
    let traffic = Reports::new(corpus, server.address, "none", common.ids);
    limits::load(common, &server, crowd, None)
        .run(&traffic)
        .await?
        .clean("a crowd without a store")?;
    let peak = mebibytes(server.resident()?.peak);
    server.stop()?;
    Ok(peak)
}

/// The first start ever (which migrates) and the slowest of ten others.
async fn start_to_ready(common: &Common, place: &mut Place, table: &mut Table) -> Result<()> {
    let store = place.store().await?;
    let installation = Installation::unmigrated(common, &store)?;
    let ready = || -> Result<f64> {
        let server = installation.serve().context("start to ready")?;
        let millis = server.ready_after.as_secs_f64() * 1e3;
        server.stop()?;
        Ok(millis)
    };
    table.push(Row::new("start to ready, first start", ready()?, "ms").under(300.0));
    let mut slowest = 0.0_f64;
    for _ in 0..10 {
        slowest = slowest.max(ready()?);
    }
    table.push(Row::new("start to ready, slowest of ten", slowest, "ms").under(300.0));
    Ok(())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
