//! How a key is made, verified and kept, and how it is not.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::Arc;

use harness::agentkeys::{KEY, Machine, OTHER_KEY, interrupt, is_gone, ran};
use harness::{FakeHttp, Provider, Reply, eventually};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;

const MASK: &str = "sk-proj-****...1cY6";

#[tokio::test]
async fn a_new_key_is_verified_stored_and_shown_only_as_its_mask() {
    let provider = Provider::with(&[KEY]).await;
    let success = format!("success:{KEY}");
    let machine = Machine::scraping(&["progress:signup-form", "progress:api-keys", &success]);
    let machine = provider.for_machine(machine);
    let ran = machine.run(&["provision", "openai"]).await.ended(0);
    assert_eq!(ran.stdout, format!("{MASK}\n"));
    let file = machine.home().join("credentials/openai.json");
    assert!(
        ran.stderr.contains("signup-form\napi-keys\n"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains(file.to_str().unwrap()),
        "{}",
        ran.stderr
    );

    let stored: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(stored["api_key"], KEY);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(machine.audit(), ["started", "finished provisioned"]);
    machine.assert_secret(&[KEY], &[&ran]);
}

#[tokio::test]
async fn a_stored_key_that_still_works_is_all_there_is_to_it() {
    let provider = Provider::with(&[KEY, OTHER_KEY]).await;
    let first = format!("success:{KEY}");
    let mut machine = provider.for_machine(Machine::scraping(&[&first]));
    machine.provision().await.ended(0);

    let (second, began) = (
        format!("success:{OTHER_KEY}"),
        machine.file("touch", "began"),
    );
    machine.scraper("openai", "", &[&began, &second]);
    let again = machine.provision().await.ended(0).json();
    assert_eq!(
        (&again["outcome"], &again["key"]),
        (&json!("already_valid"), &json!(MASK))
    );
    assert!(!machine.path("began").exists(), "a second account was made");

    let forced = machine
        .run(&["provision", "openai", "--force", "--json"])
        .await;
    assert_eq!(forced.ended(0).json()["outcome"], "provisioned");
    assert!(machine.path("began").exists());

    // Revoked at the provider: the stored key is worth nothing, and a new one is made.
    provider.revoke(OTHER_KEY);
    machine.scraper("openai", "", &[&first]);
    let renewed = machine.provision().await.ended(0).json();
    assert_eq!(
        (&renewed["outcome"], &renewed["key"]),
        (&json!("provisioned"), &json!(MASK))
    );
}

#[tokio::test]
async fn a_key_that_is_not_proved_good_is_not_stored_and_each_reason_has_its_code() {
    let elsewhere = FakeHttp::start(|_| Reply::json(200, &json!({"data": []}))).await;
    let moved = Reply::status(307).with("location", &format!("{}/v1/models", elsewhere.url()));
    let provider = FakeHttp::start(|_| Reply::HangUp).await;
    let success = format!("success:{KEY}");
    let machine = Machine::scraping(&[&success]).with("AGENTKEYS_OPENAI_BASE_URL", &provider.url());
    for (reply, code, result) in [
        (Reply::status(401), "VERIFICATION_FAILED", "phantom"),
        (Reply::status(403), "VERIFICATION_FAILED", "phantom"),
        (
            Reply::status(429),
            "VERIFICATION_RATE_LIMITED",
            "rate_limited",
        ),
        (
            Reply::status(500),
            "VERIFICATION_ENDPOINT_DOWN",
            "endpoint_down",
        ),
        (Reply::HangUp, "VERIFICATION_ENDPOINT_DOWN", "endpoint_down"),
        (Reply::html(), "VERIFICATION_ENDPOINT_DOWN", "endpoint_down"),
        (moved, "VERIFICATION_ENDPOINT_DOWN", "endpoint_down"),
    ] {
        provider.now(move |_| reply.clone());
        let ran = machine.provision().await.ended(1);
        assert_eq!(ran.json()["code"], code);
        let metrics = std::fs::read_to_string(machine.home().join("metrics.jsonl")).unwrap();
        let told = format!("\"verification_result\":\"{result}\"");
        assert!(metrics.lines().last().unwrap().contains(&told), "{metrics}");
        machine.assert_secret(&[KEY], &[&ran]);
    }
    assert!(!machine.home().join("credentials/openai.json").exists());
    assert!(elsewhere.asked().is_empty(), "the key was handed on");
    let gone = machine.with("AGENTKEYS_OPENAI_BASE_URL", "http://127.0.0.1:1");
    assert_eq!(
        gone.provision().await.ended(1).json()["code"],
        "VERIFICATION_ENDPOINT_DOWN"
    );
}

#[tokio::test]
async fn a_stored_key_that_cannot_be_checked_is_not_replaced() {
    let provider = Provider::with(&[KEY]).await;
    let success = format!("success:{KEY}");
    let mut machine = provider.for_machine(Machine::scraping(&[&success]));
    machine.provision().await.ended(0);
    let began = machine.file("touch", "began");
    machine.scraper("openai", "", &[&began]);
    for (status, code) in [
        (503, "VERIFICATION_ENDPOINT_DOWN"),
        (429, "VERIFICATION_RATE_LIMITED"),
    ] {
        provider.http.now(move |_| Reply::status(status));
        let answer = machine.provision().await.ended(1).json();
        assert_eq!(answer["code"], code);
    }
    assert!(
        !machine.path("began").exists(),
        "an account was made for nothing"
    );
}

#[tokio::test]
async fn where_no_key_can_be_kept_none_is_made() {
    let success = format!("success:{KEY}");
    let mut machine = Machine::default();
    let began = machine.file("touch", "began");
    machine.scraper("openai", "", &[&began, &success]);
    std::fs::create_dir(machine.home()).unwrap();
    std::fs::write(machine.home().join("credentials"), "in the way").unwrap();
    assert_eq!(
        machine.provision().await.ended(1).json()["code"],
        "STORE_FAILED"
    );
    assert!(!machine.path("began").exists());
    assert_eq!(machine.audit(), ["started", "finished failed STORE_FAILED"]);
}

#[tokio::test]
async fn what_is_wrong_with_the_configuration_is_told_with_its_place() {
    let mut machine = Machine::default();
    let none = machine.run(&["provision", "openai"]).await.ended(2);
    assert!(none.stderr.contains("scrapers.toml"), "{}", none.stderr);

    machine.scraper("openrouter", "", &["sleep"]);
    let other = machine.provision().await.ended(2).json();
    assert_eq!(other["code"], "SCRAPER_NOT_CONFIGURED");

    machine.scraper("openai", "deadline = \"soon\"", &["sleep"]);
    let answer = machine.provision().await.ended(2).json();
    assert_eq!(answer["code"], "CONFIGURATION");
    let why = answer["message"].as_str().unwrap();
    assert!(why.contains("deadline") && why.contains("line "), "{why}");

    machine.run(&["provision", "Not A Service"]).await.ended(2);
    machine.run(&["provision"]).await.ended(2);

    // Of a service that nobody can verify a key of, none is made.
    machine.scraper("openai", "", &["sleep"]);
    let began = machine.file("touch", "began");
    machine.scraper("tiny", "", &[&began, &format!("success:{KEY}")]);
    let answer = machine.run(&["provision", "tiny", "--json"]).await.ended(1);
    assert_eq!(answer.json()["code"], "VERIFICATION_NOT_CONFIGURED");
    assert!(
        !machine.path("began").exists(),
        "an account was made for nothing"
    );
}

#[tokio::test]
async fn a_key_that_was_just_made_is_kept_though_somebody_says_stop() {
    let now = Arc::new(Notify::new());
    let good = Reply::json(200, &json!({"data": [{"id": "model-1"}]}));
    let held = Reply::When(now.clone(), Box::new(good));
    let provider = FakeHttp::start(move |_| held.clone()).await;
    let machine = Machine::scraping(&[&format!("success:{KEY}")])
        .with("AGENTKEYS_OPENAI_BASE_URL", &provider.url());
    let mut command = machine.command(&["provision", "openai", "--json"]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    eventually("the service is asked about the key", async || {
        (!provider.asked().is_empty()).then_some(())
    })
    .await;
    interrupt(&child).await;
    now.notify_one();
    let output = child.wait_with_output().await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["outcome"], "provisioned");
    assert!(machine.home().join("credentials/openai.json").exists());
    assert_eq!(machine.audit(), ["started", "finished provisioned"]);
}

#[tokio::test]
async fn only_one_provisioning_runs_and_a_killed_one_lets_go() {
    let mut machine = Machine::default();
    let (began, child) = (
        machine.file("touch", "began"),
        machine.file("detach", "child"),
    );
    machine.scraper("openrouter", "", &[&child, &began, "sleep"]);
    let tripwire = "tripwire:selector-missing:signup-form";
    machine.scraper("openai", "", &[tripwire]);
    let mut first = machine
        .command(&["provision", "openrouter"])
        .spawn()
        .unwrap();
    eventually("the first one runs", async || {
        machine.path("began").exists().then_some(())
    })
    .await;

    let second = machine.provision().await.ended(1).json();
    assert_eq!(second["code"], "PROVISION_IN_PROGRESS");
    assert_eq!(second["active_service"], "openrouter");

    first.kill().await.unwrap();
    eventually(
        "its scraper is gone, with all that it started",
        async || is_gone(&machine.path("child")).then_some(()),
    )
    .await;
    machine.provision().await.ended(3);
    let told = machine.run(&["audit"]).await.ended(0).stdout;
    assert!(told.contains("(no end is known)"), "{told}");
    assert!(told.contains("failed: PROVISION_IN_PROGRESS"), "{told}");
}

#[tokio::test]
async fn two_hundred_at_once_lose_no_line_and_no_report() {
    // Nobody listens there.
    let dsn = "http://drift_key@127.0.0.1:1/";
    let machine = Machine::scraping(&["tripwire:timeout:login"]).reporting_to(dsn);
    let mut all = JoinSet::new();
    for _ in 0..200 {
        all.spawn(ran(machine.command(&["provision", "openai", "--json"])));
    }
    let (mut tripped, mut refused) = (0, 0);
    while let Some(ran) = all.join_next().await {
        let ran = ran.unwrap();
        match ran.code {
            Some(3) => tripped += 1,
            Some(1) => {
                let answer = ran.json();
                assert_eq!(answer["code"], "PROVISION_IN_PROGRESS");
                assert_eq!(answer["active_service"], "openai");
                refused += 1;
            }
            _ => panic!("{ran:?}"),
        }
    }
    assert!(tripped > 0 && tripped + refused == 200);
    let audit = machine.audit();
    let count = |event: &str| audit.iter().filter(|line| line.starts_with(event)).count();
    assert_eq!((count("started"), count("finished")), (200, 200));
    assert_eq!(count("tripwire"), tripped);
    assert_eq!(machine.queue().len(), tripped);
}
