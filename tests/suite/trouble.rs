//! When the database refuses or does not answer: who is told what, and who is not harmed.

use std::time::Duration;

use harness::server::Site;
use harness::{Db, Server, eventually, on_both, report};
use serde_json::Value;
use tokio::task::JoinSet;

on_both! {
    async fn a_report_that_the_database_chokes_on_fails_alone(engine: Engine) {
        let server = std::sync::Arc::new(Server::on(engine).await);
        let (key, read) = (server.create_key("ingest").await, server.create_key("read").await);
        let mut db = Db::open(&server.site).await;
        let poison = if db.is_sqlite() {
            "CREATE TRIGGER poison BEFORE INSERT ON events WHEN NEW.payload LIKE '%poisoned%' BEGIN SELECT RAISE(ABORT, 'bitter'); END"
        } else {
            "CREATE FUNCTION bitter() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bitter'; END $$;
            CREATE TRIGGER poison BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.payload LIKE '%poisoned%') EXECUTE FUNCTION bitter()"
        };
        db.must(poison).await;

        let mut clients = JoinSet::new();
        for n in 0..50 {
            let (server, key) = (server.clone(), key.clone());
            let step = if n % 10 == 3 { "poisoned" } else { "signup-form" };
            clients.spawn(async move {
                let answer = server.send(&key, &report("openai", step)).await;
                let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
                match step {
                    "poisoned" => assert_eq!((status, body["code"].as_str()), (500, Some("internal")), "{body}"),
                    _ => assert_eq!(status, 202, "{body}"),
                }
                assert!(!body.to_string().contains("bitter"), "{body}");
            });
        }
        while let Some(done) = clients.join_next().await {
            done.unwrap();
        }
        // Also within one request.
        let lines: String = ["login", "poisoned", "login"].map(|step| format!("{}\n", report("openai", step))).concat();
        let answer: Value = server.send_lines(&key, &lines).await.json().await.unwrap();
        assert_eq!((&answer["accepted"], &answer["rejected"][0]["line"], &answer["rejected"][0]["code"]), (&2.into(), &2.into(), &"internal".into()), "{answer}");

        let counted = server.get(&read, "/drift/batches").await;
        let counts: Vec<_> = counted["batches"].as_array().unwrap().iter().map(|batch| (batch["step"].as_str().unwrap(), batch["count"].as_i64().unwrap())).collect();
        assert_eq!(counts, [("signup-form", 45), ("login", 2)]);
        let site = std::sync::Arc::into_inner(server).unwrap().stop().await;
        site.assert_clean().await;
    }

    async fn a_database_that_does_not_answer_is_a_503_and_passes(engine: Engine) {
        let site = Site::new(engine).await.with("DRIFT_STORE_DEADLINE", "300ms");
        let server = site.start().await;
        let key = server.create_key("ingest").await;
        let one = report("openai", "signup-form");
        let mut db = Db::open(&site).await;
        let lock = if db.is_sqlite() { "BEGIN EXCLUSIVE" } else { "BEGIN; LOCK TABLE events, event_heads" };
        db.must(lock).await;
        for _ in 0..3 {
            let answer = server.send(&key, &one).await;
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["code"], "unavailable");
        }
        db.must("ROLLBACK").await;
        let answer = eventually("the report is stored", async || {
            let answer = server.send(&key, &one).await;
            (answer.status() == 202).then_some(answer)
        }).await;
        // Whether one of those that were given up came through after all is not known; it is counted once.
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["batch"]["count"], 1);
        server.finish().await;
    }

    async fn a_table_that_is_gone_is_a_failure_without_details(engine: Engine) {
        let (server, [key]) = Server::with_keys(engine, ["ingest"]).await;
        let mut db = Db::open(&server.site).await;
        db.must("ALTER TABLE batches RENAME TO elsewhere").await;
        let answer = server.send(&key, &report("openai", "signup-form")).await;
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, 500, "{body}");
        assert!(!body.contains("batches"), "{body}");
        db.must("ALTER TABLE elsewhere RENAME TO batches").await;
        let body = server.report(&key, &report("openai", "signup-form")).await;
        assert_eq!(body["batch"]["count"], 1, "what failed left nothing behind");
        let site = server.stop().await;
        site.assert_clean().await;
    }
}

/// A Postgres that goes down and comes back is not the client's fault, and mends itself.
#[tokio::test]
async fn a_postgres_that_restarts_costs_nothing_but_time() {
    let mut cluster = tokio::task::spawn_blocking(harness::postgres::Cluster::start)
        .await
        .unwrap();
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let site = Site::at(folder, cluster.fresh_database().await).with("DRIFT_STORE_DEADLINE", "1s");
    let server = site.start().await;
    let key = server.create_key("ingest").await;
    server.report(&key, &report("openai", "signup-form")).await;
    let mut cluster = tokio::task::spawn_blocking(move || {
        cluster.stop();
        cluster
    })
    .await
    .unwrap();
    let one = report("openai", "signup-form");
    assert_eq!(server.send(&key, &one).await.status(), 503);
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.start_again();
        cluster
    })
    .await
    .unwrap();
    let body: Value = eventually("the server found its database again", async || {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answer = server.send(&key, &one).await;
        if answer.status() != 202 {
            return None;
        }
        answer.json().await.ok()
    })
    .await;
    assert_eq!(body["batch"]["count"], 2);
    server.finish().await;
    drop(cluster);
}
