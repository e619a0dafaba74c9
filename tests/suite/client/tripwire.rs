//! A page has changed: a calm answer, and everything that is needed to go on.

use std::os::unix::fs::PermissionsExt as _;

use harness::Machine;
use harness::agentkeys::files;
use harness::otlp::Collector;
use serde_json::{Value, json};

const TOKEN: &str = "0199aa00-0000-7000-8000-000000000001";

#[tokio::test]
async fn a_tripwire_leaves_its_state_and_a_calm_answer() {
    let machine = Machine::scraping(&[
        "progress:signup-form",
        "resource:account:acct_1",
        "evidence:selector-missing:signup-form",
    ]);
    let ran = machine.provision().await.ended(3);
    let answer = ran.json();
    for (field, value) in [
        ("outcome", "needs_fallback"),
        ("code", "NEEDS_FALLBACK"),
        ("token", TOKEN),
        ("tier", "none_configured"),
        ("kind", "selector-missing"),
        ("step", "signup-form"),
        ("report", "off"),
    ] {
        assert_eq!(answer[field], value, "{answer:#}");
    }
    let file = machine.home().join(format!("fallback/{TOKEN}.json"));
    assert_eq!(answer["fallback_file"], file.to_str().unwrap());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept["resume_token"], TOKEN);
    assert_eq!(kept["state"]["tree"], "main\n  button");
    assert!(
        kept["state"]["screenshot_b64"]
            .as_str()
            .unwrap()
            .starts_with("iVBOR")
    );
    assert_eq!(
        kept["resources"],
        json!([{"kind": "account", "id": "acct_1"}])
    );
    assert_eq!(
        machine.audit(),
        [
            "started",
            "tripwire",
            "finished needs_fallback NEEDS_FALLBACK"
        ]
    );

    let metrics = std::fs::read_to_string(machine.home().join("metrics.jsonl")).unwrap();
    let fired: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert_eq!(fired["metric"], "TripWireFired");
    assert_eq!(
        (&fired["url_host"], &fired["tree_lines"]),
        (&json!("platform.openai.com"), &json!(2))
    );
    // The whole address, with its session, is in the fallback file alone.
    for file in files(&machine.home()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let fallback = file.starts_with(machine.home().join("fallback"));
        assert_eq!(text.contains("s3cr3t"), fallback, "{}", file.display());
    }
}

#[tokio::test]
async fn for_a_person_it_is_three_lines() {
    let machine = Machine::scraping(&["evidence:selector-missing:signup-form"]);
    let ran = machine.run(&["provision", "openai"]).await.ended(3);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].starts_with("openai: no drift reported, fix pending"),
        "{lines:?}"
    );
    assert_eq!(
        lines[1],
        "the page has changed at step signup-form (selector-missing)"
    );
    assert_eq!(lines[2], format!("resume token: {TOKEN}"));
    assert_eq!(ran.stderr, "");
    let audit = machine.run(&["audit", "--last", "2"]).await.ended(0).stdout;
    assert!(audit.contains(&format!(
        "tripwire at signup-form (selector-missing), token {TOKEN}"
    )));
    assert_eq!(audit.lines().count(), 2);
}

#[tokio::test]
async fn a_scraper_without_a_token_gets_one() {
    let machine = Machine::scraping(&[
        "line:{\"type\":\"tripwire\",\"kind\":\"timeout\",\"step\":\"login\"}",
    ]);
    let answer = machine.provision().await.ended(3).json();
    let token = answer["token"].as_str().unwrap();
    assert!(
        machine
            .home()
            .join(format!("fallback/{token}.json"))
            .exists()
    );
}

#[tokio::test]
async fn a_state_that_cannot_be_kept_is_said_and_changes_nothing_else() {
    let machine = Machine::scraping(&["evidence:timeout:login"]);
    std::fs::create_dir(machine.home()).unwrap();
    std::fs::write(machine.home().join("fallback"), "in the way").unwrap();
    let answer = machine.provision().await.ended(3).json();
    assert_eq!(answer["token"], TOKEN);
    assert!(answer.get("fallback_file").is_none());
    assert!(
        answer["notes"][0]
            .as_str()
            .unwrap()
            .contains("could not be kept"),
        "{answer:#}"
    );
}

#[tokio::test]
async fn a_collector_learns_of_it_and_nobody_waits_for_a_dead_one() {
    let collector = Collector::start();
    let machine = Machine::scraping(&["evidence:timeout:login"])
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint());
    machine.provision().await.ended(3);
    let fired = collector
        .metric("agentkeys.trip_wire_fired", |_| true)
        .await;
    assert_eq!(fired.at("service", "openai"), Some(1.0));
    let duration = collector
        .metric("agentkeys.provision.duration", |_| true)
        .await;
    assert_eq!(duration.at("tier_used", "scraper"), Some(1.0));
    assert_eq!(duration.unit, "s");
}

#[tokio::test]
async fn help_completions_and_the_manual_are_at_hand() {
    let machine = Machine::default();
    let help = machine.run(&["provision", "--help"]).await.ended(0).stdout;
    assert!(
        help.contains("Exit codes: 0") && help.contains("3 the page has changed"),
        "{help}"
    );
    let bash = machine.run(&["completions", "bash"]).await.ended(0).stdout;
    assert!(bash.contains("_agentkeys()"), "{bash}");
    let manual = machine.run(&["man"]).await.ended(0).stdout;
    assert!(
        manual.contains(".TH agentkeys") && manual.contains("provision"),
        "{manual}"
    );
}
