//! Every table beside the log can be thrown away: what differs from the log is found, and made as the log says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::server::Site;
use harness::{Db, Server, on_both, report};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// All that is derived from the log, row by row.
async fn tables(site: &Site) -> Vec<String> {
    let mut db = Db::open(site).await;
    let mut rows = db
        .texts(
            "SELECT workspace || ' ' || day || ' ' || service || ' ' || step || ' ' || CAST(count AS TEXT) || ' ' || CAST(first_seen AS TEXT) || ' ' ||
                CAST(last_seen AS TEXT) || ' ' || CAST(last_position AS TEXT) || ' ' || CAST(fresh AS TEXT) || ' ' || COALESCE(screenshot_ref, '-')
            FROM batches ORDER BY workspace, day, service, step",
        )
        .await;
    let keys = db
        .texts(
            "SELECT workspace || ' ' || key || ' ' || name || ' ' || scopes || ' ' || hash || ' ' || COALESCE(CAST(rate AS TEXT), '-') || ' ' ||
                CAST(created_at AS TEXT) || ' ' || COALESCE(CAST(revoked_at AS TEXT), '-') FROM keys ORDER BY key",
        )
        .await;
    rows.extend(keys);
    let lives = db
        .texts(
            "SELECT workspace || ' ' || service || ' ' || step || ' ' || stage || ' ' || CAST(pending AS TEXT) || ' ' || state AS row FROM drifts
            UNION ALL SELECT workspace || ' ' || service || ' ' || state FROM services
            UNION ALL SELECT workspace || ' ' || service || ' ' || CAST(token AS TEXT) || ' ' || state FROM runs ORDER BY 1",
        )
        .await;
    rows.extend(lives);
    rows
}

async fn json_of(site: &Site, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = site.run(arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{arguments:?}: {errors}"));
    (output.status.code(), json)
}

/// Keys of two workspaces, one of them revoked, and four batches.
async fn a_site(engine: harness::Engine) -> Site {
    let server = Server::on(engine).await;
    let other = server
        .site
        .ok(&[
            "key",
            "create",
            "--scope",
            "ingest",
            "--name",
            "theirs",
            "--workspace",
            "other",
        ])
        .await;
    let gone = server
        .site
        .ok(&[
            "key", "create", "--scope", "read", "--name", "gone", "--json",
        ])
        .await;
    let gone: Value = serde_json::from_str(&gone).unwrap();
    server
        .site
        .ok(&["key", "revoke", gone["id"].as_str().unwrap()])
        .await;
    let ours = server.create_key("ingest").await;
    for (key, service, step) in [
        (&*ours, "openai", "login"),
        (&*ours, "openai", "login"),
        (&*ours, "openai", "signup-form"),
        (&*ours, "stripe", "login"),
        (other.trim_end(), "openai", "login"),
    ] {
        let mut one = report(service, step);
        one["screenshot_ref"] = json!("cd".repeat(32));
        server.report(key, &one).await;
    }
    let site = server.stop().await;
    site.assert_clean().await;
    site
}

on_both! {
    async fn what_differs_from_the_log_is_found_and_mended_and_nothing_else(engine: Engine) {
        let site = a_site(engine).await;
        let before = tables(&site).await;
        let mut db = Db::open(&site).await;
        let other_batch = "INSERT INTO batches SELECT workspace, day, service, 'never-seen', count, first_seen, last_seen, last_position, fresh, screenshot_ref
            FROM batches WHERE workspace = 'other'";
        let lost_workspace = other_batch.replace("SELECT workspace", "SELECT 'aaa'");
        let forged_key = "INSERT INTO keys SELECT workspace, 'forged', name, 'admin', hash, rate, created_at, NULL FROM keys WHERE name = 'theirs'";
        let lost_key = forged_key.replace("SELECT workspace", "SELECT 'zzz'");
        // Batches and keys, in the default workspace and in the other ones.
        for (damage, default, other) in [
            ("UPDATE batches SET count = count + 1 WHERE service = 'stripe'", (1, 0), (0, 0)),
            ("UPDATE batches SET count = 0", (3, 0), (1, 0)),
            ("UPDATE batches SET fresh = NOT fresh WHERE step = 'signup-form'", (1, 0), (0, 0)),
            ("UPDATE batches SET screenshot_ref = NULL WHERE workspace = 'other'", (0, 0), (1, 0)),
            ("UPDATE batches SET last_seen = last_seen + 1 WHERE service = 'stripe'", (1, 0), (0, 0)),
            ("UPDATE batches SET day = '2020-02-02' WHERE service = 'stripe'", (2, 0), (0, 0)),
            ("DELETE FROM batches WHERE service = 'stripe'", (1, 0), (0, 0)),
            (other_batch, (0, 0), (1, 0)),
            (&lost_workspace, (0, 0), (1, 0)),
            ("UPDATE keys SET scopes = 'admin' WHERE name = 'theirs'", (0, 0), (0, 1)),
            ("UPDATE keys SET revoked_at = NULL WHERE name = 'gone'", (0, 1), (0, 0)),
            ("UPDATE keys SET workspace = 'default' WHERE name = 'theirs'", (0, 1), (0, 1)),
            ("DELETE FROM keys WHERE name = 'theirs'", (0, 0), (0, 1)),
            (forged_key, (0, 0), (0, 1)),
            (&lost_key, (0, 0), (0, 1)),
            ("DELETE FROM keys WHERE name = 'gone'; UPDATE batches SET count = 7 WHERE workspace = 'other'", (0, 1), (1, 0)),
        ] {
            let damage = if engine == harness::Engine::Sqlite { damage.to_owned() } else { damage.replace("NULL FROM keys", "CAST(NULL AS BIGINT) FROM keys") };
            db.must(&damage).await;
            let (code, found) = json_of(&site, &["verify", "--json"]).await;
            assert_eq!((code, &found["clean"]), (Some(1), &json!(false)), "{damage}: {found}");
            let sums = |rows: &Value, batches: &str, keys: &str| {
                let mut sums = [(0, 0), (0, 0)];
                for row in rows.as_array().unwrap() {
                    let sum = &mut sums[usize::from(row["workspace"] != "default")];
                    sum.0 += row[batches].as_i64().unwrap();
                    sum.1 += row[keys].as_i64().unwrap();
                }
                sums
            };
            let (by_default, by_other) = (default, other);
            let found = sums(&found["workspaces"], "differing_batches", "differing_keys");
            // A key that moved counts where it is and where it should be, and is mended once.
            assert_eq!(found, [by_default, by_other], "{damage}");
            json_of(&site, &["rebuild", "--json"]).await;
            site.assert_clean().await;
            assert_eq!(tables(&site).await, before, "{damage}");
        }
        let (_, again) = json_of(&site, &["rebuild", "--json"]).await;
        for workspace in again.as_array().unwrap() {
            assert_eq!((&workspace["mended_batches"], &workspace["mended_keys"]), (&json!(0), &json!(0)));
        }
    }

    async fn tables_thrown_away_come_back_as_they_were(engine: Engine) {
        let site = a_site(engine).await;
        let before = tables(&site).await;
        let mut db = Db::open(&site).await;
        db.must("DELETE FROM batches; DELETE FROM keys").await;
        let (_, rebuilt) = json_of(&site, &["rebuild", "--json"]).await;
        assert_eq!((&rebuilt[0]["mended_batches"], &rebuilt[1]["mended_batches"]), (&json!(3), &json!(1)), "{rebuilt}");
        assert_eq!(tables(&site).await, before);
        site.assert_clean().await;
    }

    async fn a_rebuild_runs_beside_ingest(engine: Engine) {
        let server = Arc::new(Server::on(engine).await);
        let key = server.create_key("ingest").await;
        let read = server.create_key("read").await;
        for n in 0..40 {
            server.report(&key, &report("openai", &format!("step-{n}"))).await;
        }
        let done = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for client in 0..6 {
            let (server, key, done) = (server.clone(), key.clone(), done.clone());
            clients.spawn(async move {
                let mut sent = 0;
                while !done.load(Ordering::Relaxed) {
                    server.report(&key, &report("openai", &format!("step-{}", (sent + client) % 50))).await;
                    sent += 1;
                }
                sent
            });
        }
        let site = server.site.clone();
        let mut db = Db::open(&site).await;
        for round in 0..4 {
            db.must("UPDATE batches SET count = count + 1000 WHERE step LIKE 'step-1%'").await;
            db.must("DELETE FROM batches WHERE step LIKE 'step-2%'").await;
            // Two at once get in each other's way, and do no harm.
            let (one, two) = tokio::join!(site.run(&["rebuild", "--json"]), site.run(&["rebuild", "--json"]));
            for output in [one, two] {
                assert!(output.status.success(), "{round}: {}", String::from_utf8_lossy(&output.stderr));
            }
            site.assert_clean().await;
        }
        done.store(true, Ordering::Relaxed);
        let mut acknowledged = 40;
        while let Some(sent) = clients.join_next().await {
            acknowledged += sent.unwrap();
        }
        let counted = server.get(&read, "/drift/batches?limit=1000").await;
        let counts: i64 = counted["batches"].as_array().unwrap().iter().map(|batch| batch["count"].as_i64().unwrap()).sum();
        assert_eq!(counts, acknowledged);
        assert!(acknowledged > 60, "ingest went on: {acknowledged}");
        Arc::into_inner(server).unwrap().finish().await;
    }
}
