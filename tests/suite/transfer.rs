//! A log moves from one database to the other and is still itself.

use std::path::Path;
use std::process::Stdio;

use harness::server::Site;
use harness::{Db, Engine, Server, on_both, report};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

fn other(engine: Engine) -> Engine {
    match engine {
        Engine::Sqlite => Engine::Postgres,
        Engine::Postgres => Engine::Sqlite,
    }
}

/// Three workspaces' logs with every kind of event in them. Answers an ingest key and a report that was erased.
async fn a_rich_log(engine: Engine) -> (Site, String, Value) {
    let server = Server::on(engine).await;
    let site = server.site.clone();
    let key = server.create_key("ingest").await;
    let other = site
        .ok(&[
            "key",
            "create",
            "--scope",
            "ingest",
            "--name",
            "öther \u{1f511}",
            "--workspace",
            "other",
            "--rate",
            "50",
        ])
        .await;
    site.ok(&[
        "key",
        "create",
        "--scope",
        "read",
        "--name",
        "idle",
        "--workspace",
        "a-third",
    ])
    .await;
    let gone: Value = serde_json::from_str(
        &site
            .ok(&[
                "key", "create", "--scope", "runner", "--name", "gone", "--json",
            ])
            .await,
    )
    .unwrap();
    site.ok(&["key", "revoke", gone["id"].as_str().unwrap()])
        .await;
    let erased = report("stripe", "login");
    server.report(&key, &erased).await;
    let same_id_elsewhere = erased.clone();
    server.report(other.trim_end(), &same_id_elsewhere).await;
    site.ok(&["erase", "--service", "stripe"]).await;
    for n in 0..30 {
        server
            .report(&key, &report("openai", &format!("step-{}", n % 4)))
            .await;
    }
    // One of the newest payloads per workspace stays.
    site.clone()
        .with("DRIFT_RETAIN_REPORT_COUNT", "20")
        .ok(&["retain"])
        .await;
    server.report(&key, &report("openai", "step-1")).await;
    let site = server.stop().await;
    site.assert_clean().await;
    (site, key, erased)
}

async fn import(site: &Site, lines: &str) -> (Option<i32>, String) {
    let mut command = site.command(&["import", "--json"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have seen enough before the end.
    let _ = stdin.write_all(lines.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

async fn heads(site: &Site) -> Vec<String> {
    let mut db = Db::open(site).await;
    let hash = if db.is_sqlite() {
        "lower(hex(hash))"
    } else {
        "encode(hash, 'hex')"
    };
    db.texts(&format!("SELECT workspace || ' ' || CAST(position AS TEXT) || ' ' || {hash} FROM event_heads ORDER BY workspace")).await
}

on_both! {
    async fn a_log_that_moves_to_the_other_database_is_the_same_log(engine: Engine) {
        let (from, key, erased) = a_rich_log(engine).await;
        let file = from.folder.path().join("drift.ndjson");
        from.ok(&["export", "--out", file.to_str().unwrap()]).await;
        let exported = std::fs::read_to_string(&file).unwrap();
        assert_eq!(from.ok(&["export"]).await, exported, "to a file or to standard output");

        let to = Site::new(other(engine)).await;
        let imported: Value = serde_json::from_str(&to.ok(&["import", "--json", file.to_str().unwrap()]).await).unwrap();
        assert_eq!(imported["workspaces"], 3);
        assert_eq!(imported["events"].as_u64(), Some(exported.lines().count() as u64 - 1));
        to.assert_clean().await;
        assert_eq!(heads(&to).await, heads(&from).await);
        assert_eq!(to.ok(&["export"]).await, exported);

        // And back into a third, so that nothing is lost in either direction.
        let third = Site::new(engine).await;
        assert_eq!(import(&third, &exported).await.0, Some(0));
        assert_eq!(third.ok(&["export"]).await, exported);
        third.assert_clean().await;

        // The clients notice nothing: their keys, their retries and their counts are there.
        let server = to.start().await;
        assert_eq!(server.report(&key, &erased).await["duplicate"], true);
        assert_eq!(server.report(&key, &report("openai", "step-1")).await["batch"]["count"], 10);
        server.finish().await;
    }

    async fn a_store_that_is_not_empty_takes_no_import(engine: Engine) {
        let (from, _, _) = a_rich_log(engine).await;
        let exported = from.ok(&["export"]).await;
        let before = heads(&from).await;
        let (code, text) = import(&from, &exported).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("not empty"), "{text}");
        assert_eq!(heads(&from).await, before);
        from.assert_clean().await;
    }

    async fn an_export_that_was_tampered_with_is_not_imported_at_all(engine: Engine) {
        let (from, _, _) = a_rich_log(other(engine)).await;
        let exported = from.ok(&["export"]).await;
        let lines: Vec<&str> = exported.lines().collect();
        let (middle, last) = (lines.len() / 2, lines.len() - 1);
        let without = |n: usize| [&lines[..n], &lines[n + 1..]].concat();
        let with = |n: usize, line: &str| lines.iter().enumerate().map(|(i, one)| if i == n { line.to_owned() } else { (*one).to_owned() }).collect::<Vec<_>>();
        let swapped = || {
            let mut lines = lines.clone();
            lines.swap(middle, middle + 1);
            lines
        };
        let text = |lines: &[&str]| lines.join("\n") + "\n";
        let owned = |lines: Vec<String>| lines.join("\n") + "\n";
        let edited = |from: &str, to: &str| {
            assert!(lines[last - 1].contains(from), "{}", lines[last - 1]);
            owned(with(last - 1, &lines[last - 1].replace(from, to)))
        };
        let to = Site::new(engine).await;
        to.ok(&["migrate"]).await;
        for (damaged, why) in [
            (edited("1.4.2", "1.4.3"), "not the one that the chain"),
            (edited("report-received", "report-forged"), "not the one that the chain"),
            (edited("\"recorded_at\":1", "\"recorded_at\":2"), "not the one that the chain"),
            (edited("\"recorded_at\"", "\"extra\":1,\"recorded_at\""), "unknown field"),
            (edited("\"payload\":", "\"payload_hash\":"), "a payload or its hash"),
            (edited("\"hash\":\"", "\"hash\":\"AAAA"), "a payload or its hash"),
            (text(&without(middle)), "missing before this one"),
            (text(&without(0)), "events in the export"),
            (text(&without(last - 1)), "events in the export"),
            (text(&lines[..last]), "cut off"),
            (text(&lines[..middle]), "cut off"),
            (exported[..exported.len() / 2].to_owned(), "line"),
            (text(&swapped()), "missing before this one"),
            (exported.clone() + lines[0] + "\n", "ended before"),
            (text(&[lines[0], &exported]), "missing before this one"),
            (exported.replace("\"workspace\":\"other\"", "\"workspace\":\"another\""), "not the one that the chain"),
            (exported.replacen('\n', "\n\n", 1), "line 2"),
            (exported.replace('{', "["), "line 1"),
            (String::new(), "cut off"),
        ] {
            let (code, text) = import(&to, &damaged).await;
            assert_eq!(code, Some(1), "{why}: {text}");
            assert!(text.contains(why) && text.contains("nothing was imported"), "{why}: {text}");
            let mut db = Db::open(&to).await;
            for table in ["events", "event_heads", "batches", "keys"] {
                assert_eq!(db.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{why}: {table}");
            }
        }
        let (code, text) = import(&to, &exported).await;
        assert_eq!(code, Some(0), "the whole one: {text}");
        to.assert_clean().await;
    }

    async fn an_empty_store_exports_and_imports_nothing(engine: Engine) {
        let site = Site::new(engine).await;
        site.ok(&["migrate"]).await;
        let exported = site.ok(&["export"]).await;
        assert_eq!(exported, "{\"end\":{\"events\":0}}\n");
        let (code, text) = import(&site, &exported).await;
        assert_eq!(code, Some(0), "{text}");
        site.assert_clean().await;
        assert_eq!(site.run(&["export", "--out", Path::new("no/such/folder").to_str().unwrap()]).await.status.code(), Some(1));
    }
}
