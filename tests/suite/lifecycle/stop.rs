//! How a server stops: without losing what it has promised, and not held up by anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::raw::{Connection, Request};
use harness::server::{Engine, Server, Site};
use harness::{eventually, on_both, report};
use serde_json::Value;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// What one client saw: the ids that were acknowledged, and all other answers.
#[derive(Default)]
struct Seen {
    accepted: Vec<String>,
    others: BTreeMap<String, u32>,
}

/// Reports one after the other until the server is gone, and says so when the first report is acknowledged.
async fn report_until_it_is_gone(
    client: reqwest::Client,
    url: String,
    key: String,
    begun: Arc<Barrier>,
) -> Seen {
    let mut seen = Seen::default();
    for number in 0.. {
        let one = report("openai", &format!("step-{}", number % 7));
        let sent = client.post(&url).bearer_auth(&key).json(&one).send().await;
        let Ok(answer) = sent else { break };
        let (status, wait) = (
            answer.status(),
            answer.headers().contains_key("retry-after"),
        );
        let Ok(body) = answer.json::<Value>().await else {
            break;
        };
        if status == 202 {
            seen.accepted
                .push(one["report_id"].as_str().unwrap().to_owned());
            if seen.accepted.len() == 1 {
                begun.wait().await;
            }
        } else {
            *seen
                .others
                .entry(format!("{status} {} {wait}", body["code"]))
                .or_default() += 1;
        }
    }
    seen
}

on_both! {
    async fn what_was_acknowledged_before_and_while_stopping_is_in_the_log(engine: Engine) {
        let (server, [key]) = Server::with_keys(engine, ["ingest"]).await;
        let mut clients = JoinSet::new();
        let begun = Arc::new(Barrier::new(16 + 1));
        for _ in 0..16 {
            clients.spawn(report_until_it_is_gone(
                harness::server::client(), server.url("/drift/report"), key.clone(), begun.clone(),
            ));
        }
        // Each client in the midst of it: on a busy machine some would not have begun when the stop comes.
        begun.wait().await;
        eventually("there is traffic", async || {
            let metrics = server.metrics().await;
            let line = metrics.lines().find(|line| line.starts_with("drift_reports_accepted_total "))?;
            (line.rsplit(' ').next()?.parse::<u32>().ok()? > 200).then_some(())
        }).await;

        let site = server.site.clone();
        let told = Instant::now();
        server.signal("TERM").await;
        let (code, log) = server.ended().await;
        // Clients that never pause do not keep it from stopping.
        assert!(told.elapsed() < Duration::from_secs(10), "took {:?}: {log}", told.elapsed());
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");

        let stored: BTreeSet<String> = site.ok(&["export"]).await.lines()
            .filter_map(|line| Some(serde_json::from_str::<Value>(line).unwrap()["report_id"].as_str()?.to_owned()))
            .collect();
        while let Some(seen) = clients.join_next().await {
            let seen = seen.unwrap();
            assert!(!seen.accepted.is_empty());
            for id in seen.accepted {
                assert!(stored.contains(&id), "{id} was acknowledged and is not in the log");
            }
            for answer in seen.others.keys() {
                assert_eq!(answer, "503 Service Unavailable \"shutting_down\" true");
            }
        }
        site.assert_clean().await;
    }
}

/// The head of a report and its first bytes; the rest never comes, or comes late.
fn half_a_report(key: &str) -> (Vec<u8>, Vec<u8>) {
    let body = report("openai", "signup-form").to_string();
    let mut whole = Request::post("/drift/report").key(key).json().body(&body);
    let rest = whole.split_off(whole.len() - body.len() / 2);
    (whole, rest)
}

/// A server with a client in the middle of its request.
async fn with_a_slow_client(deadline: &str) -> (Server, Connection, Vec<u8>) {
    let site = Site::new(Engine::Sqlite).await;
    let site = site
        .with("DRIFT_SHUTDOWN_DEADLINE", deadline)
        .with("DRIFT_BODY_DEADLINE", "60s");
    let server = site.start().await;
    let key = server.create_key("ingest").await;
    let mut connection = Connection::to(&server).await;
    let (half, rest) = half_a_report(&key);
    // A request before it, so that the key is known and the connection is taken.
    let one = Request::post("/drift/report")
        .key(&key)
        .json()
        .body(report("openai", "login").to_string());
    assert_eq!(connection.ask(&one).await.status, 202);
    connection.write(&half).await;
    // The server has seen the first half when it has answered something that came later.
    assert_eq!(
        Connection::to(&server)
            .await
            .ask(&Request::get("/healthz").end())
            .await
            .status,
        200
    );
    (server, connection, rest)
}

async fn stopping(server: &Server) {
    server.signal("TERM").await;
    eventually("the server stops", async || {
        server.log().contains("stopping: finishing").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_its_connection_closed() {
    let (server, mut connection, rest) = with_a_slow_client("20s").await;
    stopping(&server).await;
    let answer = connection.ask(&rest).await;
    assert_eq!(answer.status, 202, "{}", answer.head);
    connection.ended().await;
    let site = server.site.clone();
    assert_eq!(server.ended().await.0, Some(0));
    assert!(site.ok(&["export"]).await.contains("signup-form"));
    site.assert_clean().await;
}

#[tokio::test]
async fn a_slow_client_holds_the_stop_up_to_the_deadline_and_no_longer() {
    let (server, _connection, _) = with_a_slow_client("1s").await;
    let site = server.site.clone();
    let told = Instant::now();
    stopping(&server).await;
    let (code, log) = server.ended().await;
    let took = told.elapsed();
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(4)).contains(&took),
        "{took:?}: {log}"
    );
    assert_eq!(code, Some(0), "{log}");
    site.assert_clean().await;
}

#[tokio::test]
async fn told_twice_it_stops_at_once() {
    let (server, _connection, _) = with_a_slow_client("60s").await;
    let site = server.site.clone();
    stopping(&server).await;
    let again = Instant::now();
    server.signal("TERM").await;
    let (code, log) = server.ended().await;
    assert!(
        again.elapsed() < Duration::from_secs(1),
        "took {:?}: {log}",
        again.elapsed()
    );
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("stopped at once"), "{log}");
    site.assert_clean().await;
}

#[tokio::test]
async fn told_twice_it_does_not_wait_for_a_silent_collector_either() {
    // Accepts in the kernel's backlog, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let site = Site::new(Engine::Sqlite)
        .await
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    let server = site.start().await;
    server.signal("TERM").await;
    eventually("the server has stopped", async || {
        server.log().contains("stopped").then_some(())
    })
    .await;
    let again = Instant::now();
    server.signal("INT").await;
    let (code, log) = server.ended().await;
    assert!(
        again.elapsed() < Duration::from_secs(1),
        "took {:?}: {log}",
        again.elapsed()
    );
    assert_eq!(code, Some(1), "{log}");
}

#[tokio::test]
async fn viewers_and_idle_connections_do_not_hold_up_the_stop() {
    let (server, [key]) = Server::with_keys(Engine::Sqlite, ["read"]).await;
    let request = server
        .client
        .get(server.url("/drift/events"))
        .bearer_auth(&key);
    let mut viewer = request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(viewer.status(), 200);
    let mut idle = Connection::to(&server).await;
    assert_eq!(idle.ask(&Request::get("/healthz").end()).await.status, 200);
    let mut silent = Connection::to(&server).await;

    let told = Instant::now();
    server.stop().await;
    assert!(
        told.elapsed() < Duration::from_secs(3),
        "took {:?}",
        told.elapsed()
    );
    // In good order: not a cut in the middle of an event.
    assert_eq!(viewer.chunk().await.unwrap(), None);
    idle.ended().await;
    silent.ended().await;
}
