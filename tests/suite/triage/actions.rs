//! Each decision by a program, with what it does to the work, to what is fresh and to what clients are told; and how it
//! is taken back.

use harness::runner::{Runner, judged};
use harness::{Server, on_both, report};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// A server with the keys that a story needs.
struct Office {
    server: Server,
    ingest: String,
    admin: String,
}

fn hash(step: &str) -> String {
    drift_schema::Step::parse(step).unwrap().hash().to_string()
}

impl Office {
    async fn on(engine: harness::Engine) -> Self {
        let server = Server::on(engine).await;
        Self {
            ingest: server.create_key("ingest").await,
            admin: server.create_key("admin").await,
            server,
        }
    }

    async fn report(&self, step: &str, version: &str) -> Value {
        let mut one = report("openai", step);
        one["scraper_version"] = json!(version);
        self.server.report(&self.ingest, &one).await
    }

    /// The status, and the body if there is one.
    async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let answer = self.server.post(path, key, body).send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn decide(&self, step: &str, action: Value) -> (u16, Value) {
        let path = format!("/drift/drifts/openai/{}/actions", hash(step));
        self.post(&path, &self.admin, &action).await
    }

    /// What must be possible; the drift as it is then.
    async fn does(&self, step: &str, action: Value) -> Value {
        let (status, drift) = self.decide(step, action.clone()).await;
        assert_eq!(status, 200, "{action}: {drift}");
        drift
    }

    /// Why it cannot be done.
    async fn cannot(&self, step: &str, action: Value) -> String {
        let (status, problem) = self.decide(step, action.clone()).await;
        assert_eq!(
            (status, &problem["code"]),
            (409, &json!("action_conflict")),
            "{action}: {problem}"
        );
        problem["detail"].as_str().unwrap().to_owned()
    }

    async fn known(&self, step: &str) -> Value {
        let path = format!("/drift/known?service=openai&step={step}");
        self.server.get(&self.ingest, &path).await
    }

    async fn fresh(&self) -> Vec<String> {
        let fresh = self.server.get(&self.admin, "/drift/fresh").await;
        let services = fresh["services"].as_array().unwrap().iter();
        let batches = services.flat_map(|service| service["batches"].as_array().unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        batches
            .map(|batch| {
                format!(
                    "{} {} {}",
                    text(&batch["step"]),
                    text(&batch["action"]),
                    batch["count"]
                )
            })
            .collect()
    }

    /// Reported, replayed, confirmed: there is an issue.
    async fn with_an_issue(&self, runner: &Runner<'_>, step: &str) {
        self.report(step, "1.4.2").await;
        let held = runner.claim("openai").await;
        assert_eq!(runner.judge(&held, step, "confirmed").await, "open");
        runner.done(&held, step, "open").await;
        runner.finish(&held).await;
    }

    /// Types of the events about a drift, newest last.
    async fn moments(&self, step: &str) -> Vec<String> {
        let path = format!("/drift/drifts/openai/{}", hash(step));
        let details = self.server.get(&self.admin, &path).await;
        let moments = details["moments"].as_array().unwrap().iter();
        moments
            .map(|moment| moment["type"].as_str().unwrap().to_owned())
            .collect()
    }
}

on_both! {
    async fn somebody_who_wants_a_replay_gets_one_with_the_next_tick(engine: Engine) {
        let office = Office::on(engine).await;
        let mut runner = Runner::at(&office.server).await;
        office.with_an_issue(&runner, "signup-form").await;
        assert!(runner.tasks().await.is_empty());

        let drift = office.does("signup-form", json!({"action": "replay"})).await;
        assert!(drift["decided"]["replay_asked"].is_string(), "{drift}");
        assert_eq!(office.cannot("signup-form", json!({"action": "replay"})).await, "a replay was asked for already, and the next tick looks at it");
        office.does("signup-form", json!({"action": "drop-replay"})).await;
        assert!(runner.tasks().await.is_empty());
        office.cannot("signup-form", json!({"action": "drop-replay"})).await;

        office.does("signup-form", json!({"action": "replay"})).await;
        assert_eq!(runner.tasks().await, ["openai signup-form verify"]);
        assert_eq!(runner.work().await["services"][0]["drifts"][0]["asked"], true);
        // Nobody waits for a cool-down who asks; but nobody gets more than there is.
        runner.budget = json!({"per_day": 1, "cooldown_seconds": 3_600});
        assert_eq!(runner.withheld("openai").await, "budget");
        runner.budget = json!({"per_day": 9, "cooldown_seconds": 3_600});
        let held = runner.claim("openai").await;
        assert_eq!(held.tasks, [("signup-form".to_owned(), "verify".to_owned())]);
        assert_eq!(runner.judge(&held, "signup-form", "confirmed").await, "bump");
        runner.done(&held, "signup-form", "bump").await;
        runner.finish(&held).await;
        assert!(runner.tasks().await.is_empty(), "the verdict is the answer");
        assert_eq!(office.known("signup-form").await["known_issue"]["state"], "open");

        // With a drift that has no issue it is a replay, and it may find nothing.
        office.report("login", "1.4.2").await;
        runner.budget = json!({"per_day": 9, "cooldown_seconds": 0});
        let held = runner.claim("openai").await;
        runner.judge(&held, "login", "not_reproduced").await;
        runner.finish(&held).await;
        office.does("login", json!({"action": "replay"})).await;
        let held = runner.claim("openai").await;
        assert_eq!(held.tasks, [("login".to_owned(), "replay".to_owned())]);
        runner.judge(&held, "login", "infra").await;
        runner.finish(&held).await;
        assert!(runner.tasks().await.is_empty());
        office.server.finish().await;
    }

    async fn nothing_is_done_about_a_muted_drift_and_what_waited_is_there_afterwards(engine: Engine) {
        let office = Office::on(engine).await;
        let runner = Runner::at(&office.server).await;
        office.with_an_issue(&runner, "signup-form").await;
        office.report("login", "1.4.2").await;
        office.does("signup-form", json!({"action": "mute"})).await;
        let muted = office.does("login", json!({"action": "mute", "reports": 2})).await;
        assert_eq!(muted["decided"]["muted"]["reports"], 2);
        let answer = office.report("signup-form", "1.4.2").await;
        assert_eq!((&answer["batch"]["count"], &answer["known_issue"]["state"]), (&json!(2), &json!("open")));
        office.report("login", "1.4.2").await;
        assert!(runner.tasks().await.is_empty());
        assert!(office.fresh().await.is_empty());
        assert_eq!(runner.withheld("openai").await, "nothing");
        assert_eq!(office.cannot("login", json!({"action": "replay"})).await, "it is muted, so nothing is done about it; unmute it first");

        // What happens to the issue is noted all the same.
        assert_eq!(runner.work().await["ask"][0]["step"], "signup-form");
        runner.observe("openai", &hash("signup-form"), "closed").await;
        assert_eq!(office.known("signup-form").await["known_issue"]["state"], "closed");
        assert!(runner.tasks().await.is_empty());

        // Two more than when it was muted: over by itself, and whoever comes first says so.
        office.report("login", "1.4.2").await;
        assert_eq!(office.fresh().await, ["login replay 3"]);
        let path = format!("/drift/drifts/openai/{}", hash("login"));
        assert_eq!(office.server.get(&office.admin, &path).await["decided"], Value::Null);
        let held = runner.claim("openai").await;
        assert_eq!(held.tasks, [("login".to_owned(), "replay".to_owned())]);
        assert_eq!(office.moments("login").await, ["drift-muted", "drift-unmuted"]);
        // Muted again while the runner is at it: the verdict is noted, no issue is asked for.
        office.does("login", json!({"action": "mute"})).await;
        assert_eq!(runner.judge(&held, "login", "confirmed").await, Value::Null);
        let (_, again) = runner.say(&held, "judged", judged("login", "confirmed")).await;
        assert_eq!(again["next"], Value::Null, "nor when it is said twice");
        runner.finish(&held).await;
        assert!(runner.tasks().await.is_empty());

        office.does("login", json!({"action": "unmute"})).await;
        office.cannot("login", json!({"action": "unmute"})).await;
        office.does("signup-form", json!({"action": "unmute"})).await;
        assert_eq!(runner.tasks().await, ["openai login replay", "openai signup-form verify"]);
        assert_eq!(office.fresh().await, ["login replay 3", "signup-form replay 1"].map(|line| line.replace("signup-form replay 1", "signup-form replay 2")));
        office.server.finish().await;
    }

    async fn a_mute_ends_with_its_day_or_with_a_newer_scraper(engine: Engine) {
        let office = Office::on(engine).await;
        let runner = Runner::at(&office.server).await;
        office.report("login", "1.4.2").await;
        for over in [json!({"until": "2020-01-01T00:00:00Z"}), json!({"version": "1.4.2"}), json!({"reports": 0})] {
            let mut action = over;
            action["action"] = json!("mute");
            assert_eq!(office.cannot("login", action).await, "that has come already, so it would not be muted at all");
        }
        office.does("login", json!({"action": "mute", "version": "1.5.0", "until": "2100-01-01T00:00:00Z"})).await;
        office.report("login", "1.4.9").await;
        assert!(runner.tasks().await.is_empty());
        office.report("login", "1.5.0").await;
        assert_eq!(office.fresh().await, ["login replay 3"]);
        assert_eq!(runner.tasks().await, ["openai login replay"]);

        let soon = drift_schema::Micros(drift_schema::Micros::now().0 + 1_500_000);
        office.does("login", json!({"action": "mute", "until": soon})).await;
        assert!(runner.tasks().await.is_empty());
        harness::eventually("the time comes", async || (runner.tasks().await == ["openai login replay"]).then_some(())).await;
        office.server.finish().await;
    }

    async fn whoever_marks_it_as_fixed_spares_the_replay_and_may_take_it_back(engine: Engine) {
        let office = Office::on(engine).await;
        let runner = Runner::at(&office.server).await;
        // Without an issue: what waits no longer does, and what is older never will.
        office.report("login", "1.4.2").await;
        office.does("login", json!({"action": "fixed", "version": "1.5.0"})).await;
        assert!(office.fresh().await.is_empty() && runner.tasks().await.is_empty());
        let known = office.known("login").await;
        assert_eq!((&known["known"], &known["known_issue"]), (&json!(false), &json!({"state": "fixed", "number": null, "url": null, "fixed_in": "1.5.0"})));
        let answer = office.report("login", "1.4.9").await;
        assert_eq!((&answer["batch"]["count"], &answer["known_issue"]["fixed_in"]), (&json!(2), &json!("1.5.0")));
        assert!(office.fresh().await.is_empty());
        office.cannot("login", json!({"action": "fixed", "version": "1.6.0"})).await;
        // Taken back, all of them wait again.
        let drift = office.does("login", json!({"action": "not-fixed"})).await;
        assert_eq!((&drift["stage"], &drift["fresh"]), (&json!("unconfirmed"), &json!(2)));
        assert_eq!(office.fresh().await, ["login replay 2"]);
        office.cannot("login", json!({"action": "not-fixed"})).await;
        office.does("login", json!({"action": "fixed", "version": "1.5.0"})).await;
        // A newer one is a reason to look, whoever said what.
        office.report("login", "1.5.0").await;
        let held = runner.claim("openai").await;
        assert_eq!(held.tasks, [("login".to_owned(), "replay".to_owned())]);
        runner.judge(&held, "login", "not_reproduced").await;
        runner.finish(&held).await;

        // With an issue: it is told.
        office.with_an_issue(&runner, "signup-form").await;
        office.does("signup-form", json!({"action": "fixed", "version": "1.5.0"})).await;
        assert_eq!(runner.tasks().await, ["openai signup-form settle"]);
        let held = runner.claim("openai").await;
        assert!(held.claimed["drifts"][0]["fix_declared"].is_string());
        runner.done(&held, "signup-form", "settle").await;
        runner.finish(&held).await;
        assert_eq!(office.known("signup-form").await["known_issue"]["state"], "fixed");
        office.does("signup-form", json!({"action": "not-fixed"})).await;
        assert_eq!(office.known("signup-form").await["known_issue"], json!({"state": "open", "number": 7, "url": "issues/7.md", "fixed_in": null}));
        office.report("signup-form", "1.4.2").await;
        assert_eq!(runner.tasks().await, ["openai signup-form bump"]);
        office.server.finish().await;
    }

    async fn what_is_reported_of_a_renamed_step_is_about_the_new_one(engine: Engine) {
        let office = Office::on(engine).await;
        let runner = Runner::at(&office.server).await;
        office.report("signup-form", "1.4.2").await;
        let drift = office.does("signup-form", json!({"action": "rename", "to": "sign-up"})).await;
        assert_eq!(drift["decided"]["renamed_to"], "sign-up");
        assert_eq!(office.fresh().await, ["sign-up replay 1"]);
        assert_eq!(runner.tasks().await, ["openai sign-up replay"]);
        assert_eq!(office.known("sign-up").await["known"], false, "nobody reported that");

        office.report("sign-up", "1.5.0").await;
        assert_eq!(office.fresh().await, ["sign-up replay 2"]);
        let held = runner.claim("openai").await;
        assert_eq!(held.tasks, [("sign-up".to_owned(), "replay".to_owned())]);
        let seen = &held.claimed["drifts"][0]["seen"];
        assert_eq!((&seen["reports"], &seen["versions"][0]["count"], &seen["versions"][1]["value"]), (&json!(2), &json!(1), &json!("1.5.0")));
        assert_eq!(runner.judge(&held, "sign-up", "confirmed").await, "open");
        runner.done(&held, "sign-up", "open").await;
        runner.finish(&held).await;
        assert!(office.fresh().await.is_empty(), "handled under both names");

        let answer = office.report("signup-form", "1.4.2").await;
        assert_eq!((&answer["batch"]["step"], &answer["known_issue"]["number"]), (&json!("signup-form"), &json!(7)));
        assert_eq!(office.known("signup-form").await["known_issue"]["number"], 7);
        assert_eq!(runner.tasks().await, ["openai sign-up bump"]);
        for action in [json!({"action": "replay"}), json!({"action": "mute"}), json!({"action": "fixed", "version": "1.5.0"})] {
            assert!(office.cannot("signup-form", action).await.starts_with("it is an old name"));
        }
        assert!(office.cannot("sign-up", json!({"action": "rename", "to": "signup-form"})).await.starts_with("the other step is itself"));
        let held = runner.claim("openai").await;
        runner.done(&held, "sign-up", "bump").await;
        runner.finish(&held).await;

        // The fix of the new one holds for the old one, too.
        office.does("sign-up", json!({"action": "fixed", "version": "1.6.0"})).await;
        office.report("signup-form", "1.5.9").await;
        assert!(office.fresh().await.is_empty());
        office.does("sign-up", json!({"action": "not-fixed"})).await;
        assert_eq!(office.fresh().await.len(), 1);

        // Renamed once more: both are old names of the newest.
        office.does("sign-up", json!({"action": "rename", "to": "register"})).await;
        let path = format!("/drift/drifts/openai/{}", hash("register"));
        let register = office.server.get(&office.admin, &path).await;
        assert_eq!(register["decided"]["old_names"], json!(["signup-form", "sign-up"]));
        office.report("signup-form", "1.7.0").await;
        assert_eq!(office.fresh().await.len(), 1);
        assert!(office.fresh().await[0].starts_with("register replay "));

        office.does("signup-form", json!({"action": "undo-rename"})).await;
        office.does("sign-up", json!({"action": "undo-rename"})).await;
        office.cannot("sign-up", json!({"action": "undo-rename"})).await;
        assert_eq!(office.known("sign-up").await["known_issue"]["number"], 7);
        assert_eq!(office.known("signup-form").await["known_issue"], Value::Null);
        assert_eq!(runner.tasks().await.len(), 2, "each by itself again");
        office.server.finish().await;
    }

    async fn what_people_decided_is_in_the_log_with_who_did_it(engine: Engine) {
        let office = Office::on(engine).await;
        office.report("login", "1.4.2").await;
        office.does("login", json!({"action": "mute", "version": "2.0.0"})).await;
        let (status, _) = office.post("/drift/services/*/actions", &office.admin, &json!({"action": "pause"})).await;
        assert_eq!(status, 204);
        let events = office.server.get(&office.admin, "/drift/events").await;
        let id = office.admin.split('_').nth(1).unwrap();
        let last: Vec<_> = events["events"].as_array().unwrap().iter().rev().take(2).map(|event| (event["type"].clone(), event["data"].clone())).collect();
        assert_eq!(last, [
            (json!("replays-paused"), json!({"by": id})),
            (json!("drift-muted"), json!({"service": "openai", "step": "login", "version": "2.0.0", "counted": 1, "by": id})),
        ]);
        office.server.finish().await;
    }

    async fn the_tables_that_people_changed_are_derived_from_the_log(engine: Engine) {
        let office = Office::on(engine).await;
        let runner = Runner::at(&office.server).await;
        office.with_an_issue(&runner, "signup-form").await;
        for step in ["login", "otp", "captcha"] {
            office.report(step, "1.4.2").await;
        }
        office.does("signup-form", json!({"action": "rename", "to": "sign-up"})).await;
        office.does("sign-up", json!({"action": "mute", "reports": 9})).await;
        office.does("login", json!({"action": "fixed", "version": "1.5.0"})).await;
        office.report("login", "1.4.0").await;
        office.does("login", json!({"action": "not-fixed"})).await;
        office.does("otp", json!({"action": "replay"})).await;
        office.does("captcha", json!({"action": "fixed", "version": "1.5.0"})).await;
        office.report("captcha", "1.4.0").await;
        office.report("signup-form", "1.4.0").await;
        let site = office.server.stop().await;
        let mut db = harness::Db::open(&site).await;
        let tables = "SELECT step || ' ' || stage || ' ' || state AS row FROM drifts UNION ALL SELECT step || ' ' || CAST(fresh AS TEXT) FROM batches ORDER BY 1";
        let before = db.texts(tables).await;
        db.must("UPDATE drifts SET stage = 'open', state = '{}'").await;
        db.must("UPDATE batches SET fresh = NOT fresh").await;
        site.ok(&["rebuild"]).await;
        assert_eq!(db.texts(tables).await, before);
        site.assert_clean().await;
    }
}

#[tokio::test]
async fn replays_of_one_service_or_of_all_are_switched_off_and_on() {
    for engine in [harness::Engine::Sqlite, harness::Engine::Postgres] {
        let office = Office::on(engine).await;
        let runner = Runner::at(&office.server).await;
        office.report("login", "1.4.2").await;
        for service in ["openai", "*"] {
            let path = format!("/drift/services/{service}/actions");
            let act = async |action: &str| {
                let (status, problem) = office
                    .post(&path, &office.admin, &json!({"action": action}))
                    .await;
                (status, problem["detail"].clone())
            };
            assert_eq!(act("resume").await, (409, json!("replays are not paused")));
            assert_eq!(act("pause").await.0, 204);
            assert_eq!(
                act("pause").await,
                (409, json!("replays are paused already"))
            );
            assert_eq!(runner.withheld("openai").await, "paused");
            assert_eq!(act("resume").await.0, 204);
        }
        assert_eq!(runner.claim("openai").await.tasks.len(), 1);
        office.server.finish().await;
    }
}

#[tokio::test]
async fn only_an_admin_decides_and_only_what_can_be_read() {
    let office = Office::on(harness::Engine::Sqlite).await;
    office.report("login", "1.4.2").await;
    let path = format!("/drift/drifts/openai/{}/actions", hash("login"));
    let replay = json!({"action": "replay"});
    for scope in ["ingest", "read", "runner"] {
        let key = office.server.create_key(scope).await;
        for path in [&*path, "/drift/services/openai/actions"] {
            assert_eq!(office.post(path, &key, &replay).await.0, 403, "{scope}");
        }
    }
    for bad in [
        json!({}),
        json!({"action": "dance"}),
        json!({"action": "replay", "by": "somebody else"}),
        json!({"action": "mute", "version": "newest"}),
        json!({"action": "mute", "reports": -1}),
        json!({"action": "mute", "until": "tomorrow"}),
        json!({"action": "fixed"}),
        json!({"action": "rename", "to": "Sign Up"}),
        json!([]),
    ] {
        let (status, problem) = office.post(&path, &office.admin, &bad).await;
        assert_eq!(
            (status, &problem["code"]),
            (422, &json!("invalid_body")),
            "{bad}"
        );
    }
    for (path, action) in [
        (
            format!("/drift/drifts/openai/{}/actions", hash("never-seen")),
            &replay,
        ),
        ("/drift/drifts/openai/x/actions".to_owned(), &replay),
        (
            "/drift/services/Open_AI/actions".to_owned(),
            &json!({"action": "pause"}),
        ),
    ] {
        let (status, _) = office.post(&path, &office.admin, action).await;
        assert_eq!(status, StatusCode::NOT_FOUND.as_u16(), "{path}");
    }
    // Another tenant's admin sees nothing of it.
    let arguments = [
        "key",
        "create",
        "--scope",
        "admin",
        "--name",
        "x",
        "--workspace",
        "other",
    ];
    let theirs = office.server.site.ok(&arguments).await;
    assert_eq!(office.post(&path, theirs.trim_end(), &replay).await.0, 404);
    office.server.finish().await;
}
