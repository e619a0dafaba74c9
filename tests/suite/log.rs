//! The log is append-only, and whoever gets around that is found out.

use harness::server::Site;
use harness::{Db, Engine, Server, on_both, report};
use serde_json::{Value, json};

/// A server's site after a short life: a few keys, six reports of two services.
async fn a_log(engine: Engine) -> Site {
    let (server, [key]) = Server::with_keys(engine, ["ingest"]).await;
    for (service, step) in [
        ("openai", "signup-form"),
        ("stripe", "login"),
        ("openai", "signup-form"),
    ] {
        server.report(&key, &report(service, step)).await;
        server.report(&key, &report(service, step)).await;
    }
    let site = server.stop().await;
    site.assert_clean().await;
    site
}

/// What `verify` says of a site that is not as it should be: one workspace.
async fn findings(site: &Site) -> Value {
    let output = site.run(&["verify", "--json"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}{errors}");
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}"));
    assert_eq!(found["clean"], false, "{found}");
    found["workspaces"][0].clone()
}

on_both! {
    async fn what_is_logged_cannot_be_changed_or_removed(engine: Engine) {
        let site = a_log(engine).await;
        let mut db = Db::open(&site).await;
        for statement in [
            "UPDATE events SET recorded_at = recorded_at + 1",
            "UPDATE events SET payload = '{}'",
            "UPDATE events SET payload = NULL",
            "UPDATE events SET kind = 'report-received' WHERE kind = 'key-created'",
            "UPDATE events SET version = 2",
            "UPDATE events SET position = position + 100",
            "UPDATE events SET workspace = 'other'",
            "UPDATE events SET hash = (SELECT hash FROM event_heads)",
            "UPDATE events SET report_id = NULL",
            "DELETE FROM events",
            "DELETE FROM events WHERE position = (SELECT position FROM event_heads)",
        ] {
            let why = db.refused(statement).await;
            assert!(why.contains("append-only") || why.contains("constraint"), "{statement}: {why}");
        }
        let copy = "INTO events SELECT workspace, position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events";
        if db.is_sqlite() {
            // REPLACE removes rows without asking the trigger for DELETE. A copy of itself is no change; another row is,
            // and the chain says so.
            db.must(&format!("REPLACE {copy}")).await;
            let other = copy.replacen("recorded_at, kind", "recorded_at + 1, kind", 1).replace("INTO events SELECT", "INTO events (workspace, position, recorded_at, kind, version, report_id, payload, payload_hash, hash) SELECT");
            db.must(&format!("REPLACE {other} WHERE position = 2")).await;
            assert_eq!(findings(&site).await["broken"]["position"], 2);
            return;
        } else {
            assert!(db.refused("TRUNCATE events").await.contains("append-only"));
            assert!(db.refused("TRUNCATE event_heads, events CASCADE").await.contains("append-only"));
            let why = db.refused(&format!("INSERT {copy} ON CONFLICT (workspace, position) DO UPDATE SET kind = 'x'")).await;
            assert!(why.contains("append-only"), "{why}");
        }
        site.assert_clean().await;
    }

    async fn a_payload_may_give_way_to_its_own_hash_and_to_nothing_else(engine: Engine) {
        let site = a_log(engine).await;
        let mut db = Db::open(&site).await;
        let last = "WHERE position = (SELECT position FROM event_heads)";
        let other_length = if db.is_sqlite() { "x'00'" } else { r"'\x00'" };
        db.refused(&format!("UPDATE events SET payload = NULL, payload_hash = {other_length} {last}")).await;
        db.refused(&format!("UPDATE events SET payload = NULL, payload_hash = (SELECT hash FROM event_heads), recorded_at = 0 {last}")).await;
        // The key's own event says who may do what: it stays.
        let key = "payload = NULL, payload_hash = hash WHERE kind = 'key-created'";
        assert!(db.refused(&format!("UPDATE events SET {key}")).await.contains("append-only"));
        if db.is_sqlite() {
            // SQLite cannot compute the hash, so a wrong one gets past the trigger, but not past `verify`.
            db.must(&format!("UPDATE events SET payload = NULL, payload_hash = hash {last}")).await;
            let end = db.number("SELECT position FROM event_heads").await;
            assert_eq!(findings(&site).await["broken"]["position"], end);
        } else {
            db.refused(&format!("UPDATE events SET payload = NULL, payload_hash = hash {last}")).await;
            db.must(&format!("UPDATE events SET payload = NULL, payload_hash = sha256(convert_to(payload, 'UTF8')) {last}")).await;
            db.refused(&format!("UPDATE events SET payload = '{{}}', payload_hash = NULL {last}")).await;
            // The chain holds. The counter does not: nobody wrote down what the report had done.
            let found = findings(&site).await;
            assert_eq!((&found["broken"], &found["erased"], &found["differing_batches"]), (&Value::Null, &json!(1), &json!(1)));
        }
    }

    async fn verify_names_the_place_where_a_log_was_damaged(engine: Engine) {
        let site = a_log(engine).await;
        let mut db = Db::open(&site).await;
        db.disarm().await;
        for table in ["events", "event_heads", "batches", "keys"] {
            db.must(&format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}")).await;
        }
        let end = db.number("SELECT position FROM event_heads").await;
        let (missing, other) = ("events are missing before this one", "the event is not the one that the chain was made over");
        // The third report is in the middle; the first event is a key's.
        let third = end - 3;
        let damages = [
            (format!("UPDATE events SET payload = replace(payload, '1.4.2', '1.4.3') WHERE position = {third}"), third, other),
            (format!("UPDATE events SET payload = payload || ' ' WHERE position = {third}"), third, other),
            (format!("UPDATE events SET payload = 'no JSON at all' WHERE position = {third}"), third, other),
            (format!("UPDATE events SET payload = replace(payload, 'openai', 'No Service') WHERE position = {end}"), end, other),
            ("UPDATE events SET payload = replace(payload, 'ingest', 'admin') WHERE kind = 'key-created'".to_owned(), 0, other),
            (format!("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = {third}"), third, other),
            (format!("UPDATE events SET kind = 'reports-seen' WHERE position = {third}"), third, other),
            (format!("UPDATE events SET kind = 'key-revoked' WHERE position = {third}"), third, other),
            (format!("UPDATE events SET version = 2 WHERE position = {third}"), third, other),
            (format!("UPDATE events SET report_id = NULL WHERE position = {third}"), third, other),
            (format!("UPDATE events SET hash = (SELECT hash FROM event_heads) WHERE position = {third}"), third, other),
            (format!("UPDATE events SET hash = substr(hash, 1, 31) WHERE position = {third}"), third, "a column does not read"),
            (format!("UPDATE events SET payload = NULL, payload_hash = hash WHERE position = {third}"), third, other),
            (format!("UPDATE events SET workspace = 'other' WHERE position = {third}"), third + 1, missing),
            (format!("UPDATE events SET position = -1 WHERE position = {third}; UPDATE events SET position = {third} WHERE position = {third} + 1;
                UPDATE events SET position = {third} + 1 WHERE position = -1"), third, other),
            (format!("DELETE FROM events WHERE position = {third}"), third + 1, missing),
            ("DELETE FROM events WHERE position = 1".to_owned(), 2, missing),
            (format!("DELETE FROM events WHERE position = {end}"), end, "the log ends before its head"),
            ("DELETE FROM events".to_owned(), end, "the log ends before its head"),
            (format!("DELETE FROM events WHERE position = {end}; UPDATE event_heads SET position = {end} - 1"), end - 1, "the head has another hash than the last event"),
            ("UPDATE event_heads SET position = position - 1".to_owned(), end, "the log goes on after its head"),
            ("UPDATE event_heads SET position = position + 1".to_owned(), end + 1, "the log ends before its head"),
            ("UPDATE event_heads SET hash = (SELECT hash FROM events WHERE position = 1)".to_owned(), end, "the head has another hash than the last event"),
            ("DELETE FROM event_heads".to_owned(), end, "the log goes on after its head"),
            // Forged at the end, and twice the same key.
            (format!("INSERT INTO events SELECT workspace, {end} + 1, recorded_at, kind, version, NULL, payload, payload_hash, hash FROM events WHERE position = 1"), end + 1, other),
            (format!("INSERT INTO events SELECT 'elsewhere', 1, recorded_at, kind, version, NULL, payload, payload_hash, hash FROM events WHERE position = {end}"), 1, other),
        ];
        for (damage, position, what) in damages {
            db.must(&damage).await;
            let found = site.run(&["verify", "--json"]).await;
            let text = String::from_utf8_lossy(&found.stdout);
            assert_eq!(found.status.code(), Some(1), "{damage}: {text}{}", String::from_utf8_lossy(&found.stderr));
            let found: Value = serde_json::from_str(&text).unwrap();
            let broken: Vec<_> = found["workspaces"].as_array().unwrap().iter().filter(|one| one["broken"].is_object()).collect();
            assert!(!broken.is_empty(), "{damage}: {found}");
            let named = if position == 0 { broken[0]["broken"]["position"].clone() } else { json!(position) };
            assert!(broken.iter().any(|one| one["broken"] == json!({"position": named, "what": what})), "{damage}: {found}");
            assert!(broken[0].get("differing_batches").is_none(), "with what would they be compared? {found}");

            // Nothing is derived from what cannot be trusted, and nobody passes it on as whole.
            for command in ["rebuild", "export"] {
                let refused = site.run(&[command]).await;
                let why = String::from_utf8_lossy(&refused.stderr);
                assert_eq!(refused.status.code(), Some(1), "{command} after {damage}: {why}");
                assert!(why.contains("damaged at position"), "{command} after {damage}: {why}");
            }
            for table in ["events", "event_heads", "batches", "keys"] {
                db.must(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved_{table}")).await;
            }
        }
        site.assert_clean().await;
    }

    async fn verify_says_what_it_looked_at(engine: Engine) {
        let site = a_log(engine).await;
        let end = Db::open(&site).await.number("SELECT position FROM event_heads").await;
        let clean: Value = serde_json::from_str(&site.ok(&["verify", "--json"]).await).unwrap();
        let expected = json!({"clean": true, "workspaces": [
            {"workspace": "default", "events": end, "erased": 0, "differing_batches": 0, "differing_keys": 0, "differing_lifecycle": 0},
        ]});
        assert_eq!(clean, expected);
        let text = site.ok(&["verify"]).await;
        assert_eq!(text, format!("default: {end} events (0 erased), chain whole, 0 batches, 0 keys and 0 rows about drifts and runs differ from the log\nclean\n"));

        let mut db = Db::open(&site).await;
        db.disarm().await;
        db.must("UPDATE events SET version = version + 1 WHERE position = 2").await;
        let broken = findings(&site).await;
        let what = "the event is not the one that the chain was made over";
        assert_eq!(broken, json!({"workspace": "default", "events": end, "erased": 0, "broken": {"position": 2, "what": what}}));
        let text = site.run(&["verify"]).await.stdout;
        assert_eq!(String::from_utf8_lossy(&text), format!("default: {end} events (0 erased), chain broken at 2: {what}\nNOT CLEAN\n"));
    }
}

/// The tests' own role is a superuser, whom no privilege binds; a server's should not be.
#[tokio::test]
async fn the_owner_of_a_postgres_log_may_not_delete_even_without_the_triggers() {
    let cluster = tokio::task::spawn_blocking(harness::postgres::Cluster::start)
        .await
        .unwrap();
    let url = cluster.fresh_database().await;
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let mut site = Site::at(folder, url.clone());
    let mut superuser = Db::open(&site).await;
    superuser.must("CREATE ROLE drift LOGIN PASSWORD 'drift' NOSUPERUSER; GRANT CREATE ON SCHEMA public TO drift").await;
    site.database_url = url.replace("postgres://postgres@", "postgres://drift:drift@");

    let server = site.start().await;
    let key = server.create_key("ingest").await;
    server.report(&key, &report("openai", "signup-form")).await;
    server.report(&key, &report("openai", "signup-form")).await;

    let mut owner = Db::open(&site).await;
    let statements = [
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE events SET recorded_at = 0",
        "UPDATE events SET hash = hash, payload = NULL",
    ];
    for statement in statements {
        assert!(
            owner.refused(statement).await.contains("permission denied"),
            "{statement}"
        );
    }
    owner.disarm().await;
    for statement in statements {
        assert!(
            owner.refused(statement).await.contains("permission denied"),
            "{statement}"
        );
    }
    owner.must("ALTER TABLE events ENABLE TRIGGER USER").await;
    // What the product itself does with the log needs no more than it has.
    site.ok(&["erase", "--service", "openai"]).await;
    site.ok(&["rebuild"]).await;
    server.finish().await;
}
