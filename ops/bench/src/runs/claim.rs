//! What handing out the work of a service costs with a million batches in the store, and what asking for work costs beside it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use drift_schema::Micros;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::corpus::Corpus;
use crate::database::Place;
use crate::options::{Common, Size};
use crate::random::now_micros;
use crate::report::{Row, Table, median};
use crate::seed;
use crate::server::Installation;
use crate::traffic;

const BATCHES: u64 = 1_000_000;
/// Services that are claimed, one after the other.
const CLAIMS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn run(common: &Common, size: Size) -> Result<Vec<Table>> {
    let directory = common.directory()?;
    let batches = size.batches.unwrap_or(BATCHES);
    let events = size.events.unwrap_or(batches).max(batches);
    let mut tables = Vec::new();
    for &kind in common.database.kinds() {
        let mut table = Table::new(format!("claim, {kind}, {events} events, {batches} batches"));
        eprintln!("{}", table.title);
        let mut place = Place::new(kind, &directory)?;
        let store = place.store().await?;
        let installation = Installation::new(common, &store)?;
        seed::fill(&store.url, events, batches).await?;
        seed::handle_all(&store.url).await?;
        let (ingest, key) = (installation.key("ingest")?, installation.key("runner")?);
        let server = installation.serve()?;
        let backend = Backend {
            address: server.address,
            ingest,
            key,
        };
        let corpus = Corpus::full()?;
        let closed = all_days_closed(&store.url).await?;
        table.push(
            Row::new("start to the last day that is over added up", closed, "s")
                .note("in the background, once"),
        );

        let idle = backend.work(CLAIMS)?;
        table.push(Row::new("GET /drift/runs/work, p50, nothing to do", idle, "ms").under(5.0));
        let stride = (corpus.drifts / CLAIMS).max(1);
        for (first, judge) in [(0, true), (1, false)] {
            let (mut taken, mut handed_out) = (Vec::new(), 0);
            for drift in (first..corpus.drifts).step_by(stride).take(CLAIMS) {
                let service = corpus.service(drift).as_str();
                backend.report(service, corpus.step(drift))?;
                let (milliseconds, drifts) = backend.claim(service, judge)?;
                taken.push(milliseconds);
                handed_out += drifts;
            }
            let each = handed_out as f64 / taken.len() as f64;
            taken.sort_by(f64::total_cmp);
            let late = taken[taken.len() * 99 / 100];
            let what = format!("POST /drift/runs, p50, {each:.1} drifts each");
            let row = Row::new(what, median(taken), "ms")
                .note(format!("p99 {late:.2} ms; a connection of its own each"));
            table.push(if judge { row.under(5.0) } else { row });
        }
        let busy = backend.work(CLAIMS)?;
        table.push(Row::new(
            format!("GET /drift/runs/work, p50, {CLAIMS} services"),
            busy,
            "ms",
        ));
        server.stop()?;
        tables.push(table);
    }
    Ok(tables)
}

/// Seconds until the server has added up all days that are over: what a store that has been there for a while has behind it.
async fn all_days_closed(url: &str) -> Result<f64> {
    let begun = Instant::now();
    let yesterday = Micros(now_micros()).minus_seconds(86_400).day().to_string();
    while seed::closed_before(url)
        .await?
        .is_none_or(|day| day < yesterday)
    {
        if begun.elapsed() > PATIENCE {
            bail!("the server has not added up its days within {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(begun.elapsed().as_secs_f64())
}

struct Backend {
    address: SocketAddr,
    ingest: String,
    key: String,
}

impl Backend {
    fn report(&self, service: &str, step: &str) -> Result<()> {
        let report = json!({
            "service": service, "tripwire": {"kind": "selector-missing", "step": step},
            "dom_digest": "ab".repeat(32), "url_host": "a.example", "scraper_version": "99.4.2",
        });
        self.post("/drift/report", &self.ingest, &report).map(drop)
    }

    /// Milliseconds of a claim that gets something, and how many drifts it got. The run is ended right away, with or without verdicts:
    /// without, its drifts are handed out again.
    fn claim(&self, service: &str, judge: bool) -> Result<(f64, usize)> {
        let claim = json!({
            "run": Uuid::now_v7(), "service": service, "runner": "bench", "lease_seconds": 60,
            "budget": {"per_day": 1_000_000, "cooldown_seconds": 0},
        });
        let begun = Instant::now();
        let claimed = self.post("/drift/runs", &self.key, &claim)?;
        let taken = begun.elapsed().as_secs_f64() * 1e3;
        let (Some(run), token) = (claimed["run"]["run"].as_str(), &claimed["run"]["token"]) else {
            bail!("nothing was handed out: {claimed}");
        };
        let drifts = claimed["run"]["drifts"].as_array();
        let drifts = drifts.context("a run without drifts")?;
        for drift in drifts.iter().filter(|_| judge) {
            let verdict =
                json!({"token": token, "step": drift["step"], "verdict": "not_reproduced"});
            self.post(&format!("/drift/runs/{run}/judged"), &self.key, &verdict)?;
        }
        let path = format!("/drift/runs/{run}/finish");
        self.post(
            &path,
            &self.key,
            &json!({"token": token, "ending": "partly"}),
        )?;
        Ok((taken, drifts.len()))
    }

    /// The median of asking so often.
    fn work(&self, times: usize) -> Result<f64> {
        let mut taken = Vec::new();
        for _ in 0..times {
            let begun = Instant::now();
            let (status, _) = traffic::get_once("/drift/runs/work", self.address, &self.key)?;
            if status != 200 {
                bail!("/drift/runs/work: {status}");
            }
            taken.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok(median(taken))
    }

    fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        let (status, answer) = traffic::post_once(path, self.address, key, &body.to_string())?;
        if !(200..300).contains(&status) {
            bail!("{path}: {status} {}", String::from_utf8_lossy(&answer));
        }
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }
}
