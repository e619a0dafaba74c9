//! Erasing payloads, by command and by age: what goes, what stays, and that the log still proves itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drift_schema::Micros;
use drift_schema::event::Erasure;
use harness::server::Site;
use harness::{Db, Server, on_both, report};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::in_process::{DAY, SECOND, incoming, store, workspace};

/// A host that occurs nowhere else.
const MARK: &str = "mark-that-must-go.example.com";

fn marked(service: &str, step: &str) -> Value {
    let mut one = report(service, step);
    one["url_host"] = json!(MARK);
    one["screenshot_ref"] = json!("ef".repeat(32));
    one
}

async fn json_of(site: &Site, arguments: &[&str]) -> Value {
    serde_json::from_str(&site.ok(arguments).await).unwrap()
}

/// Step and count of each batch of the newest day.
async fn counts(server: &Server, key: &str) -> Vec<(String, i64)> {
    let batches = server.get(key, "/drift/batches").await;
    let batches = batches["batches"].as_array().unwrap().iter();
    batches
        .map(|batch| {
            (
                format!(
                    "{}/{}",
                    batch["service"].as_str().unwrap(),
                    batch["step"].as_str().unwrap()
                ),
                batch["count"].as_i64().unwrap(),
            )
        })
        .collect()
}

/// The tables must follow from what is left of the log, not just be left alone.
async fn assert_derivable(site: &Site) {
    site.assert_clean().await;
    let mut db = Db::open(site).await;
    let number = "SELECT COALESCE(SUM(count * 1000 + last_position), 0) FROM batches";
    let before = db.number(number).await;
    db.must("DELETE FROM batches; DELETE FROM keys").await;
    site.ok(&["rebuild"]).await;
    assert_eq!(db.number(number).await, before);
    site.assert_clean().await;
}

async fn mentions(site: &Site, text: &str) -> i64 {
    let mut db = Db::open(site).await;
    let screenshots = format!(
        "SELECT COUNT(*) FROM batches WHERE screenshot_ref = '{}'",
        "ef".repeat(32)
    );
    db.number(&format!(
        "SELECT COUNT(*) FROM events WHERE payload LIKE '%{text}%'"
    ))
    .await
        + db.number(&screenshots).await
}

on_both! {
    async fn what_came_with_a_key_is_erased_and_stays_counted(engine: Engine) {
        let server = Server::on(engine).await;
        let leaked = json_of(&server.site, &["key", "create", "--scope", "ingest", "--name", "leaked", "--json"]).await;
        let (id, leaked) = (leaked["id"].as_str().unwrap(), leaked["key"].as_str().unwrap());
        let (key, read) = (server.create_key("ingest").await, server.create_key("read").await);
        let bad = marked("openai", "signup-form");
        server.report(leaked, &bad).await;
        server.report(leaked, &marked("stripe", "login")).await;
        let good = report("openai", "signup-form");
        server.report(&key, &good).await;
        let before = counts(&server, &read).await;
        assert_eq!(mentions(&server.site, MARK).await, 4);

        assert_eq!(json_of(&server.site, &["erase", "--key", id, "--json"]).await, json!({"reports": 2, "batches": 0}));
        assert_eq!(counts(&server, &read).await, before);
        assert_eq!(mentions(&server.site, MARK).await, 0);
        let log = server.get(&read, "/drift/events?limit=1000").await;
        let of = |report: &Value| log["events"].as_array().unwrap().iter().find(|event| event["report_id"] == report["report_id"]).unwrap().clone();
        assert_eq!(of(&bad)["data"], Value::Null);
        assert_eq!(of(&good)["data"]["service"], "openai");
        let last = log["events"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["type"], &last["data"]["reason"], &last["data"]["reports"]), (&json!("reports-erased"), &json!({"by": "key", "key": id}), &json!(2)));

        // It was here, and that is all that is known of it.
        let again = server.report(leaked, &bad).await;
        assert_eq!((&again["duplicate"], &again["batch"]["count"]), (&json!(true), &json!(2)));
        let next = server.report(&key, &report("openai", "signup-form")).await;
        assert_eq!(next["batch"]["count"], 3);
        assert_eq!(mentions(&server.site, MARK).await, 0);

        assert_eq!(json_of(&server.site, &["erase", "--key", id, "--json"]).await, json!({"reports": 0, "batches": 0}));
        assert_eq!(json_of(&server.site, &["verify", "--json"]).await["workspaces"][0]["erased"], 2);
        assert_derivable(&server.site).await;
        server.finish().await;
    }

    async fn a_service_that_is_erased_is_gone_with_its_counters(engine: Engine) {
        let (server, [key, read]) = Server::with_keys(engine, ["ingest", "read"]).await;
        let one = marked("openai", "signup-form");
        server.report(&key, &one).await;
        server.report(&key, &marked("openai", "login")).await;
        server.report(&key, &report("stripe", "login")).await;
        let erase = ["erase", "--service", "openai", "--json"];
        assert_eq!(json_of(&server.site, &erase).await, json!({"reports": 2, "batches": 2}));
        assert_eq!(counts(&server, &read).await, [("stripe/login".to_owned(), 1)]);
        let known = server.get(&read, "/drift/known?service=openai&step=signup-form").await;
        assert_eq!(known["known"], false);
        assert_eq!(mentions(&server.site, MARK).await, 0);
        assert_eq!(server.report(&key, &one).await["duplicate"], true);
        assert_eq!(json_of(&server.site, &erase).await, json!({"reports": 0, "batches": 0}));
        assert_derivable(&server.site).await;

        // From here it counts anew.
        assert_eq!(server.report(&key, &report("openai", "login")).await["batch"]["count"], 1);
        // The payload goes first, by age, and then the service: its counter must go all the same.
        let tomorrow = Micros(Micros::now().0 + DAY).day().to_string();
        assert_eq!(json_of(&server.site, &["erase", "--before", &tomorrow, "--json"]).await["reports"], 2);
        assert_eq!(counts(&server, &read).await.len(), 2);
        assert_eq!(json_of(&server.site, &erase).await, json!({"reports": 0, "batches": 1}));
        assert_eq!(counts(&server, &read).await, [("stripe/login".to_owned(), 1)]);
        assert_derivable(&server.site).await;
        server.finish().await;
    }

    async fn erasing_needs_to_be_told_what(engine: Engine) {
        let site = Site::new(engine).await;
        site.ok(&["migrate"]).await;
        for wrong in [&["erase"][..], &["erase", "--key", "a", "--service", "b"], &["erase", "--before", "yesterday"], &["erase", "--service", "No Service"]] {
            assert_eq!(site.run(wrong).await.status.code(), Some(2), "{wrong:?}");
        }
        // A mistyped name is not one of which nothing is left.
        for unknown in [&["erase", "--key", "nobody"][..], &["erase", "--service", "nothing"]] {
            assert_eq!(site.run(unknown).await.status.code(), Some(1), "{unknown:?}");
        }
        site.assert_clean().await;
    }

    async fn erasing_goes_on_beside_ingest(engine: Engine) {
        let server = Arc::new(Server::on(engine).await);
        let leaked = json_of(&server.site, &["key", "create", "--scope", "ingest", "--name", "leaked", "--json"]).await;
        let id = leaked["id"].as_str().unwrap().to_owned();
        let (key, read) = (server.create_key("ingest").await, server.create_key("read").await);
        let done = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for client in 0..6 {
            let (server, done) = (server.clone(), done.clone());
            let key = if client % 2 == 0 { key.clone() } else { leaked["key"].as_str().unwrap().to_owned() };
            clients.spawn(async move {
                let mut sent = 0;
                while !done.load(Ordering::Relaxed) {
                    server.report(&key, &report("openai", &format!("step-{}", sent % 3))).await;
                    sent += 1;
                }
                sent
            });
        }
        let mut erased = 0;
        while erased < 40 {
            erased += json_of(&server.site, &["erase", "--key", &id, "--json"]).await["reports"].as_i64().unwrap();
            server.site.assert_clean().await;
        }
        done.store(true, Ordering::Relaxed);
        let mut acknowledged: i64 = 0;
        while let Some(sent) = clients.join_next().await {
            acknowledged += sent.unwrap();
        }
        erased += json_of(&server.site, &["erase", "--key", &id, "--json"]).await["reports"].as_i64().unwrap();
        assert_eq!(counts(&server, &read).await.iter().map(|(_, count)| count).sum::<i64>(), acknowledged);
        let mut db = Db::open(&server.site).await;
        assert_eq!(db.number("SELECT COUNT(*) FROM events WHERE kind = 'report-received' AND payload IS NULL").await, erased);
        assert_eq!(db.number(&format!("SELECT COUNT(*) FROM events WHERE kind = 'report-received' AND payload LIKE '%{id}%'")).await, 0);
        assert_derivable(&server.site).await;
        Arc::into_inner(server).unwrap().finish().await;
    }

    async fn retention_forgets_by_age_and_by_count_each_class_on_its_own(engine: Engine) {
        let site = Site::new(engine).await;
        let store = store(&site).await;
        // Five reports on each of ten days, the last of them today.
        let now = Micros::now();
        for day in (0..10).rev() {
            let reports: Vec<_> = (0..5).map(|n| incoming(&report("openai", &format!("step-{}", n % 2)), "k")).collect();
            store.record_reports(&workspace(), &reports, Micros(now.0 - day * DAY - SECOND)).await.unwrap();
        }
        let what_is_left = async || {
            let mut db = Db::open(&site).await;
            (
                db.number("SELECT COUNT(payload) FROM events WHERE kind = 'report-received'").await,
                db.number("SELECT COUNT(*) FROM batches").await,
                db.number("SELECT SUM(count) FROM batches").await,
            )
        };
        let retain = async |name: &str, value: &str| {
            let site = site.clone().with("DRIFT_RETAIN_REPORT_DAYS", "0").with(name, value);
            let done = json_of(&site, &["retain", "--json"]).await;
            assert_derivable(&site).await;
            (done[0]["reports"].as_i64().unwrap(), done[0]["batches"].as_i64().unwrap())
        };
        assert_eq!(what_is_left().await, (50, 20, 50));
        assert_eq!(retain("DRIFT_RETAIN_REPORT_DAYS", "0").await, (0, 0), "0 keeps all");
        assert_eq!(retain("DRIFT_RETAIN_REPORT_DAYS", "7").await, (15, 0));
        assert_eq!(what_is_left().await, (35, 20, 50));
        assert_eq!(retain("DRIFT_RETAIN_REPORT_COUNT", "12").await, (23, 0));
        assert_eq!(what_is_left().await, (12, 20, 50));
        assert_eq!(retain("DRIFT_RETAIN_REPORT_COUNT", "12").await, (0, 0));
        // Of the day the line cuts through, nothing goes.
        assert_eq!(retain("DRIFT_RETAIN_BATCH_DAYS", "8").await.0, 0);
        let (_, batches, counted) = what_is_left().await;
        assert!((batches, counted) == (18, 45) || (batches, counted) == (20, 50), "{batches} {counted}");
        // Whole days, so fewer than five are left.
        assert_eq!(retain("DRIFT_RETAIN_BATCH_COUNT", "5").await, (0, batches - 4));
        assert_eq!(what_is_left().await, (12, 4, 10));
        assert_eq!(retain("DRIFT_RETAIN_BATCH_COUNT", "1").await, (0, 2), "today is still being counted");
        assert_eq!(what_is_left().await, (12, 2, 5));

        // A batch that was forgotten, and a report of its day that is sent again.
        let one = incoming(&report("openai", "step-0"), "k");
        let long_ago = Micros(now.0 - 30 * DAY);
        store.record_reports(&workspace(), std::slice::from_ref(&one), long_ago).await.unwrap();
        assert_eq!(retain("DRIFT_RETAIN_BATCH_DAYS", "10").await, (0, 1));
        let again = store.record_reports(&workspace(), &[one], now).await.unwrap();
        assert_eq!(again.outcomes, [drift_api::store::Outcome::Duplicate { day: long_ago.day(), count: 0 }]);
        assert_derivable(&site).await;
    }

    async fn a_server_forgets_by_itself_what_is_old_and_keeps_what_is_not(engine: Engine) {
        let site = Site::new(engine).await;
        let store = store(&site).await;
        let now = Micros::now();
        for days in [40, 20, 1] {
            store.record_reports(&workspace(), &[incoming(&report("openai", "login"), "k")], Micros(now.0 - days * DAY)).await.unwrap();
            let artifact = drift_schema::event::ArtifactStored {
                sha256: drift_schema::Digest::parse(&format!("{days:02}").repeat(32)).unwrap(),
                media_type: "image/png".to_owned(),
                size: 7,
                by: "k".to_owned(),
            };
            store.note_artifact(&workspace(), artifact, Micros(now.0 - days * DAY)).await.unwrap();
        }
        let rules = [("DRIFT_RETAIN_REPORT_DAYS", "10"), ("DRIFT_RETAIN_BATCH_DAYS", "30"), ("DRIFT_RETAIN_ARTIFACT_DAYS", "30")];
        let server = rules.into_iter().fold(site, |site, (name, value)| site.with(name, value)).start().await;
        let mut db = Db::open(&server.site).await;
        harness::eventually("what is old is forgotten", async || {
            let payloads = db.number("SELECT COUNT(payload) FROM events WHERE kind = 'report-received'").await;
            let left = (payloads, db.number("SELECT COUNT(*) FROM batches").await, db.number("SELECT COUNT(*) FROM artifacts").await);
            (left == (1, 2, 2)).then_some(())
        })
        .await;
        db.close().await;
        let log = server.finish().await;
        assert!(log.contains("reports=2 batches=1 artifacts=1"), "{log}");
    }

    async fn a_long_log_is_erased_in_steps_and_stays_derivable(engine: Engine) {
        let site = Site::new(engine).await;
        let store = store(&site).await;
        let now = Micros::now();
        for page in 0..5 {
            let reports: Vec<_> = (0..500).map(|n| incoming(&report(["openai", "stripe"][n % 2], &format!("step-{}", n % 7)), ["a", "b"][page % 2])).collect();
            store.record_reports(&workspace(), &reports, Micros(now.0 - DAY + page as i64)).await.unwrap();
        }
        let erased = async |what| store.erase(&workspace(), &what, now).await.unwrap();
        assert_eq!(erased(Erasure::Key { key: "b".to_owned() }).await.reports, 1000);
        assert_derivable(&site).await;
        let service = drift_schema::Service::parse("openai").unwrap();
        let gone = erased(Erasure::Service { service }).await;
        assert_eq!((gone.reports, gone.batches), (750, 7));
        assert_derivable(&site).await;
        assert_eq!(erased(Erasure::Count { keep: 100 }).await.reports, 650);
        assert_derivable(&site).await;
        assert_eq!(erased(Erasure::Age { before: now }).await.reports, 100);
        let clean = json_of(&site, &["verify", "--json"]).await;
        assert_eq!(clean["workspaces"][0]["erased"], 2500);
        assert_eq!(Db::open(&site).await.number("SELECT SUM(count) FROM batches").await, 1250);
        assert_derivable(&site).await;
    }
}

/// On SQLite we can look at the very bytes. (On Postgres they go with VACUUM too, and with the recycling of the write-ahead
/// log.)
#[tokio::test]
async fn after_a_vacuum_the_bytes_of_an_erased_payload_are_nowhere_in_the_sqlite_file() {
    let (server, [key]) = Server::with_keys(harness::Engine::Sqlite, ["ingest"]).await;
    for n in 0..400 {
        let one = if n % 3 == 0 {
            marked("openai", "signup-form")
        } else {
            report("stripe", "login")
        };
        server.report(&key, &one).await;
    }
    let site = server.stop().await;
    let bytes_with_the_mark = async || {
        let mut found = 0;
        let mut files = tokio::fs::read_dir(site.folder.path().join("data"))
            .await
            .unwrap();
        while let Some(file) = files.next_entry().await.unwrap() {
            let bytes = tokio::fs::read(file.path()).await.unwrap();
            found += bytes
                .windows(MARK.len())
                .filter(|window| *window == MARK.as_bytes())
                .count();
        }
        found
    };
    assert!(bytes_with_the_mark().await >= 134);
    site.ok(&["erase", "--service", "openai"]).await;
    let mut db = Db::open(&site).await;
    db.must("VACUUM").await;
    db.close().await;
    assert_eq!(bytes_with_the_mark().await, 0);
    site.assert_clean().await;
}
