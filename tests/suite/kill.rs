//! The server is killed with `kill -9` again and again while clients send and retry. Then every acknowledged report must be
//! in the log exactly once, and counted once.
//!
//! Ten kills per database by default. The long run: `DRIFT_KILLS=1000 cargo test --workspace --test suite kill:: -- --nocapture`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::postgres::Cluster;
use harness::server::{Site, client};
use harness::{Db, Engine, Server, eventually, report};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

const CLIENTS: usize = 12;
/// On Postgres the database itself crashes at every so many kills of the server.
const DATABASE_CRASHES_EVERY: u32 = 4;

#[expect(
    clippy::disallowed_methods,
    reason = "a setting of the tests, not of the product"
)]
fn kills() -> u32 {
    std::env::var("DRIFT_KILLS")
        .ok()
        .map_or(10, |text| text.parse().expect("DRIFT_KILLS is a number"))
}

/// What a client has an answer for: step by id.
type Acknowledged = HashMap<String, String>;

struct Client {
    http: reqwest::Client,
    /// Where the server is, or was last.
    base: watch::Receiver<String>,
    done: Arc<AtomicBool>,
    key: String,
    acknowledged: Acknowledged,
    /// Of all clients: paces the killer.
    answers: Arc<AtomicU64>,
}

impl Client {
    /// Sends report after report, and each until it is acknowledged.
    async fn run(mut self, number: usize) -> Acknowledged {
        let mut round = number;
        while !self.done.load(Ordering::Relaxed) {
            round += 1;
            let reports: Vec<Value> = (0..if number.is_multiple_of(3) { 20 } else { 1 })
                .map(|n| report("openai", &format!("step-{}", (round + n) % 7)))
                .collect();
            while !self.send(&reports).await {
                // It is down, or was while it had our request.
                let _ = tokio::time::timeout(Duration::from_millis(20), self.base.changed()).await;
            }
            for one in &reports {
                self.acknowledged.insert(
                    one["report_id"].as_str().unwrap().to_owned(),
                    one["tripwire"]["step"].as_str().unwrap().to_owned(),
                );
            }
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        self.acknowledged
    }

    /// Whether they were acknowledged. Everything else is no answer at all or a refusal that may pass.
    async fn send(&self, reports: &[Value]) -> bool {
        let base = self.base.borrow().clone();
        let request = match reports {
            [one] => self.http.post(format!("{base}/drift/report")).json(one),
            many => {
                let lines: String = many.iter().map(|one| format!("{one}\n")).collect();
                self.http
                    .post(format!("{base}/drift/reports"))
                    .header("content-type", "application/x-ndjson")
                    .body(lines)
            }
        };
        let Ok(answer) = request.bearer_auth(&self.key).send().await else {
            return false;
        };
        let status = answer.status().as_u16();
        let Ok(body) = answer.json::<Value>().await else {
            return false;
        };
        match (status, reports.len()) {
            (202, 1) => true,
            (200, number) => {
                assert_eq!(body["rejected"], serde_json::json!([]));
                assert_eq!(
                    body["accepted"].as_u64().unwrap() + body["duplicates"].as_u64().unwrap(),
                    number as u64
                );
                true
            }
            (503, _) => false,
            _ => panic!("{status}: {body}"),
        }
    }
}

/// All clients.
struct Load {
    base: watch::Sender<String>,
    done: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    clients: JoinSet<Acknowledged>,
}

impl Load {
    async fn start(server: &Server) -> Self {
        let key = server.create_key("ingest").await;
        let (base, at) = watch::channel(server.base.clone());
        let answers = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let one = Client {
                http: client(),
                base: at.clone(),
                done: done.clone(),
                key: key.clone(),
                acknowledged: HashMap::new(),
                answers: answers.clone(),
            };
            clients.spawn(one.run(number));
        }
        Self {
            base,
            done,
            answers,
            clients,
        }
    }

    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    async fn more_answers(&self, number: u64) {
        let enough = self.answers() + number;
        eventually("clients are answered", async || {
            (self.answers() >= enough).then_some(())
        })
        .await;
    }

    /// Each client still gets its answer for what it has sent.
    async fn stop(mut self) -> Acknowledged {
        self.done.store(true, Ordering::Relaxed);
        let mut acknowledged = HashMap::new();
        while let Some(client) = self.clients.join_next().await {
            acknowledged.extend(client.unwrap());
        }
        acknowledged
    }
}

/// Kills under load, and answers what was acknowledged. The site is left without a server.
#[expect(
    clippy::print_stdout,
    reason = "the long run takes a while and says how far it is"
)]
async fn under_fire(site: &Site, kills: u32, mut between: impl AsyncFnMut(u32)) -> Acknowledged {
    let began = Instant::now();
    let mut server = site.start().await;
    let load = Load::start(&server).await;
    for kill in 1..=kills {
        // Not at the same point every time.
        load.more_answers(10 + u64::from(kill * 37 % 90)).await;
        server.kill().await;
        between(kill).await;
        server = site.start().await;
        load.base.send_replace(server.base.clone());
        if kill % 50 == 0 {
            println!(
                "{kill} kills, {} answers, {:?}",
                load.answers(),
                began.elapsed()
            );
        }
    }
    let acknowledged = load.stop().await;
    server.kill().await;
    acknowledged
}

async fn assert_nothing_lost_and_nothing_twice(site: &Site, acknowledged: &Acknowledged) {
    site.assert_clean().await;
    let (mut logged, mut by_step) = (HashMap::new(), BTreeMap::new());
    for line in site.ok(&["export"]).await.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(id) = line["report_id"].as_str() {
            let payload: Value = serde_json::from_str(line["payload"].as_str().unwrap()).unwrap();
            let step = payload["step"].as_str().unwrap().to_owned();
            *by_step.entry(step.clone()).or_insert(0) += 1;
            assert_eq!(
                logged.insert(id.to_owned(), step),
                None,
                "{id} is there twice"
            );
        }
    }
    // Each client sent each of its reports until it was acknowledged: so the two are the same.
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|(id, step)| logged.get(*id) != Some(step))
        .collect();
    assert!(lost.is_empty(), "acknowledged and not in the log: {lost:?}");
    assert_eq!(logged.len(), acknowledged.len());
    // Over days: a long run passes midnight.
    let counted = Db::open(site).await.texts("SELECT step || ' ' || CAST(SUM(count) AS TEXT) FROM batches GROUP BY step ORDER BY step").await;
    let expected: Vec<String> = by_step
        .iter()
        .map(|(step, count)| format!("{step} {count}"))
        .collect();
    assert_eq!(counted, expected);
}

fn at(database_url: String) -> Site {
    Site::at(Arc::new(tempfile::tempdir().unwrap()), database_url)
}

async fn crash_and_start_again(mut cluster: Cluster) -> Cluster {
    let up = tokio::task::spawn_blocking(move || {
        cluster.crash();
        cluster.start_again();
        cluster
    });
    up.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_on_sqlite_nothing_is_lost_or_counted_twice() {
    let site = Site::new(Engine::Sqlite).await;
    let acknowledged = under_fire(&site, kills(), async |_| ()).await;
    assert_nothing_lost_and_nothing_twice(&site, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_on_a_postgres_that_crashes_too_nothing_is_lost_or_counted_twice() {
    let cluster = tokio::task::spawn_blocking(Cluster::start_durable)
        .await
        .unwrap();
    let site = at(cluster.fresh_database().await);
    let mut cluster = Some(cluster);
    let between = async |kill| {
        if kill % DATABASE_CRASHES_EVERY == 0 {
            cluster = Some(crash_and_start_again(cluster.take().unwrap()).await);
        }
    };
    let acknowledged = under_fire(&site, kills(), between).await;
    assert_nothing_lost_and_nothing_twice(&site, &acknowledged).await;
}

/// The other way round: the server lives, and its database crashes under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_crashes_under_a_busy_server_loses_nothing() {
    let mut cluster = tokio::task::spawn_blocking(Cluster::start_durable)
        .await
        .unwrap();
    let site = at(cluster.fresh_database().await);
    let server = site.start().await;
    let load = Load::start(&server).await;
    for _ in 0..3 {
        load.more_answers(50).await;
        cluster = crash_and_start_again(cluster).await;
    }
    load.more_answers(50).await;
    let acknowledged = load.stop().await;
    server.stop().await;
    assert_nothing_lost_and_nothing_twice(&site, &acknowledged).await;
}
