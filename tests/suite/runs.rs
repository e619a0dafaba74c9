//! From a report to an issue and back, as the API decides it. The runner is played by hand.

mod asking;
mod behind;

use std::sync::Arc;

use harness::runner::{Held, Runner, issue, judged};
use harness::server::Site;
use harness::{Db, Server, eventually, on_both, report};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

const HASH: &str = "780a5726bba40e29925b8a4c32d3dfb2bf1357e6162418bbb587fc9ab4b1ff2f";

fn of_version(version: &str) -> Value {
    let mut one = report("openai", "signup-form");
    one["scraper_version"] = json!(version);
    one
}

/// One report was replayed, confirmed, and has its issue.
async fn with_an_issue(server: &Server, runner: &Runner<'_>, ingest: &str) {
    server
        .report(ingest, &report("openai", "signup-form"))
        .await;
    let held = runner.claim("openai").await;
    assert_eq!(
        runner.judge(&held, "signup-form", "confirmed").await,
        "open"
    );
    runner.done(&held, "signup-form", "open").await;
    runner.finish(&held).await;
}

async fn known(server: &Server, ingest: &str) -> Value {
    let path = "/drift/known?service=openai&step=signup-form";
    server.get(ingest, path).await["known_issue"].clone()
}

async fn fresh(server: &Server, read: &str) -> Vec<String> {
    let fresh = server.get(read, "/drift/fresh").await;
    let services = fresh["services"].as_array().unwrap().iter();
    services
        .flat_map(|service| service["batches"].as_array().unwrap())
        .map(|batch| {
            format!(
                "{} {}",
                batch["step"].as_str().unwrap(),
                batch["action"].as_str().unwrap()
            )
        })
        .collect()
}

on_both! {
    async fn a_report_becomes_one_issue_and_further_reports_are_counted_there(engine: Engine) {
        let (server, [ingest, read]) = Server::with_keys(engine, ["ingest", "read"]).await;
        let runner = Runner::at(&server).await;
        assert!(runner.tasks().await.is_empty());
        assert_eq!(runner.withheld("openai").await, "nothing");

        let first = server.report(&ingest, &report("openai", "signup-form")).await;
        assert_eq!(first["known_issue"], Value::Null);
        server.report(&ingest, &of_version("1.4.0")).await;
        assert_eq!(runner.tasks().await, ["openai signup-form replay"]);
        let held = runner.claim("openai").await;
        assert_eq!(held.tasks, [("signup-form".to_owned(), "replay".to_owned())]);
        let seen = &held.claimed["drifts"][0]["seen"];
        assert_eq!((&seen["reports"], &seen["fresh"]), (&json!(2), &json!(2)));
        assert_eq!(seen["kinds"], json!([{"value": "selector-missing", "count": 2}]));
        assert_eq!(seen["versions"], json!([{"value": "1.4.0", "count": 1}, {"value": "1.4.2", "count": 1}]));
        assert_eq!(seen["hosts"], json!([{"value": "platform.example.com", "count": 2}]));
        assert_eq!(seen["digests"], json!([{"value": "ab".repeat(32), "count": 2}]));

        assert_eq!(runner.judge(&held, "signup-form", "confirmed").await, "open");
        // Known from here on, handled only once the issue is there.
        let answer = server.report(&ingest, &report("openai", "signup-form")).await;
        assert_eq!(answer["known_issue"], json!({"state": "requested", "number": null, "url": null, "fixed_in": null}));
        assert_eq!(fresh(&server, &read).await, ["signup-form bump"]);
        runner.done(&held, "signup-form", "open").await;
        runner.finish(&held).await;
        let open = json!({"state": "open", "number": 7, "url": "issues/7.md", "fixed_in": null});
        assert_eq!(known(&server, &ingest).await, open);
        // One report came after the claim.
        assert_eq!(runner.tasks().await, ["openai signup-form bump"]);

        let held = runner.claim("openai").await;
        assert_eq!(held.tasks[0].1, "bump");
        assert_eq!(held.claimed["drifts"][0]["issue"], issue("open"));
        runner.done(&held, "signup-form", "bump").await;
        runner.finish(&held).await;
        assert!(runner.tasks().await.is_empty());
        assert!(fresh(&server, &read).await.is_empty());

        let answer = server.report(&ingest, &report("openai", "signup-form")).await;
        assert_eq!((&answer["known_issue"], &answer["batch"]["count"]), (&open, &json!(4)));
        assert_eq!(fresh(&server, &read).await, ["signup-form bump"]);
        server.finish().await;
    }

    async fn a_service_is_with_one_runner_at_a_time_and_who_is_late_changes_nothing(engine: Engine) {
        let (server, [ingest]) = Server::with_keys(engine, ["ingest"]).await;
        let mut first = Runner::at(&server).await;
        first.lease_seconds = 1;
        let second = Runner::at(&server).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        server.report(&ingest, &report("openrouter", "login")).await;

        let held = first.claim("openai").await;
        // Whether it is the lease that is asked first or not: this one is over soon, and then the work is free again.
        let (_, claimed) = second.ask(Uuid::new_v4(), "openrouter").await;
        assert_eq!(Held::of(&claimed).tasks[0].0, "login", "another service is free");
        let taken = eventually("the lease is over", async || {
            let (_, claimed) = second.ask(Uuid::new_v4(), "openai").await;
            let is_free = claimed["run"].is_object();
            assert!(is_free || claimed["withheld"]["reason"] == "leased", "{claimed}");
            is_free.then(|| Held::of(&claimed))
        }).await;
        assert!(taken.token > held.token);

        let head = Db::open(&server.site).await.number("SELECT position FROM event_heads").await;
        for (what, body) in [
            ("heartbeat", json!({"lease_seconds": 60})),
            ("passed", json!({"step": "login"})),
            ("left", json!({"kind": "account", "id": "acct-1"})),
            ("judged", judged("signup-form", "confirmed")),
            ("done", json!({"step": "signup-form", "task": "open", "issue": issue("open")})),
            ("finish", json!({"ending": "done"})),
        ] {
            let (status, answer) = first.say(&held, what, body).await;
            assert_eq!((status, answer["code"].as_str()), (StatusCode::CONFLICT, Some("lease_lost")), "{what}");
        }
        assert_eq!(Db::open(&server.site).await.number("SELECT position FROM event_heads").await, head);
        // A guessed token is no better.
        let guessed = Held { token: taken.token + 1, ..taken.clone() };
        assert_eq!(second.say(&guessed, "heartbeat", json!({"lease_seconds": 60})).await.0, StatusCode::CONFLICT);
        assert_eq!(second.judge(&taken, "signup-form", "confirmed").await, "open");
        server.finish().await;
    }

    async fn a_runner_that_shows_signs_of_life_keeps_its_work(engine: Engine) {
        let (server, [ingest]) = Server::with_keys(engine, ["ingest"]).await;
        let mut runner = Runner::at(&server).await;
        runner.lease_seconds = 1;
        server.report(&ingest, &report("openai", "signup-form")).await;
        let held = runner.claim("openai").await;
        let (status, _) = runner.say(&held, "heartbeat", json!({"lease_seconds": 60})).await;
        assert_eq!(status, StatusCode::OK);
        // Longer than the first lease.
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        assert_eq!(runner.withheld("openai").await, "leased");
        let work = runner.work().await;
        assert_eq!(work["services"][0]["withheld"]["reason"], "leased");
        runner.finish(&held).await;
        server.finish().await;
    }

    async fn everything_that_a_runner_says_it_may_say_twice(engine: Engine) {
        let (server, [ingest]) = Server::with_keys(engine, ["ingest"]).await;
        let runner = Runner::at(&server).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        let run = Uuid::new_v4();
        let (_, once) = runner.ask(run, "openai").await;
        let (_, twice) = runner.ask(run, "openai").await;
        assert_eq!(once["run"], twice["run"]);
        let held = Held::of(&once);
        let mut head = 0;
        for (what, body) in [
            ("left", json!({"kind": "account", "id": "acct-1"})),
            ("passed", json!({"step": "open", "tree": "ef".repeat(32)})),
            ("judged", judged("signup-form", "confirmed")),
            ("done", json!({"step": "signup-form", "task": "open", "issue": issue("open")})),
            ("finish", json!({"ending": "done", "log_tail": "all well", "steps": [{"step": "signup-form", "millis": 12}]})),
        ] {
            let once = runner.say(&held, what, body.clone()).await;
            let after = Db::open(&server.site).await.number("SELECT position FROM event_heads").await;
            assert!(after > head, "{what}");
            head = after;
            let twice = runner.say(&held, what, body).await;
            assert_eq!(once.0, twice.0, "{what}");
            assert!(once.0.is_success(), "{what}: {}", once.1);
            assert_eq!(Db::open(&server.site).await.number("SELECT position FROM event_heads").await, head, "{what}");
        }
        // The run is over.
        assert_eq!(runner.ask(run, "openai").await.0, StatusCode::CONFLICT);
        server.finish().await;
    }

    async fn what_a_crash_left_open_is_finished_by_the_next_run(engine: Engine) {
        let (server, [ingest]) = Server::with_keys(engine, ["ingest"]).await;
        let mut runner = Runner::at(&server).await;
        runner.lease_seconds = 1;
        server.report(&ingest, &report("openai", "signup-form")).await;
        let held = runner.claim("openai").await;
        runner.judge(&held, "signup-form", "confirmed").await;
        // Here it dies. No replay is due, and none is needed.
        runner.budget = Value::Null;
        let taken = eventually("the lease is over", async || {
            let (_, claimed) = runner.ask(Uuid::new_v4(), "openai").await;
            claimed["run"].is_object().then(|| Held::of(&claimed))
        }).await;
        assert_eq!(taken.tasks, [("signup-form".to_owned(), "open".to_owned())]);
        assert_eq!(taken.claimed["drifts"][0]["proof"]["dom_digest"], "cd".repeat(32));
        runner.done(&taken, "signup-form", "open").await;
        runner.finish(&taken).await;
        assert!(runner.tasks().await.is_empty());
        server.finish().await;
    }

    async fn a_closed_issue_is_verified_once_and_older_scrapers_do_not_undo_the_fix(engine: Engine) {
        let (server, [ingest, read]) = Server::with_keys(engine, ["ingest", "read"]).await;
        let runner = Runner::at(&server).await;
        with_an_issue(&server, &runner, &ingest).await;
        assert_eq!(runner.work().await["ask"][0]["issue"], issue("open"));

        runner.observe("openai", HASH, "open").await;
        assert!(runner.tasks().await.is_empty());
        runner.observe("openai", HASH, "closed").await;
        runner.observe("openai", HASH, "closed").await;
        assert_eq!(known(&server, &ingest).await["state"], "closed");
        assert_eq!(runner.tasks().await, ["openai signup-form verify"]);

        let held = runner.claim("openai").await;
        assert_eq!(runner.judge(&held, "signup-form", "not_reproduced").await, "settle");
        runner.done(&held, "signup-form", "settle").await;
        runner.finish(&held).await;
        assert!(runner.tasks().await.is_empty());
        let fixed = known(&server, &ingest).await;
        assert_eq!((&fixed["state"], &fixed["fixed_in"]), (&json!("fixed"), &json!("1.4.3")));
        let path = "/drift/known?service=openai&step=signup-form";
        assert_eq!(server.get(&ingest, path).await["known"], false);

        let answer = server.report(&ingest, &of_version("1.4.2")).await;
        assert_eq!((&answer["batch"]["count"], &answer["known_issue"]), (&json!(2), &fixed));
        server.report(&ingest, &of_version("0.9.0")).await;
        assert!(fresh(&server, &read).await.is_empty());
        assert!(runner.tasks().await.is_empty());

        // One of the version that should be fine is a reason to look, and the same issue comes back.
        server.report(&ingest, &of_version("1.4.3")).await;
        assert_eq!(fresh(&server, &read).await, ["signup-form replay"]);
        let held = runner.claim("openai").await;
        assert_eq!(runner.judge(&held, "signup-form", "confirmed").await, "reopen");
        runner.done(&held, "signup-form", "reopen").await;
        runner.finish(&held).await;
        assert_eq!(known(&server, &ingest).await["state"], "open");
        assert!(fresh(&server, &read).await.is_empty());
        server.finish().await;
    }

    async fn a_fix_that_does_not_hold_reopens_the_issue(engine: Engine) {
        let (server, [ingest]) = Server::with_keys(engine, ["ingest"]).await;
        let runner = Runner::at(&server).await;
        with_an_issue(&server, &runner, &ingest).await;
        runner.observe("openai", HASH, "closed").await;
        let held = runner.claim("openai").await;
        assert_eq!(runner.judge(&held, "signup-form", "confirmed").await, "reopen");
        runner.done(&held, "signup-form", "reopen").await;
        runner.finish(&held).await;
        assert_eq!(known(&server, &ingest).await["state"], "open");
        assert!(runner.tasks().await.is_empty());
        // An issue that somebody deletes is opened anew when the step is reported again.
        runner.observe("openai", HASH, "gone").await;
        assert_eq!(known(&server, &ingest).await, Value::Null);
        server.report(&ingest, &report("openai", "signup-form")).await;
        let held = runner.claim("openai").await;
        assert_eq!(runner.judge(&held, "signup-form", "confirmed").await, "open");
        server.finish().await;
    }

    async fn a_run_that_says_nothing_about_the_page_handles_nothing(engine: Engine) {
        let (server, [ingest, read]) = Server::with_keys(engine, ["ingest", "read"]).await;
        let mut runner = Runner::at(&server).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        let held = runner.claim("openai").await;
        assert_eq!(runner.judge(&held, "signup-form", "infra").await, Value::Null);
        runner.finish(&held).await;
        assert_eq!(fresh(&server, &read).await, ["signup-form replay"]);
        // With a cool-down the next try waits.
        runner.budget = json!({"per_day": 100, "cooldown_seconds": 3_600});
        assert_eq!(runner.withheld("openai").await, "backoff");
        runner.budget = json!({"per_day": 1, "cooldown_seconds": 0});
        assert_eq!(runner.withheld("openai").await, "budget");
        runner.budget = Value::Null;
        assert_eq!(runner.withheld("openai").await, "no-scraper");
        runner.budget = json!({"per_day": 2, "cooldown_seconds": 0});
        let held = runner.claim("openai").await;
        assert_eq!(runner.judge(&held, "signup-form", "not_reproduced").await, Value::Null);
        runner.finish(&held).await;
        assert!(fresh(&server, &read).await.is_empty());
        server.finish().await;
    }

    async fn of_many_who_ask_at_once_one_gets_the_work(engine: Engine) {
        let server = Arc::new(Server::on(engine).await);
        let (ingest, key) = (server.create_key("ingest").await, server.create_key("runner").await);
        server.report(&ingest, &report("openai", "signup-form")).await;
        let mut asking = JoinSet::new();
        for _ in 0..20 {
            let (server, key) = (server.clone(), key.clone());
            asking.spawn(async move {
                let claim = json!({"run": Uuid::new_v4(), "service": "openai", "runner": "one of many", "lease_seconds": 60,
                    "budget": {"per_day": 100, "cooldown_seconds": 0}});
                let answer: Value = server.post("/drift/runs", &key, &claim).send().await.unwrap().json().await.unwrap();
                assert!(answer["run"].is_object() || answer["withheld"]["reason"] == "leased", "{answer}");
                answer["run"].is_object()
            });
        }
        let runs = asking.join_all().await.into_iter().filter(|got| *got).count();
        assert_eq!(runs, 1);
        Arc::into_inner(server).unwrap().finish().await;
    }

    async fn what_does_not_fit_the_run_is_refused(engine: Engine) {
        let (server, [ingest]) = Server::with_keys(engine, ["ingest"]).await;
        let runner = Runner::at(&server).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        let held = runner.claim("openai").await;
        let mut without_proof = judged("signup-form", "confirmed");
        without_proof.as_object_mut().unwrap().remove("proof");
        let mut with_a_secret = judged("signup-form", "confirmed");
        with_a_secret["api_key"] = json!("sk-live-1234567890");
        for (what, body, expected) in [
            ("judged", judged("another-step", "confirmed"), (409, "run_conflict")),
            ("judged", without_proof, (422, "invalid_body")),
            ("judged", with_a_secret, (422, "invalid_body")),
            ("judged", json!({"step": "signup-form", "verdict": "perhaps"}), (422, "invalid_body")),
            ("done", json!({"step": "signup-form", "task": "open", "issue": issue("open")}), (409, "run_conflict")),
            ("done", json!({"step": "signup-form", "task": "bump", "issue": issue("open")}), (409, "run_conflict")),
            ("heartbeat", json!({}), (422, "invalid_body")),
        ] {
            let (status, answer) = runner.say(&held, what, body.clone()).await;
            assert_eq!((status.as_u16(), answer["code"].as_str()), (expected.0, Some(expected.1)), "{what} {body}");
            assert!(!answer.to_string().contains("sk-live"), "{answer}");
        }
        assert_eq!(runner.judge(&held, "signup-form", "not_reproduced").await, Value::Null);
        let (status, answer) = runner.say(&held, "judged", judged("signup-form", "confirmed")).await;
        assert_eq!((status, answer["code"].as_str()), (StatusCode::CONFLICT, Some("run_conflict")));
        let unknown = Held { run: "no-uuid".to_owned(), ..held };
        assert_eq!(runner.say(&unknown, "finish", json!({"ending": "done"})).await.0, StatusCode::NOT_FOUND);
        server.finish().await;
    }

    async fn every_drift_is_listed_whether_it_was_only_reported_or_looked_at(engine: Engine) {
        let (server, [ingest, read]) = Server::with_keys(engine, ["ingest", "read"]).await;
        let runner = Runner::at(&server).await;
        with_an_issue(&server, &runner, &ingest).await;
        for (service, step) in [("openai", "login"), ("openrouter", "login"), ("openrouter", "otp"), ("a", "z")] {
            server.report(&ingest, &report(service, step)).await;
            server.report(&ingest, &report(service, step)).await;
        }
        let all = ["a z unconfirmed 2", "openai login unconfirmed 2", "openai signup-form open 1", "openrouter login unconfirmed 2", "openrouter otp unconfirmed 2"];
        let lines = |page: &Value| -> Vec<String> {
            let drifts = page["drifts"].as_array().unwrap().iter();
            drifts.map(|d| format!("{} {} {} {}", d["service"].as_str().unwrap(), d["step"].as_str().unwrap(), d["stage"].as_str().unwrap(), d["reports"])).collect()
        };
        let whole = server.get(&read, "/drift/drifts").await;
        assert_eq!((lines(&whole), &whole["next"]), (all.map(str::to_owned).to_vec(), &Value::Null));
        for limit in 1..=5 {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = server.get(&read, &format!("/drift/drifts?limit={limit}{cursor}")).await;
                found.extend(lines(&page));
                let Some(next) = page["next"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found, all, "in pages of {limit}");
        }
        assert_eq!(lines(&server.get(&read, "/drift/drifts?service=openai").await), all[1..3]);
        assert_eq!(lines(&server.get(&read, "/drift/drifts?service=none").await).len(), 0);

        let one = server.get(&read, &format!("/drift/drifts/openai/{HASH}")).await;
        assert_eq!((&one["step"], &one["verdict"], &one["known_issue"]["number"]), (&json!("signup-form"), &json!("confirmed"), &json!(7)));
        assert_eq!(one["seen"]["kinds"], json!([{"value": "selector-missing", "count": 1}]));
        let kinds: Vec<_> = one["moments"].as_array().unwrap().iter().map(|moment| moment["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["drift-judged", "issue-requested", "issue-written"]);
        let reported = drift_schema::Step::parse("otp").unwrap().hash();
        assert_eq!(server.get(&read, &format!("/drift/drifts/openrouter/{reported}")).await["stage"], "unconfirmed");
        for path in [format!("/drift/drifts/openai/{reported}"), "/drift/drifts/openai/x".to_owned(), format!("/drift/drifts/Open_AI/{HASH}")] {
            let answer = server.client.get(server.url(&path)).bearer_auth(&read).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        }
        server.finish().await;
    }

    async fn erasing_reports_takes_their_facts_along(engine: Engine) {
        let (server, [ingest, leaked]) = Server::with_keys(engine, ["ingest", "ingest"]).await;
        let runner = Runner::at(&server).await;
        server.report(&ingest, &of_version("1.4.2")).await;
        server.report(&leaked, &of_version("6.6.6")).await;
        let versions = async |runner: &Runner<'_>| {
            let held = runner.claim("openai").await;
            runner.judge(&held, "signup-form", "infra").await;
            runner.finish(&held).await;
            held.claimed["drifts"][0]["seen"]["versions"].clone()
        };
        assert_eq!(versions(&runner).await.as_array().unwrap().len(), 2);
        let id = leaked.split('_').nth(1).unwrap();
        server.site.ok(&["erase", "--key", id]).await;
        assert_eq!(versions(&runner).await, json!([{"value": "1.4.2", "count": 1}]));
        server.finish().await;
    }
}

#[tokio::test]
async fn the_tables_of_runs_and_drifts_are_derived_from_the_log_like_all_others() {
    for engine in [harness::Engine::Sqlite, harness::Engine::Postgres] {
        let server = Site::new(engine).await.start().await;
        let ingest = server.create_key("ingest").await;
        let runner = Runner::at(&server).await;
        with_an_issue(&server, &runner, &ingest).await;
        runner.observe("openai", HASH, "closed").await;
        let site = server.stop().await;
        let mut db = Db::open(&site).await;
        let before = db.texts("SELECT state FROM drifts UNION ALL SELECT state FROM runs UNION ALL SELECT state FROM services").await;
        for damage in [
            "UPDATE drifts SET stage = 'open'",
            "DELETE FROM runs",
            "UPDATE services SET state = '{}'",
        ] {
            db.must(damage).await;
        }
        let found = site.run(&["verify", "--json"]).await;
        let found: Value = serde_json::from_slice(&found.stdout).unwrap();
        assert_eq!(
            (
                &found["clean"],
                &found["workspaces"][0]["differing_lifecycle"]
            ),
            (&json!(false), &json!(3))
        );
        site.ok(&["rebuild"]).await;
        site.assert_clean().await;
        let after = db.texts("SELECT state FROM drifts UNION ALL SELECT state FROM runs UNION ALL SELECT state FROM services").await;
        assert_eq!(before, after);
    }
}
