//! What the pages show, with data and without.

use harness::{Db, on_both};

use super::*;

on_both! {
    async fn a_page_with_nothing_to_show_says_what_to_do(engine: Engine) {
        let (server, [read]) = Server::with_keys(engine, ["read"]).await;
        let overview = Page::of(&server, &read, "/").await;
        overview.assert_says("No reports yet");
        overview.assert_says("drift-api key create --scope ingest --name my-scraper");
        overview.assert_says(&format!("curl {}/drift/report", server.base));
        overview.assert_says("No runner yet.");
        Page::of(&server, &read, "/runs").await.assert_says("drift-runner doctor");
        let events = Page::of(&server, &read, "/events").await;
        events.assert_says("not verified yet");
        events.assert_says("key-created");
        events.assert_says("Key made: read");
        Page::of(&server, &read, "/events?kind=run-claimed").await.assert_says("There are none of these in the log.");
        Page::of(&server, &read, "/?service=openai").await.assert_says("Nothing of openai is in the log");
        server.finish().await;
    }

    /// The command on the page is one that works.
    async fn the_first_report_of_the_empty_page_is_accepted(engine: Engine) {
        let (server, [read, ingest]) = Server::with_keys(engine, ["read", "ingest"]).await;
        let page = Page::of(&server, &read, "/").await;
        let command = page.html.split("<pre><code>").find(|it| it.starts_with("curl")).unwrap().split("</code>").next().unwrap();
        let command = command.replace("&#38;", "&").replace("&quot;", "\"");
        let shell = tokio::process::Command::new("sh").args(["-c", &command]).env("KEY", &ingest).output().await.unwrap();
        let said = String::from_utf8_lossy(&shell.stdout).into_owned();
        assert!(said.contains("\"duplicate\":false"), "{said}{}", String::from_utf8_lossy(&shell.stderr));
        let page = Page::of(&server, &read, "/").await;
        page.assert_says("Reported, and not looked at yet. The next tick replays it.");
        server.finish().await;
    }

    async fn what_no_replay_can_tell_is_somebodys_to_look_at_until_one_can(engine: Engine) {
        let (server, [read, ingest]) = Server::with_keys(engine, ["read", "ingest"]).await;
        let runner = Runner::at(&server).await;
        let wall = "A bot wall or a captcha stood in front of the page, so nobody knows what is behind it.";
        let judged = async |verdict| {
            server.report(&ingest, &report("openai", "signup-form")).await;
            let held = runner.claim("openai").await;
            runner.judge(&held, "signup-form", verdict).await;
            runner.finish(&held).await;
            Page::of(&server, &read, "/").await
        };
        judged("blocked").await.assert_says(wall);
        let drift = server.get(&read, &format!("/drift/drifts/openai/{HASH}")).await;
        assert_eq!(drift["stage"], "unconfirmed");
        judged("auth").await.assert_says("Check its credentials, then replay.");

        // As a server of an older version has left it.
        let migration = match engine {
            harness::Engine::Sqlite => include_str!("../../../schema/migrations/sqlite/0007_stuck.sql"),
            harness::Engine::Postgres => include_str!("../../../schema/migrations/postgres/0007_stuck.sql"),
        };
        let mut db = Db::open(&server.site).await;
        db.must("UPDATE drifts SET stage = 'unconfirmed'").await;
        db.must(migration).await;
        db.close().await;
        server.site.assert_clean().await;
        Page::of(&server, &read, "/").await.assert_says("Check its credentials, then replay.");

        server.report(&ingest, &report("openai", "signup-form")).await;
        Page::of(&server, &read, "/").await.assert_says("Reported, and not looked at yet.");
        let page = judged("not_reproduced").await;
        assert!(!page.html.contains(">signup-form<"), "nobody's any more");
        server.finish().await;
    }

    async fn a_drift_is_told_from_the_first_report_to_the_issue(engine: Engine) {
        let (server, [read, ingest, evidence]) = Server::with_keys(engine, ["read", "ingest", "runner"]).await;
        let runner = Runner::at(&server).await;
        let bad = GOOD.replace("button \"Create account\"", "button \"Continue\"");
        let run = broken(&server, &ingest, &runner, &evidence, &bad).await;
        server.report(&ingest, &report("openrouter", "login")).await;

        let overview = Page::of(&server, &read, "/").await;
        overview.assert_says("Broken, and known: issue #7 waits for a fix of the scraper.");
        overview.assert_says("Runner heard of just now");
        overview.assert_says("2 of 100");
        assert!(overview.html.contains(&format!("href=\"/drifts/openai/{HASH}\"")));
        // Whose turn it is decides the order.
        let (broken, waiting) = (overview.html.find(">signup-form<").unwrap(), overview.html.find(">login<").unwrap());
        assert!(broken < waiting);
        let one = Page::of(&server, &read, "/?service=openrouter").await;
        assert!(one.html.contains(">login<") && !one.html.contains(">signup-form<"));

        let drift = Page::of(&server, &read, &format!("/drifts/openai/{HASH}")).await;
        drift.assert_says("Broken, and known: issue #7 waits for a fix");
        drift.assert_says("is called \"Continue\" now");
        drift.assert_says("1 of 1 tries tripped (selector-missing)");
        drift.assert_says("with 1.4.1");
        // The cause, as the scraper has it.
        drift.assert_says("The scraper's last words: <script>alert('log')</script> run");
        drift.assert_says("Issue #7 opened");
        drift.assert_says("Not reproduced: the replay passed");
        drift.assert_says("2 reports");
        drift.assert_says("platform.example.com 2");
        assert!(drift.html.contains("width=\"1280\" height=\"720\""), "no size, so the page would jump");
        // A file is no link.
        assert!(!drift.html.contains("href=\"issues/7.md\"") && drift.html.contains("title=\"issues/7.md\""));
        let raw = server.get(&read, &format!("/drifts/openai/{HASH}/raw")).await;
        assert_eq!(raw, server.get(&read, &format!("/drift/drifts/openai/{HASH}")).await);

        let runs = Page::of(&server, &read, "/runs").await;
        runs.assert_says("replay: Confirmed");
        let page = Page::of(&server, &read, &format!("/runs/{run}")).await;
        page.assert_says("signup-form 20.1 s not passed");
        page.assert_says("waited for the button");
        page.assert_says("removed account acct-1");
        page.assert_says("Everything was dealt with.");
        server.finish().await;
    }

    async fn an_old_name_is_in_sight_for_as_long_as_its_issue_is_open(engine: Engine) {
        let (server, [read, ingest, evidence, admin]) = Server::with_keys(engine, ["read", "ingest", "runner", "admin"]).await;
        let runner = Runner::at(&server).await;
        broken(&server, &ingest, &runner, &evidence, "- main\n").await;
        let rename = json!({"action": "rename", "to": "sign-up"});
        let request = server.client.post(server.url(&format!("/drift/drifts/openai/{HASH}/actions")));
        let answer = request.bearer_auth(&admin).json(&rename).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);

        let overview = Page::of(&server, &read, "/").await;
        overview.assert_says("This step is called sign-up now, and what is reported of it is about that one. Issue #7 is still open");
        let drift = Page::of(&server, &read, &format!("/drifts/openai/{HASH}")).await;
        drift.assert_says("signup-form is called sign-up from now on by admin event");

        runner.observe("openai", HASH, "closed").await;
        let overview = Page::of(&server, &read, "/").await;
        assert!(!overview.html.contains(">signup-form<"), "{}", overview.text());
        let drift = Page::of(&server, &read, &format!("/drifts/openai/{HASH}")).await;
        assert!(!drift.text().contains("still open"), "{}", drift.text());
        server.finish().await;
    }

    async fn how_far_a_replay_by_hand_came_is_told(engine: Engine) {
        let (server, [read]) = Server::with_keys(engine, ["read"]).await;
        let runner = Runner::at(&server).await;
        for (service, passed, told) in [
            ("openai", &["open", "login"][..], "by hand: passed every step"),
            ("openrouter", &["open"], "by hand: did not pass login"),
        ] {
            let held = runner.claim_by_hand(service).await;
            for step in passed {
                runner.say(&held, "passed", json!({"step": step})).await;
            }
            let steps = ["open", "login"].map(|step| json!({"step": step, "millis": 5}));
            let (status, answer) = runner.say(&held, "finish", json!({"ending": "done", "steps": steps})).await;
            assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
            Page::of(&server, &read, "/runs").await.assert_says(told);
            Page::of(&server, &read, &format!("/runs/{}", held.run)).await.assert_says("For no drift in particular");
        }
        // Steps that pass, of which nobody ever reported anything.
        Page::of(&server, &read, "/?service=openai").await.assert_says("The last replay passed this step.");
        server.finish().await;
    }

    async fn the_log_is_read_backwards_by_kind_and_service(engine: Engine) {
        let (server, [read, ingest]) = Server::with_keys(engine, ["read", "ingest"]).await;
        for n in 0..60 {
            let service = if n % 2 == 0 { "openai" } else { "openrouter" };
            server.report(&ingest, &report(service, &format!("step-{n}"))).await;
        }
        let page = Page::of(&server, &read, "/events").await;
        assert_eq!(page.html.matches("<li id=\"e").count(), 50);
        let newest = page.html.find(">step-59<").unwrap();
        assert!(newest < page.html.find(">step-58<").unwrap());
        let older = page.html.split("href=\"/events?before=").nth(1).unwrap().split('"').next().unwrap();
        let older = Page::of(&server, &read, &format!("/events?before={older}")).await;
        older.assert_says("step-9 ");
        older.assert_says("Key made: ingest");
        assert!(!older.html.contains("step-10<") && !older.html.contains("data-live="));

        let theirs = Page::of(&server, &read, "/events?kind=&service=openrouter").await;
        assert_eq!(theirs.html.matches("<li id=\"e").count(), 30);
        assert!(!theirs.html.contains(">openai<"));
        let keys = Page::of(&server, &read, "/events?kind=but-reports").await;
        assert!(!keys.html.contains("report-received</span>"));
        keys.assert_says("Key made: read");
        let keys = Page::of(&server, &read, "/events?kind=key-created&service=").await;
        keys.assert_says("Key made: read");
        Page::of(&server, &read, "/events?kind=report-received&service=openai&before=3").await.assert_says("There are none of these");
        server.finish().await;
    }

    async fn a_runner_that_is_silent_for_hours_is_loud(engine: Engine) {
        let (server, [read]) = Server::with_keys(engine, ["read"]).await;
        let runner = Runner::at(&server).await;
        // Who only looks is no runner.
        server.get(&read, "/drift/runs/work").await;
        Page::of(&server, &read, "/").await.assert_says("No runner yet.");
        runner.work().await;
        Page::of(&server, &read, "/").await.assert_says("Runner heard of just now");
        let mut db = Db::open(&server.site).await;
        db.must("UPDATE runner_contacts SET seen_at = seen_at - 18000000000").await;
        let page = Page::of(&server, &read, "/").await;
        page.assert_says("No tick for long. A runner was last heard of 5 h ago.");
        assert!(page.html.contains("class=\"loud\""));
        server.finish().await;
    }

    async fn what_no_runner_takes_for_hours_needs_somebody(engine: Engine) {
        let (server, [read, ingest]) = Server::with_keys(engine, ["read", "ingest"]).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        let mut db = Db::open(&server.site).await;
        db.must("UPDATE batches SET first_seen = first_seen - 18000000000").await;
        for path in ["/", "/?service=openai", &format!("/drifts/openai/{HASH}")] {
            Page::of(&server, &read, path).await.assert_says("Reported hours ago, and no replay has looked at it");
        }
        Page::of(&server, &read, "/").await.assert_says("Needs somebody not looked at");
        server.site.ok(&["rebuild"]).await;
        server.finish().await;
    }

    async fn the_log_says_how_it_was_last_found(engine: Engine) {
        let (server, [read, ingest]) = Server::with_keys(engine, ["read", "ingest"]).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        server.site.assert_clean().await;
        let page = Page::of(&server, &read, "/events").await;
        page.assert_says("verified Last checked just now");
        page.assert_says("the chain is whole, and every table is what the log says.");
        server.report(&ingest, &report("openai", "signup-form")).await;
        Page::of(&server, &read, "/events").await.assert_says("1 event since.");
        let mut db = Db::open(&server.site).await;
        db.must("UPDATE batches SET count = 7").await;
        let output = server.site.run(&["verify"]).await;
        assert_eq!(output.status.code(), Some(1));
        let page = Page::of(&server, &read, "/events").await;
        page.assert_says("not clean");
        page.assert_says("chain whole, 1 batches");
        server.site.ok(&["rebuild"]).await;
        server.finish().await;
    }
}
