//! Whole flows: from the sign-up to the key, with the code that comes by mail; going on after a tripwire; cleaning up.

use harness::dovecot::{Dovecot, PASSWORD};
use harness::scraper::{Run, Scraper};
use harness::site::{Layout, OPENAI, OPENROUTER, RunningSite};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A provider whose mails arrive, and somebody who signs up there.
struct World {
    site: RunningSite,
    scraper: Scraper,
    _dovecot: Dovecot,
}

impl World {
    async fn new(layout: Layout, switches: &[&str]) -> Self {
        let dovecot = Dovecot::start().await;
        let maildir = dovecot.maildir("alice");
        let ca_file = dovecot.ca_file();
        Self {
            site: RunningSite::start(layout, switches, Some(&maildir)).await,
            scraper: Scraper::default()
                .with("AGENTKEYS_SIGNUP_EMAIL", "alice@mail.example")
                .with("AGENTKEYS_EMAIL_PASSWORD", PASSWORD)
                .with("AGENTKEYS_IMAP_SERVER", &dovecot.server())
                .with("AGENTKEYS_IMAP_CA_FILE", ca_file.to_str().expect("UTF-8")),
            _dovecot: dovecot,
        }
    }

    async fn run(&self, more: &[&str]) -> Run {
        self.scraper.run_at(&self.site, more).await
    }

    /// Whether the provider itself knows a key.
    async fn issued(&self, key: &Value) -> bool {
        let state = self.site.state().await;
        let mut keys = state["keys"].as_array().expect("keys").iter();
        keys.any(|issued| issued["secret"] == *key)
    }

    async fn cleanup(&self) -> (Option<i32>, String) {
        let flow = harness::scraper::shipped_flow(self.site.layout.service);
        let arguments = [
            "cleanup",
            flow.to_str().expect("UTF-8"),
            "--map",
            &self.site.mapping(),
        ];
        let output = self.scraper.output(&arguments).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.code(),
            text + &String::from_utf8_lossy(&output.stderr),
        )
    }
}

#[tokio::test]
async fn a_signup_ends_with_the_key_that_the_page_issued() {
    for layout in [OPENAI, OPENROUTER] {
        let world = World::new(layout, &[]).await;
        let run = world.run(&[]).await;
        assert_eq!(
            (run.ending().as_str(), run.code),
            ("success", Some(0)),
            "{}",
            run.errors
        );
        assert!(world.issued(&run.last()["api_key"]).await);
        let state = world.site.state().await;
        let address = &state["accounts"][0]["address"];
        assert!(
            address
                .as_str()
                .is_some_and(|address| address.starts_with("alice+d"))
        );
        let made = json!([
            {"type": "resource", "kind": "account", "id": address},
            {"type": "resource", "kind": "key", "id": "drift"},
        ]);
        assert_eq!(json!(run.resources()), made);
        // What later failures of the sign-up are compared with is its form, not the page that came after it was sent.
        let form = run.lines.iter().find(|line| line["step"] == "email-code");
        let form = form
            .and_then(|line| line["tree"].as_str())
            .unwrap_or_default();
        assert!(form.contains("textbox \"Email address\""), "{form}");
        let last = &run.lines[run.lines.len() - 2];
        assert!(
            last["step"] == "create-key" && last["tree"].is_string(),
            "{last}"
        );
        // The key stands in its own line, and nowhere else.
        let key = run.last()["api_key"].as_str().expect("a key");
        let others = &run.lines[..run.lines.len() - 1];
        assert!(!json!(others).to_string().contains(key) && !run.errors.contains(key));
    }
}

#[tokio::test]
async fn an_example_of_a_key_is_never_taken_for_one() {
    let world = World::new(OPENROUTER, &["decoy"]).await;
    let run = world.run(&[]).await;
    assert_eq!(run.ending(), "success", "{}", run.errors);
    assert!(world.issued(&run.last()["api_key"]).await);

    world.site.switch(&["decoy-only"]).await;
    let run = world.run(&[]).await;
    assert_eq!(
        run.ending(),
        "tripwire selector-missing create-key",
        "{}",
        run.errors
    );
}

#[tokio::test]
async fn a_key_that_the_provider_never_issued_opens_nothing() {
    // All that a page can tell is that it looks right. Whether it is, the provider's API says to whoever asks.
    let world = World::new(OPENROUTER, &["phantom"]).await;
    for (switch, opens) in [("phantom", 401), ("decoy", 200)] {
        world.site.switch(&[switch]).await;
        let run = world.run(&[]).await;
        assert_eq!(run.ending(), "success", "{}", run.errors);
        let key = run.last()["api_key"].as_str().expect("a key");
        let models = format!("{}/api/v1/models", world.site.base);
        let answer = harness::server::client()
            .get(models)
            .bearer_auth(key)
            .send()
            .await;
        assert_eq!(answer.expect("an answer").status(), opens, "{switch}");
    }
}

#[tokio::test]
async fn a_wrong_code_and_a_mail_that_never_comes_are_no_drift() {
    let world = World::new(OPENROUTER, &["wrong-otp"]).await;
    let run = world.run(&[]).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error wrong_otp", Some(1)),
        "{}",
        run.errors
    );

    world.site.switch(&["no-mail"]).await;
    let run = world.run(&["--step-deadline", "5s"]).await;
    assert_eq!(run.ending(), "error otp_timeout", "{}", run.errors);
}

#[tokio::test]
async fn a_tripped_flow_goes_on_where_it_stopped() {
    let world = World::new(OPENAI, &["decoy-only"]).await;
    let run = world.run(&[]).await;
    assert_eq!(
        run.ending(),
        "tripwire selector-missing create-key",
        "{}",
        run.errors
    );
    let token = run.last()["resume_token"]
        .as_str()
        .expect("a token")
        .to_owned();

    world.site.switch(&[]).await;
    let again = world.run(&["--resume", &token]).await;
    assert_eq!(again.ending(), "success", "{}", again.errors);
    assert!(world.issued(&again.last()["api_key"]).await);
    // The account is the first run's: nobody signed up twice.
    let state = world.site.state().await;
    assert_eq!(state["accounts"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        again.lines[0],
        json!({"type": "progress", "step": "create-key"})
    );

    // A token is good once, and says so.
    let third = world.run(&["--resume", &token]).await;
    assert_eq!(
        (third.ending().as_str(), third.code),
        ("error bad_resume_token", Some(2))
    );
}

#[tokio::test]
async fn cleanup_removes_what_runs_created() {
    let world = World::new(OPENAI, &[]).await;
    assert_eq!(world.run(&[]).await.ending(), "success");
    let (code, told) = world.cleanup().await;
    assert_eq!(code, Some(0), "{told}");
    let state = world.site.state().await;
    assert_eq!(
        (&state["accounts"], &state["keys"]),
        (&json!([]), &json!([])),
        "{told}"
    );
    assert!(
        told.contains("removed key drift") && told.contains("removed account alice+d"),
        "{told}"
    );

    let (code, told) = world.cleanup().await;
    assert_eq!(
        (code, told.contains("nothing to remove")),
        (Some(0), true),
        "{told}"
    );
}

#[tokio::test]
async fn what_a_tripped_run_created_is_removed_and_then_nobody_goes_on_with_it() {
    let world = World::new(OPENAI, &["decoy-only"]).await;
    let run = world.run(&[]).await;
    assert_eq!(
        run.ending(),
        "tripwire selector-missing create-key",
        "{}",
        run.errors
    );
    let token = run.last()["resume_token"].as_str().expect("a token");
    // A mistake costs nobody the token.
    let mistaken = world.run(&["--resume", token, "--until", "landing"]).await;
    assert_eq!(mistaken.ending(), "error bad_flow", "{}", mistaken.errors);

    let (code, told) = world.cleanup().await;
    assert_eq!(code, Some(0), "{told}");
    let state = world.site.state().await;
    assert_eq!(state["accounts"], json!([]), "{told}");
    let again = world.run(&["--resume", token]).await;
    assert_eq!(again.ending(), "error bad_resume_token");
    assert!(
        again.errors.contains("removed by a cleanup"),
        "{}",
        again.errors
    );
}

#[tokio::test]
async fn what_a_run_created_is_known_though_the_run_is_killed() {
    let world = World::new(OPENAI, &["decoy-only"]).await;
    let flow = harness::scraper::shipped_flow(OPENAI.service);
    let mut child = world.scraper.start(&[
        "run",
        flow.to_str().expect("UTF-8"),
        "--map",
        &world.site.mapping(),
    ]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    loop {
        let line = lines.next_line().await.expect("readable").expect("a line");
        if line.contains("\"create-key\"") {
            break;
        }
    }
    child.kill().await.expect("it was there");
    let (code, told) = world.cleanup().await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("removed account alice+d"), "{told}");
    assert_eq!(world.site.state().await["accounts"], json!([]));
}

#[tokio::test]
async fn a_run_stops_before_it_leaves_a_trace_when_asked_to() {
    let site = RunningSite::start(OPENAI, &[], None).await;
    let scraper = Scraper::default().with_address();
    let run = scraper.run_at(&site, &["--until", "last-safe"]).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error done", Some(0)),
        "{}",
        run.errors
    );
    assert_eq!(site.visits("/signup").await, 0);
    assert_eq!(run.resources(), Vec::<&Value>::new());
}
