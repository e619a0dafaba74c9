//! The pages for people on a large store: how long the server takes for each, what it weighs, and what a thousand people who
//! only watch the log cost.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::corpus::Corpus;
use crate::database::Place;
use crate::load::{Load, Watch};
use crate::options::{Common, Size};
use crate::report::{Row, Table};
use crate::seed;
use crate::server::{Installation, Server};
use crate::traffic::{self, Gets};

/// Milliseconds at the median.
const SLOWEST: f64 = 30.0;
/// Kilobytes of a page, beside which styles and scripts are loaded once and kept.
const HEAVIEST: f64 = 60.0;
/// Megabytes of the whole server.
const WATCHED: f64 = 100.0;

pub async fn run(common: &Common, size: Size, viewers: usize) -> Result<Vec<Table>> {
    let directory = common.directory()?;
    let (events, batches) = size.or(10_000_000);
    let corpus = Corpus::full()?;
    let mut tables = Vec::new();
    for &kind in common.database.kinds() {
        let mut table = Table::new(format!("pages, {kind}, {events} events, {batches} batches"));
        eprintln!("{}", table.title);
        let mut place = Place::new(kind, &directory)?;
        let store = place.store().await?;
        let installation = Installation::new(common, &store)?;
        seed::fill(&store.url, events, batches).await?;
        let key = installation.key("read")?;
        let server = installation.serve()?;
        for (name, path) in paths(&corpus, events) {
            one(common, &server, &key, name, &path, &mut table).await?;
        }
        server.stop()?;
        // Of their own, so that what the pages took is not theirs.
        let server = installation.serve()?;
        watch(&server, &key, viewers, &mut table)?;
        server.stop()?;
        place.remove(store).await?;
        tables.push(table);
    }
    Ok(tables)
}

fn paths(corpus: &Corpus, events: u64) -> [(&'static str, String); 9] {
    let (service, step) = (corpus.service(0), &corpus.samples[0].report.tripwire.step);
    let middle = events / 2;
    [
        ("overview", "/".to_owned()),
        ("overview of a service", format!("/?service={service}")),
        ("drift", format!("/drifts/{service}/{}", step.hash())),
        ("runs", "/runs".to_owned()),
        ("events", "/events".to_owned()),
        ("events, in the middle", format!("/events?before={middle}")),
        ("events of a service", format!("/events?service={service}")),
        ("events but reports", "/events?kind=but-reports".to_owned()),
        ("keys", "/keys".to_owned()),
    ]
}

async fn one(
    common: &Common,
    server: &Server,
    key: &str,
    name: &str,
    path: &str,
    table: &mut Table,
) -> Result<()> {
    let (status, body) = traffic::get_once(path, server.address, key)?;
    if status != 200 {
        bail!("{path}: {status}");
    }
    let load = Load {
        address: server.address,
        connections: 1,
        threads: 1,
        warm_up: Duration::from_millis(200),
        duration: common.duration().min(Duration::from_secs(3)),
        watch: Watch::default(),
    };
    let asked = load
        .run(&Gets::new([path.to_owned()], server.address, key))
        .await?
        .clean(name)?;
    table.push(
        Row::new(format!("{name}, p50"), asked.latency.millis(0.5), "ms")
            .under(SLOWEST)
            .note(format!("p99 {:.1} ms", asked.latency.millis(0.99))),
    );
    table.push(Row::new(format!("{name}, weight"), body.len() as f64 / 1e3, "KB").under(HEAVIEST));
    Ok(())
}

/// Resident memory with so many open streams, each of which has said that it is there.
fn watch(server: &Server, key: &str, viewers: usize, table: &mut Table) -> Result<()> {
    let before = mebibytes(server.resident()?.now);
    let mut open = Vec::with_capacity(viewers);
    for _ in 0..viewers {
        let mut stream = TcpStream::connect(server.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let request = format!(
            "GET /events/live HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\naccept: text/event-stream\r\n\r\n",
            server.address
        );
        stream.write_all(request.as_bytes())?;
        open.push(stream);
    }
    let mut answer = [0; 4096];
    for stream in &mut open {
        let mut heard = String::new();
        while !heard.contains(": watching") {
            let read = stream.read(&mut answer)?;
            ensure!(read > 0, "a viewer was turned away: {heard}");
            heard += &String::from_utf8_lossy(&answer[..read]);
        }
        ensure!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    }
    let with = mebibytes(server.resident()?.now);
    table.push(
        Row::new(format!("resident, {viewers} idle viewers"), with, "MB")
            .under(WATCHED)
            .note(format!("{before:.0} MB without them")),
    );
    Ok(())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
