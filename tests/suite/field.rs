//! The field as it is: agentkeys, the browser scraper with a real Chromium, a provider's site, and the backend.

use harness::agentkeys::Machine;
use harness::dovecot::{Dovecot, PASSWORD};
use harness::scraper::shipped_flow;
use harness::site::{Layout, OPENAI, OPENROUTER, RunningSite, beside};
use harness::{Engine, Server, eventually};
use serde_json::json;

/// A machine whose scraper for this provider is ours, with a mailbox that can be read.
async fn machine(site: &RunningSite, dovecot: &Dovecot) -> Machine {
    let service = site.layout.service;
    let flow = shipped_flow(service);
    let command = json!([
        beside("drift-scraper-under-test"),
        "run",
        flow,
        "--map",
        site.mapping()
    ]);
    let granted = [
        ("AGENTKEYS_SIGNUP_EMAIL", "alice@mail.example".to_owned()),
        ("AGENTKEYS_EMAIL_PASSWORD", PASSWORD.to_owned()),
        ("AGENTKEYS_IMAP_SERVER", dovecot.server()),
        (
            "AGENTKEYS_IMAP_CA_FILE",
            dovecot.ca_file().display().to_string(),
        ),
        ("DRIFT_NO_SANDBOX", "true".to_owned()),
    ];
    let names = json!(granted.each_ref().map(|(name, _)| name));
    let base = format!("AGENTKEYS_{}_BASE_URL", service.to_uppercase());
    let mut machine = Machine::default().with(&base, &site.base);
    for (name, value) in &granted {
        machine.set(name, value);
    }
    let table = format!("[scrapers.{service}]\ncommand = {command}\ngrant = {names}\n");
    std::fs::write(machine.path("scrapers.toml"), table).unwrap();
    machine
}

async fn site(layout: Layout, switches: &[&str], dovecot: &Dovecot) -> RunningSite {
    RunningSite::start(layout, switches, Some(&dovecot.maildir("alice"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_page_shows_is_kept_only_if_it_opens_the_door() {
    let dovecot = Dovecot::start().await;
    let site = site(OPENROUTER, &["phantom"], &dovecot).await;
    let machine = machine(&site, &dovecot).await;
    let refused = machine
        .run(&["provision", "openrouter", "--json"])
        .await
        .ended(1);
    assert_eq!(
        refused.json()["code"],
        "VERIFICATION_FAILED",
        "{}",
        refused.stderr
    );
    assert!(!machine.home().join("credentials/openrouter").exists());

    site.switch(&["decoy"]).await;
    let kept = machine
        .run(&["provision", "openrouter", "--json"])
        .await
        .ended(0);
    let state = site.state().await;
    let issued = state["keys"].as_array().unwrap().last().unwrap();
    let key = issued["secret"].as_str().unwrap();
    machine.assert_secret(&[key], &[&refused, &kept]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_button_in_the_way_is_a_calm_answer_here_and_a_report_there() {
    let (server, [ingest, read]) = Server::with_keys(Engine::Sqlite, ["ingest", "read"]).await;
    let dovecot = Dovecot::start().await;
    let site = site(OPENAI, &["tos"], &dovecot).await;
    let dsn = server.base.replace("://", &format!("://{ingest}@"));
    let machine = machine(&site, &dovecot).await.reporting_to(&dsn);
    let tripped = machine
        .run(&["provision", "openai", "--json"])
        .await
        .ended(3);
    let answer = tripped.json();
    let token = answer["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    let state = machine.home().join(format!("fallback/{token}.json"));
    assert!(state.exists(), "{answer}");

    let batch = eventually("the report is there", async || {
        let fresh = server.get(&read, "/drift/fresh").await;
        fresh["services"][0]["batches"].get(0).cloned()
    })
    .await;
    assert_eq!(
        (&batch["step"], &batch["count"], &batch["action"]),
        (&json!("signup-form"), &json!(1), &json!("replay"))
    );
    server.finish().await;
}
