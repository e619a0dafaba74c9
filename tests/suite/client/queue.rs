//! What could not be sent waits, and goes out exactly once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::agentkeys::ran;
use harness::{Engine, FakeHttp, Machine, Reply, Server, eventually};
use serde_json::{Value, json};

const NOWHERE: &str = "http://drift_key@127.0.0.1:1/";
const EVIDENCE: &str = "evidence:selector-missing:signup-form";

fn accepted() -> Reply {
    Reply::json(202, &json!({"known_issue": null}))
}

/// As the real one answers a batch, whatever is in it.
fn taken(request: &harness::fake_http::Request) -> Reply {
    if request.path == "/drift/report" {
        return accepted();
    }
    let accepted = request.reports().len();
    Reply::json(
        200,
        &json!({"accepted": accepted, "duplicates": 0, "rejected": []}),
    )
}

async fn report(machine: &Machine) {
    machine.report("timeout", &[]).await.ended(0);
}

/// The courier of the last command is done: then nothing but the next command sends.
async fn failures(machine: &Machine, number: u64) {
    eventually("the courier has failed", async || {
        (machine.status().await["failures"] == number).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_backend_that_comes_back_gets_everything_exactly_once() {
    let mut machine = Machine::scraping(&[EVIDENCE]).reporting_to(NOWHERE);
    for number in 1..=5 {
        machine.provision().await.ended(3);
        failures(&machine, number).await;
    }
    let payloads = machine
        .run(&["telemetry", "show-payload"])
        .await
        .ended(0)
        .stdout;
    assert_eq!(payloads.lines().count(), 5);
    let first: Value = serde_json::from_str(payloads.lines().next().unwrap()).unwrap();
    assert_eq!(first["url_host"], "platform.openai.com");
    let cannot = machine.run(&["telemetry", "flush"]).await.ended(1);
    assert!(
        cannot.stdout.contains("5 still wait: cannot connect"),
        "{}",
        cannot.stdout
    );

    let (server, [ingest, read]) = Server::with_keys(Engine::Sqlite, ["ingest", "read"]).await;
    machine.set("DRIFT_DSN", &server.dsn(&ingest));
    let flushed = machine
        .run(&["telemetry", "flush", "--json"])
        .await
        .ended(0)
        .json();
    assert_eq!(
        flushed,
        json!({"sent": 5, "dropped": 0, "waiting": 0, "stopped": null})
    );
    let batches = server.get(&read, "/drift/batches").await;
    assert_eq!(batches["batches"][0]["count"], 5);
    // What was shown is what was sent.
    let events = server.get(&read, "/drift/events").await.to_string();
    for line in payloads.lines() {
        let payload: Value = serde_json::from_str(line).unwrap();
        assert!(events.contains(payload["report_id"].as_str().unwrap()));
    }
    let status = machine.status().await;
    assert_eq!(
        (&status["sent"], &status["failures"]),
        (&json!(5), &json!(0))
    );
    server.finish().await;
}

#[tokio::test]
async fn the_next_invocation_takes_along_what_waits() {
    let machine = Machine::scraping(&[EVIDENCE]).reporting_to(NOWHERE);
    machine.provision().await.ended(3);
    failures(&machine, 1).await;
    let backend = FakeHttp::start(taken).await;
    let machine = machine.with("DRIFT_DSN", &backend.dsn());
    machine.provision().await.ended(3);
    eventually("both are sent", async || {
        machine.queue().is_empty().then_some(())
    })
    .await;
    let sent: usize = backend
        .asked()
        .iter()
        .map(|request| request.reports().len())
        .sum();
    assert_eq!(sent, 2);
}

#[tokio::test]
async fn two_flushes_at_once_send_nothing_twice() {
    let machine = Machine::scraping(&[]).reporting_to(NOWHERE);
    for number in 1..=8 {
        report(&machine).await;
        failures(&machine, number).await;
    }
    let counts = Arc::<Mutex<BTreeMap<String, u32>>>::default();
    let backend = FakeHttp::start({
        let counts = counts.clone();
        move |request| {
            let mut counts = counts.lock().unwrap();
            for report in request.reports() {
                *counts.entry(report["report_id"].to_string()).or_default() += 1;
            }
            taken(request)
        }
    })
    .await;
    let machine = machine.with("DRIFT_DSN", &backend.dsn());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..6 {
        all.spawn(ran(machine.command(&["telemetry", "flush"])));
    }
    all.join_all().await;
    assert!(machine.queue().is_empty());
    let counts = counts.lock().unwrap();
    assert_eq!(
        (counts.len(), counts.values().max()),
        (8, Some(&1)),
        "{counts:?}"
    );
    drop(counts);
}

#[tokio::test]
async fn a_retry_has_the_same_id_and_a_lost_answer_counts_once() {
    let (server, [ingest, read]) = Server::with_keys(Engine::Sqlite, ["ingest", "read"]).await;
    // Between us and the server: the first answer is lost after its effect.
    let seen = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let middle = FakeHttp::start({
        let seen = seen.clone();
        move |request| {
            seen.lock().unwrap().push(request.body.clone());
            Reply::HangUp
        }
    })
    .await;
    let mut machine = Machine::scraping(&[EVIDENCE]).reporting_to(&middle.dsn());
    machine.provision().await.ended(3);
    failures(&machine, 1).await;
    let body = seen.lock().unwrap()[0].clone();
    let lost: Value = serde_json::from_slice(&body).unwrap();
    server.report(&ingest, &lost).await;

    machine.set("DRIFT_DSN", &server.dsn(&ingest));
    machine.run(&["telemetry", "flush"]).await.ended(0);
    let batches = server.get(&read, "/drift/batches").await;
    assert_eq!(batches["batches"][0]["count"], 1);
    server.finish().await;
}

#[tokio::test]
async fn a_server_that_asks_for_silence_gets_it() {
    let backend = FakeHttp::start(|_| Reply::status(429).with("retry-after", "3600")).await;
    let machine = Machine::scraping(&[EVIDENCE]).reporting_to(&backend.dsn());
    machine.provision().await.ended(3);
    failures(&machine, 1).await;
    machine.provision().await.ended(3);
    let flush = machine.run(&["telemetry", "flush"]).await.ended(1);
    assert!(
        flush.stderr.contains("asked for silence until"),
        "{}",
        flush.stderr
    );
    assert!(flush.stderr.contains("2 wait"), "{}", flush.stderr);
    assert_eq!(backend.asked().len(), 1);
}

#[tokio::test]
async fn after_the_silence_everything_goes() {
    let backend = FakeHttp::start(|_| Reply::status(503).with("retry-after", "1")).await;
    let machine = Machine::scraping(&[EVIDENCE]).reporting_to(&backend.dsn());
    machine.provision().await.ended(3);
    failures(&machine, 1).await;
    backend.now(taken);
    let drained = eventually("the second is over", async || {
        let flush = machine.run(&["telemetry", "flush"]).await;
        (flush.code == Some(0)).then_some(flush)
    })
    .await;
    assert_eq!(drained.stdout, "sent 1, 0 still wait\n");
}

#[tokio::test]
async fn a_clock_that_was_set_back_silences_nobody_for_good() {
    let backend = FakeHttp::start(taken).await;
    let machine = Machine::scraping(&[EVIDENCE]).reporting_to(NOWHERE);
    machine.provision().await.ended(3);
    failures(&machine, 1).await;
    // As a process in the year 2099 would have left it.
    let state = machine.home().join("telemetry/state.json");
    let far = json!({"failures": 3, "pause_until": "2099-01-01T00:00:00Z", "silent_until": "2099-01-01T00:00:00Z"});
    std::fs::write(state, far.to_string()).unwrap();
    let machine = machine.with("DRIFT_DSN", &backend.dsn());
    machine.run(&["telemetry", "flush"]).await.ended(0);
    assert_eq!(backend.asked().len(), 1);
}

#[tokio::test]
async fn a_damaged_entry_costs_itself_alone() {
    let machine = Machine::scraping(&[]).reporting_to(NOWHERE);
    for number in 1..=3 {
        report(&machine).await;
        failures(&machine, number).await;
    }
    let queue = machine.queue();
    let text = std::fs::read_to_string(&queue[0]).unwrap();
    std::fs::write(&queue[0], &text[..50]).unwrap();
    std::fs::write(
        &queue[1],
        text.replace("login", "login\",\"email\":\"a@b.example"),
    )
    .unwrap();
    let backend = FakeHttp::start(taken).await;
    let machine = machine.with("DRIFT_DSN", &backend.dsn());
    let flushed = machine
        .run(&["telemetry", "flush", "--json"])
        .await
        .ended(0)
        .json();
    assert_eq!(
        flushed,
        json!({"sent": 1, "dropped": 2, "waiting": 0, "stopped": null})
    );
    assert_eq!(machine.status().await["dropped"]["damaged"], 2);
    let sent: Vec<Value> = backend
        .asked()
        .iter()
        .flat_map(harness::fake_http::Request::reports)
        .collect();
    assert_eq!(sent.len(), 1);
    assert!(!sent[0].to_string().contains("a@b"));
}

#[tokio::test]
async fn a_line_that_is_refused_does_not_harm_its_neighbours() {
    let machine = Machine::scraping(&[]).reporting_to(NOWHERE);
    for number in 1..=3 {
        report(&machine).await;
        failures(&machine, number).await;
    }
    let verdicts = json!({"accepted": 1, "duplicates": 0, "rejected": [
        {"line": 1, "code": "pii_suspected", "field": "step"}, {"line": 3, "code": "overloaded", "field": null}]});
    let backend = FakeHttp::start(move |_| Reply::json(200, &verdicts)).await;
    let mut machine = machine;
    machine.set("DRIFT_DSN", &backend.dsn());
    let flushed = machine
        .run(&["telemetry", "flush", "--json"])
        .await
        .ended(1)
        .json();
    assert_eq!(
        (&flushed["sent"], &flushed["dropped"], &flushed["waiting"]),
        (&json!(1), &json!(1), &json!(1))
    );

    // One that knows no batches gets them one by one.
    report(&machine).await;
    backend.now(|request| match request.path.as_str() {
        "/drift/report" => accepted(),
        _ => Reply::status(404),
    });
    let flushed = eventually("nothing waits", async || {
        let flushed = machine.run(&["telemetry", "flush", "--json"]).await;
        (flushed.code == Some(0)).then_some(flushed)
    })
    .await;
    assert_eq!(flushed.json()["dropped"], 0);
}

#[tokio::test]
async fn status_says_what_a_person_wants_to_know() {
    let machine = Machine::scraping(&[EVIDENCE]).reporting_to(NOWHERE);
    let ran = machine.provision().await.ended(3);
    assert!(ran.took < Duration::from_secs(2));
    failures(&machine, 1).await;
    let status = machine.run(&["telemetry", "status"]).await.ended(0);
    for words in [
        "telemetry  on",
        "http://127.0.0.1:1/",
        "waiting    1",
        "last error cannot connect",
    ] {
        assert!(status.stdout.contains(words), "{}", status.stdout);
    }
    assert!(!status.stdout.contains("drift_key"), "{}", status.stdout);
}
