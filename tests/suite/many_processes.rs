//! Several processes on one database: positions without gaps, nothing twice, nobody in the way.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drift_api::store::Outcome;
use drift_schema::Micros;
use harness::server::Site;
use harness::{Engine, Server, on_both, report};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::in_process::{at, incoming, numbered, store, workspace};

/// Three servers on Postgres; on SQLite the one that there may be.
async fn servers(engine: Engine) -> Vec<Arc<Server>> {
    let site = Site::new(engine).await;
    let number = if engine == Engine::Postgres { 3 } else { 1 };
    // All at once: they also race for the migration.
    let starting = (0..number).map(|_| site.start());
    let servers = futures_util::future::join_all(starting).await;
    servers.into_iter().map(Arc::new).collect()
}

async fn finish(servers: Vec<Arc<Server>>) {
    for server in servers {
        Arc::into_inner(server).unwrap().finish().await;
    }
}

/// Follows the log by its cursor until `end` of it was seen, and checks that each event is the one after the last.
async fn follow(server: Arc<Server>, key: String, done: Arc<AtomicBool>, page: u32) -> Vec<String> {
    let (mut after, mut ids) = (0, Vec::new());
    loop {
        let last_look = done.load(Ordering::Acquire);
        let seen = server
            .get(&key, &format!("/drift/events?after={after}&limit={page}"))
            .await;
        for event in seen["events"].as_array().unwrap() {
            after += 1;
            assert_eq!(
                event["position"], after,
                "the reader was made to skip an event"
            );
            ids.extend(event["report_id"].as_str().map(str::to_owned));
        }
        assert_eq!(seen["next"], after);
        if last_look && seen["head"] == after {
            return ids;
        }
    }
}

on_both! {
    async fn what_others_counted_in_between_is_in_the_count_of_an_answer(engine: Engine) {
        let site = Site::new(engine).await;
        let (here, there) = (store(&site).await, store(&site).await);
        let sent = [(&here, "login", 1), (&here, "pay", 1), (&there, "pay", 2), (&here, "login", 2), (&here, "login", 3), (&here, "pay", 3)];
        for (id, (store, step, count)) in (1_u8..).zip(sent) {
            let now = Micros(at("2026-03-28T12:00:00Z").0 + i64::from(id));
            let reports = [incoming(&numbered(id.into(), "openai", step), "k")];
            let stored = store.record_reports(&workspace(), &reports, now).await.unwrap();
            assert_eq!(stored.outcomes, [Outcome::Accepted { day: now.day(), count }], "report {id}");
        }
        here.close().await;
        there.close().await;
        site.assert_clean().await;
    }

    async fn a_reader_of_the_log_never_misses_an_event(engine: Engine) {
        let servers = servers(engine).await;
        let (key, read) = (servers[0].create_key("ingest").await, servers[0].create_key("read").await);
        let done = Arc::new(AtomicBool::new(false));
        let mut readers = JoinSet::new();
        for (n, server) in servers.iter().cycle().take(3).enumerate() {
            readers.spawn(follow(server.clone(), read.clone(), done.clone(), [1000, 7, 100][n]));
        }
        let mut clients = JoinSet::new();
        for client in 0..12 {
            let (server, key) = (servers[client % servers.len()].clone(), key.clone());
            clients.spawn(async move {
                let mut sent: Vec<Value> = Vec::new();
                for n in 0..25 {
                    // Every third is one that this client sent before, so that flushes are undone and run again.
                    let again = n % 3 == 2;
                    let one = if again { sent[n / 2].clone() } else { report("openai", &format!("step-{}", n % 4)) };
                    let body = server.report(&key, &one).await;
                    assert_eq!(body["duplicate"], again);
                    if !again {
                        sent.push(one);
                    }
                }
                sent
            });
        }
        let mut acknowledged = HashSet::new();
        while let Some(sent) = clients.join_next().await {
            acknowledged.extend(sent.unwrap().iter().map(|one| one["report_id"].as_str().unwrap().to_owned()));
        }
        done.store(true, Ordering::Release);
        while let Some(ids) = readers.join_next().await {
            let ids = ids.unwrap();
            assert_eq!(ids.len(), acknowledged.len());
            assert_eq!(ids.into_iter().collect::<HashSet<_>>(), acknowledged);
        }
        finish(servers).await;
    }

    async fn the_same_reports_sent_to_every_server_at_once_are_counted_once(engine: Engine) {
        let servers = servers(engine).await;
        let (key, read) = (servers[0].create_key("ingest").await, servers[0].create_key("read").await);
        let reports: Vec<Value> = (0..60).map(|n| report("openai", &format!("step-{}", n % 3))).collect();
        let mut clients = JoinSet::new();
        for copy in 0..3 {
            let (server, key, mut reports) = (servers[copy % servers.len()].clone(), key.clone(), reports.clone());
            clients.spawn(async move {
                reports.rotate_left(copy);
                let (one_by_one, together) = reports.split_at(20);
                let mut first = 0;
                for one in one_by_one {
                    first += i64::from(server.report(&key, one).await["duplicate"] == false);
                }
                // An id twice within one body, too.
                let lines: String = together.iter().chain(&together[..5]).map(|one| format!("{one}\n")).collect();
                let answer: Value = server.send_lines(&key, &lines).await.json().await.unwrap();
                assert_eq!(answer["rejected"], json!([]));
                assert_eq!(answer["accepted"].as_i64().unwrap() + answer["duplicates"].as_i64().unwrap(), 45);
                first + answer["accepted"].as_i64().unwrap()
            });
        }
        let mut first = 0;
        while let Some(here) = clients.join_next().await {
            first += here.unwrap();
        }
        assert_eq!(first, 60, "each was new to exactly one of those who sent it");
        for server in &servers {
            let counted = server.get(&read, "/drift/batches").await;
            let counts: Vec<_> = counted["batches"].as_array().unwrap().iter().map(|batch| batch["count"].clone()).collect();
            assert_eq!(counts, [20, 20, 20]);
        }
        finish(servers).await;
    }

    async fn one_id_with_two_contents_is_one_report_and_one_conflict(engine: Engine) {
        let servers = servers(engine).await;
        let key = servers[0].create_key("ingest").await;
        for _ in 0..10 {
            let one = report("openai", "signup-form");
            let mut other = one.clone();
            other["scraper_version"] = json!("1.4.3");
            let (here, there) = (&servers[0], servers.last().unwrap());
            let (one, other) = tokio::join!(here.send(&key, &one), there.send(&key, &other));
            let mut statuses = [one.status().as_u16(), other.status().as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [202, 409]);
        }
        finish(servers).await;
    }

    async fn commands_work_beside_a_busy_server(engine: Engine) {
        let servers = servers(engine).await;
        let server = servers[0].clone();
        let key = server.create_key("ingest").await;
        let done = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for client in 0..4 {
            let (server, key, done) = (servers[client % servers.len()].clone(), key.clone(), done.clone());
            clients.spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    server.report(&key, &report("openai", "signup-form")).await;
                }
            });
        }
        for _ in 0..3 {
            let fresh = server.create_key("ingest").await;
            server.report(&fresh, &report("openai", "login")).await;
            server.site.assert_clean().await;
            let (one, two) = tokio::join!(server.create_key("read"), server.site.ok(&["export"]));
            server.get(&one, "/drift/batches").await;
            assert!(two.lines().last().unwrap().starts_with(r#"{"end""#));
        }
        done.store(true, Ordering::Relaxed);
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
        drop(server);
        finish(servers).await;
    }
}
