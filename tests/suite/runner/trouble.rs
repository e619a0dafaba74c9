//! Things that go wrong outside: scrapers, GitHub, the backend. Nothing is lost, and one line says why.

use super::*;
use harness::eventually;

on_both! {
    async fn what_says_nothing_about_the_page_opens_nothing(engine: Engine) {
        let mut world = World::on(engine).await;
        for (actions, verdict, code) in [
            (["progress:signup-form", "error:bot_wall"], "blocked", "bot_wall"),
            (["progress:signup-form", "error:bad_credentials"], "auth", "bad_credentials"),
            (["progress:signup-form", "line:nonsense"], "infra", "scraper_malformed_line"),
            (["progress:signup-form", "die"], "infra", "scraper_no_terminal_line"),
        ] {
            let service = format!("service-{}", code.replace('_', "-"));
            world.outpost.scraper(&service, &actions);
            world.report(&service, "signup-form").await;
            let summary = world.outpost.run(&["tick", "--json", "--service", &service]).await.ended(0).json();
            assert_eq!((&summary["drifts"][0]["verdict"], &summary["drifts"][0]["code"]), (&json!(verdict), &json!(code)), "{summary}");
        }
        assert!(world.github.issues().is_empty());
        world.finish().await;
    }

    async fn a_flow_that_ends_before_the_key_as_it_was_told_to_has_passed_its_steps(engine: Engine) {
        let mut world = World::on(engine).await;
        world.outpost.scraper("openai", &["progress:signup-form", "error:done"]);
        world.report("openai", "signup-form").await;
        let summary = world.outpost.tick().await;
        assert_eq!(summary["drifts"][0]["verdict"], "not_reproduced", "{summary}");
        world.finish().await;
    }

    async fn a_page_that_is_only_slow_is_tried_twice(engine: Engine) {
        let mut world = World::on(engine).await;
        let mark = world.outpost.path("second-time");
        // The first time it waits in vain, the second time it passes.
        let script = format!("test -e {0} && exec \"$0\" progress:signup-form success:sk-proj-Q7mN2xV9bK4tR8wZ1cY6; touch {0}; exec \"$0\" progress:signup-form tripwire:timeout:signup-form", mark.display());
        let fake = harness::agentkeys::program("fake-scraper");
        let command = serde_json::to_string(&["sh", "-c", &script, &fake.display().to_string()]).unwrap();
        std::fs::write(world.outpost.path("scrapers.toml"), format!("[scrapers.openai]\ncommand = {command}\n")).unwrap();
        world.report("openai", "signup-form").await;
        let summary = world.outpost.tick().await;
        assert_eq!(summary["drifts"][0]["verdict"], "not_reproduced", "{summary}");

        world.outpost.scraper("openai", &["progress:signup-form", "tripwire:timeout:signup-form"]);
        world.report("openai", "signup-form").await;
        let summary = world.outpost.tick().await;
        assert_eq!(summary["drifts"][0]["verdict"], "confirmed", "{summary}");
        assert_eq!(world.outpost.starts("openai"), 2);
        assert!(world.github.only_issue().body.contains("2 of 2 tries"));
        world.finish().await;
    }

    async fn what_a_replay_leaves_behind_is_removed_now_or_next_time(engine: Engine) {
        let mut world = World::on(engine).await;
        let told = world.outpost.path("told");
        let broken = world.outpost.path("broken");
        std::fs::write(&broken, "").unwrap();
        let cleanup = format!("test -e {} && exit 1; printf %s \"$DRIFT_LEFTOVERS\" > {}", broken.display(), told.display());
        let more = format!("budget = {{ per_day = 100, cooldown = \"1ms\" }}\ncleanup = {}", serde_json::to_string(&["sh", "-c", &cleanup]).unwrap());
        let actions = ["progress:signup-form", "resource:account:acct-17", "evidence:selector-missing:signup-form"];
        world.outpost.scraper_with("openai", &more, &actions);
        world.report("openai", "signup-form").await;
        world.outpost.tick().await;
        // The verdict does not wait for it.
        world.github.only_issue();
        assert!(!told.exists());
        std::fs::remove_file(&broken).unwrap();
        world.report("openai", "signup-form").await;
        world.outpost.tick().await;
        assert_eq!(std::fs::read_to_string(&told).unwrap(), "account acct-17\n");
        std::fs::remove_file(&told).unwrap();
        world.report("openai", "signup-form").await;
        world.outpost.tick().await;
        assert!(!told.exists(), "it is gone, and not asked for again");
        world.finish().await;
    }

    async fn a_scraper_that_goes_round_in_circles_does_not_keep_its_run_from_ending(engine: Engine) {
        let mut world = World::on(engine).await;
        let lines = world.outpost.path("lines");
        let round = ["look", "wait"].map(|step| format!("{}\n", json!({"type": "progress", "step": step}))).concat();
        std::fs::write(&lines, round.repeat(5_000)).unwrap();
        world.outpost.scraper("openai", &[&format!("file:{}", lines.display()), "progress:signup-form", "evidence:selector-missing:signup-form"]);
        world.report("openai", "signup-form").await;
        let summary = world.outpost.tick().await;
        assert_eq!(summary["drifts"][0]["action"], "opened", "{summary}");
        // Nobody waits for its lease, and the next replay is not held back.
        world.report("openai", "login").await;
        let summary = world.outpost.tick().await;
        assert_eq!(summary["drifts"][0]["step"], "login", "{summary}");
        world.finish().await;
    }

    async fn github_is_away_and_the_next_pass_finishes_without_another_replay(engine: Engine) {
        let mut world = World::on(engine).await;
        world.outpost.scraper("openai", &TRIPS);
        world.report("openai", "signup-form").await;
        world.github.state().down = true;
        let ran = world.outpost.run(&["tick", "--json"]).await.ended(1);
        let why = ran.json()["drifts"][0]["error"].as_str().unwrap().to_owned();
        assert!(why.contains("GitHub") && why.contains("cannot be reached"), "{why}");
        world.github.state().down = false;
        for (status, headers, message, words) in [
            (404, vec![], "Not Found", "issues: write"),
            (403, vec![("retry-after", "4000")], "secondary rate limit", "rate limit"),
            (403, vec![], "Resource not accessible by integration", "issues: write"),
        ] {
            world.github.refuse(1, "POST /repos/octo-org/scrapers/issues", status, &headers, message);
            let ran = world.outpost.run(&["tick", "--json"]).await.ended(1);
            let drifts = ran.json()["drifts"].clone();
            assert!(drifts[0]["error"].as_str().is_some_and(|why| why.contains(words)), "{drifts}");
        }
        assert!(world.github.issues().is_empty());
        let summary = world.outpost.tick().await;
        assert_eq!((&summary["drifts"][0]["task"], &summary["drifts"][0]["action"]), (&json!("open"), &json!("opened")));
        world.github.only_issue();
        assert_eq!(world.outpost.starts("openai"), 1, "the proof was kept");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_lease_that_was_lost_ends_the_run_at_once() {
    let mut world = World::on(Engine::Sqlite).await;
    let began = world.outpost.path("began");
    world.outpost.scraper(
        "openai",
        &[
            "progress:signup-form",
            &format!("touch:{}", began.display()),
            "sleep",
        ],
    );
    world.outpost.set("DRIFT_LEASE", "3s");
    world.report("openai", "signup-form").await;
    let runner = world.outpost.start(&["tick"]);
    eventually("the scraper runs", async || began.exists().then_some(())).await;
    // As when the machine sleeps: no heartbeat for longer than the lease.
    let id = runner.id().unwrap();
    let signal = async |name: &str| {
        let line = format!("kill -{name} {id}");
        assert!(
            tokio::process::Command::new("sh")
                .args(["-c", &line])
                .status()
                .await
                .unwrap()
                .success()
        );
    };
    signal("STOP").await;
    let mut second = Outpost::at(&world.server.base, &world.server.create_key("runner").await)
        .telling(&world.github.base());
    second.scraper("openai", &TRIPS);
    eventually("the other runner takes over", async || {
        second.run(&["tick"]).await;
        (!world.github.issues().is_empty()).then_some(())
    })
    .await;
    signal("CONT").await;
    let output = tokio::time::timeout(
        std::time::Duration::from_secs(30),
        runner.wait_with_output(),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(output.status.code(), Some(1));
    world.github.only_issue();
    world.finish().await;
}

#[tokio::test]
async fn without_a_backend_the_message_says_what_to_do() {
    let outpost = Outpost::at("http://127.0.0.1:1", "drift_k").with("DRIFT_API_PATIENCE", "200ms");
    let ran = outpost.run(&["tick"]).await.ended(1);
    assert!(
        ran.stderr.contains("http://127.0.0.1:1") && ran.stderr.contains("DRIFT_API_URL"),
        "{}",
        ran.stderr
    );
    let server = Server::on(Engine::Sqlite).await;
    let outpost = Outpost::at(&server.base, &server.create_key("read").await);
    let ran = outpost.run(&["replay", "--all"]).await;
    assert_eq!(ran.code, Some(0), "no scraper, nothing to claim");
    let mut outpost = Outpost::at(&server.base, &server.create_key("ingest").await);
    outpost.scraper("openai", &PASSES);
    let ran = outpost.run(&["tick"]).await.ended(1);
    assert!(ran.stderr.contains("insufficient_scope"), "{}", ran.stderr);
    server.finish().await;
}
