//! Reports: who agreed, what is sent, and that nothing a backend does reaches the caller.

use std::time::Duration;

use harness::agentkeys::files;
use harness::{Engine, FakeHttp, Machine, Reply, Server, eventually};
use serde_json::{Value, json};

const EVIDENCE: &str = "evidence:selector-missing:signup-form";

/// A tripwire whose caller had the backend's answer. On a machine that is busy with other tests it may come too late for
/// the first one, which then says `queued`.
async fn answered(machine: &Machine, state: &str) -> Value {
    eventually("the answer comes in time", async || {
        let answer = machine.provision().await.ended(3).json();
        (answer["report"] == state).then_some(answer)
    })
    .await
}

/// An answer as the contract has it.
fn accepted() -> Reply {
    Reply::json(
        202,
        &json!({"report_id": "x", "duplicate": false, "batch": {}, "known_issue": null}),
    )
}

#[tokio::test]
async fn a_tripwire_is_at_the_backend_shortly_after_the_command() {
    let (server, [ingest, read]) = Server::with_keys(Engine::Sqlite, ["ingest", "read"]).await;
    let machine = Machine::scraping(&[EVIDENCE]).reporting_to(&server.dsn(&ingest));
    let ran = machine.provision().await.ended(3);
    let report_id = ran.json()["report_id"].clone();
    let batch = eventually("the report is counted", async || {
        let batches = server.get(&read, "/drift/batches").await;
        batches["batches"].get(0).cloned()
    })
    .await;
    assert_eq!(
        (&batch["service"], &batch["step"], &batch["count"]),
        (&json!("openai"), &json!("signup-form"), &json!(1))
    );
    let events = server.get(&read, "/drift/events").await;
    let events = events["events"].as_array().unwrap();
    let received = events
        .iter()
        .find(|event| event["report_id"] == report_id)
        .unwrap();
    assert_eq!(received["data"]["scraper_version"], "1.4.2");
    assert_eq!(received["data"]["url_host"], "platform.openai.com");
    eventually("nothing waits", async || {
        machine.queue().is_empty().then_some(())
    })
    .await;
    machine.assert_secret(&[&ingest], &[&ran]);
    server.finish().await;
}

#[tokio::test]
async fn exactly_the_documented_fields_are_sent_and_only_by_those_who_agreed() {
    let backend = FakeHttp::start(|_| accepted()).await;
    for (name, value) in [
        ("AGENTKEYS_TELEMETRY", "0"),
        ("AGENTKEYS_TELEMETRY", "perhaps"),
        ("DO_NOT_TRACK", "1"),
    ] {
        let machine = Machine::scraping(&[EVIDENCE])
            .reporting_to(&backend.dsn())
            .with(name, value);
        let answer = machine.provision().await.ended(3).json();
        assert_eq!(answer["report"], "off", "{name}={value}");
        assert!(machine.queue().is_empty());
        let off = machine.report("timeout", &[]).await;
        assert!(off.ended(0).stderr.contains("not reported"));
    }
    assert!(backend.asked().is_empty());

    let machine = Machine::scraping(&[EVIDENCE]).reporting_to(&backend.dsn());
    let answer = answered(&machine, "sent").await;
    assert_eq!(answer["message"], "drift reported, fix pending");
    let mut asked = backend.asked();
    asked.retain(|request| request.reports()[0]["report_id"] == answer["report_id"]);
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("POST", "/drift/report")
    );
    assert_eq!(
        asked[0].header("authorization"),
        Some("Bearer drift_ingest_key")
    );
    assert_eq!(
        asked[0].json(),
        json!({
            "report_id": answer["report_id"], "service": "openai",
            "tripwire": {"kind": "selector-missing", "step": "signup-form"},
            "dom_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "url_host": "platform.openai.com", "scraper_version": "1.4.2",
        })
    );
}

#[tokio::test]
async fn an_issue_that_the_backend_knows_is_in_the_message() {
    let issue = json!({"state": "open", "number": 12, "url": "https://github.com/o/r/issues/12", "fixed_in": null});
    let backend = FakeHttp::start(move |_| Reply::json(202, &json!({"known_issue": issue}))).await;
    let machine = Machine::scraping(&[EVIDENCE]).reporting_to(&backend.dsn());
    let link = "https://github.com/o/r/issues/12";
    let answer = answered(&machine, "sent").await;
    assert_eq!(answer["known_issue"]["url"], link);
    let message = format!("drift reported, fix pending: {link}");
    assert_eq!(answer["message"], message);
    eventually("a person reads the same", async || {
        let ran = machine.run(&["provision", "openai"]).await.ended(3);
        ran.stdout.contains(&message).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_backend_in_trouble_costs_the_caller_nothing_but_a_moment_and_loses_no_report() {
    let elsewhere = FakeHttp::start(|_| accepted()).await;
    let moved = Reply::status(307).with("location", &format!("{}/drift/report", elsewhere.url()));
    let backend = FakeHttp::start(|_| Reply::HangUp).await;
    for (reply, why) in [
        (Reply::Silence, "no answer in time"),
        (Reply::Drip, "no answer in time"),
        (Reply::HangUp, "the connection broke"),
        (Reply::html(), "a web page"),
        (moved, "not followed"),
        (Reply::status(500), "status 500"),
        (Reply::status(503), "status 503"),
        (Reply::status(200), "not a drift tracker's"),
    ] {
        backend.now({
            let reply = reply.clone();
            move |_| reply.clone()
        });
        let machine = Machine::scraping(&[EVIDENCE]).reporting_to(&backend.dsn());
        let ran = machine.provision().await.ended(3);
        assert!(
            ran.took < Duration::from_secs(2),
            "{reply:?}: {:?}",
            ran.took
        );
        assert_eq!(ran.json()["report"], "queued", "{reply:?}");
        assert_eq!(ran.json()["message"], "drift reported, fix pending");
        let status = eventually("the courier has given up", async || {
            let status = machine.status().await;
            (status["failures"] == 1).then_some(status)
        })
        .await;
        assert!(
            status["last_error"].as_str().unwrap().contains(why),
            "{status:#}"
        );
        assert_eq!(status["waiting"], 1, "{reply:?}");
        // Once it is known to fail, nobody waits at all.
        let again = machine.provision().await.ended(3);
        assert_eq!(again.json()["report"], "queued");
        machine.assert_secret(&["drift_ingest_key"], &[&ran, &again]);
    }
    assert!(elsewhere.asked().is_empty(), "the key was handed on");
}

#[tokio::test]
async fn a_no_is_final_and_counted() {
    let no = json!({"type": "/docs/problems#invalid_key", "title": "x", "status": 401, "code": "invalid_key"});
    let backend = FakeHttp::start(move |_| Reply::json(401, &no)).await;
    let machine = Machine::scraping(&[EVIDENCE]).reporting_to(&backend.dsn());
    let answer = answered(&machine, "refused").await;
    assert!(
        answer["notes"][0].as_str().unwrap().contains("invalid_key"),
        "{answer:#}"
    );
    let tripped = machine.audit().len() / 3;
    let status = eventually("each is counted", async || {
        let status = machine.status().await;
        (status["dropped"]["refused"] == tripped).then_some(status)
    })
    .await;
    assert_eq!(status["waiting"], 0);
    assert_eq!(backend.asked().len(), tripped);
}

#[tokio::test]
async fn a_wrong_dsn_is_told_and_stops_nothing() {
    for dsn in ["", "nonsense-with-a-secret", "https://no-key.example/"] {
        let machine = Machine::scraping(&[EVIDENCE]).reporting_to(dsn);
        let ran = machine.provision().await.ended(3);
        let answer = ran.json();
        assert_eq!(answer["report"], "no_dsn");
        assert!(
            answer["notes"][0].as_str().unwrap().contains("DRIFT_DSN"),
            "{answer:#}"
        );
        // Here the report was the errand.
        let errand = machine.report("timeout", &[]).await.ended(2);
        machine.assert_secret(&["with-a-secret"], &[&ran, &errand]);
    }
    let machine = Machine::scraping(&[EVIDENCE]).with("AGENTKEYS_TELEMETRY", "1");
    std::fs::write(machine.path("dsn"), "http://key-in-a-file@127.0.0.1:1/\n").unwrap();
    let machine = machine.with("DRIFT_DSN_FILE", "dsn");
    assert_eq!(
        machine.provision().await.ended(3).json()["report"],
        "queued"
    );
}

#[tokio::test]
async fn a_tripwire_without_what_a_report_needs_is_answered_all_the_same() {
    let backend = FakeHttp::start(|_| accepted()).await;
    for (line, state) in [
        (
            r#"{"type":"tripwire","kind":"timeout","step":"login"}"#.to_owned(),
            "incomplete",
        ),
        (
            format!(
                r#"{{"type":"tripwire","kind":"timeout","step":"login","url":"http://127.0.0.1/","dom_digest":"{}"}}"#,
                "0".repeat(64)
            ),
            "incomplete",
        ),
        (
            format!(
                r#"{{"type":"tripwire","kind":"timeout","step":"sk-or-v1-8d5f6b0e1c9a7f3e2d4b6a8c0e1f3d5b","url":"http://a.example/","dom_digest":"{}"}}"#,
                "0".repeat(64)
            ),
            "held_back",
        ),
    ] {
        let machine = Machine::scraping(&[&format!("line:{line}")]).reporting_to(&backend.dsn());
        let answer = machine.provision().await.ended(3).json();
        assert_eq!(answer["report"], state, "{answer:#}");
        assert!(
            answer["notes"][0]
                .as_str()
                .unwrap()
                .starts_with("not reported")
        );
        assert!(machine.queue().is_empty());
    }
    assert!(backend.asked().is_empty());
}

#[tokio::test]
async fn a_script_reports_with_four_words() {
    let (server, [ingest, read]) = Server::with_keys(Engine::Sqlite, ["ingest", "read"]).await;
    let machine = Machine::default().reporting_to(&server.dsn(&ingest));
    let reported = machine.report("unexpected-nav", &["--json"]).await;
    let told = reported.ended(0).json();
    eventually("the report is counted", async || {
        let events = server.get(&read, "/drift/events").await;
        let events = events["events"].as_array().unwrap().clone();
        let event = events
            .into_iter()
            .find(|event| event["report_id"] == told["report_id"])?;
        assert_eq!(event["data"]["url_host"], "platform.openai.com");
        Some(())
    })
    .await;
    assert_eq!(machine.audit(), ["reported"]);
    let (url, digest) = ("https://platform.openai.com/", "1".repeat(64));
    for (kind, digest, url, named) in [
        ("broken", &*digest, url, "--kind"),
        ("timeout", "abc", url, "--digest"),
        ("timeout", &*digest, "http://127.0.0.1/", "--url"),
    ] {
        let words = format!(
            "report --service openai --step login --kind {kind} --digest {digest} --url {url}"
        );
        let words: Vec<&str> = words.split(' ').collect();
        let told = machine.run(&words).await.ended(2).stderr;
        assert!(told.contains(named), "{told}");
    }
    server.finish().await;
}

#[tokio::test]
async fn with_evidence_the_picture_goes_first_and_a_refusal_costs_only_the_picture() {
    let backend = FakeHttp::start(|request| match request.method.as_str() {
        "PUT" => {
            use sha2::{Digest as _, Sha256};
            let sha256 = hex::encode(Sha256::digest(&request.body));
            Reply::json(200, &json!({"sha256": sha256, "size": request.body.len()}))
        }
        _ => accepted(),
    })
    .await;
    let machine = Machine::scraping(&[EVIDENCE])
        .reporting_to(&backend.dsn())
        .with("AGENTKEYS_TELEMETRY", "evidence");
    answered(&machine, "sent").await;
    let asked = backend.asked();
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("PUT", "/drift/artifacts")
    );
    assert_eq!(asked[0].header("content-type"), Some("image/png"));
    assert!(
        asked[1].json()["screenshot_ref"]
            .as_str()
            .is_some_and(|digest| digest.len() == 64)
    );

    for reply in [Reply::status(404), Reply::status(500), Reply::Silence] {
        let backend = FakeHttp::start(move |request| match request.method.as_str() {
            "PUT" => reply.clone(),
            _ => accepted(),
        })
        .await;
        let machine = Machine::scraping(&[EVIDENCE])
            .reporting_to(&backend.dsn())
            .with("AGENTKEYS_TELEMETRY", "evidence");
        machine.provision().await.ended(3);
        eventually("the report arrives without its picture", async || {
            let asked = backend.asked();
            let report = asked.iter().find(|request| request.method == "POST")?;
            assert_eq!(report.json().get("screenshot_ref"), None::<&Value>);
            Some(())
        })
        .await;
        let status = eventually("it is counted", async || {
            let status = machine.status().await;
            (status["sent"] == 1).then_some(status)
        })
        .await;
        assert_eq!(status["dropped"]["pictures"], 1);
        assert!(files(&machine.home().join("telemetry/queue")).is_empty());
    }
}
