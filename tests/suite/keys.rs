//! Who may do what, since when, and until when.

use std::time::{Duration, Instant};

use harness::proxy::Proxy;
use harness::server::{Engine, Server, Site};
use harness::viewer::Viewer;
use harness::{eventually, on_both, report};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// What revocation may take at most.
const REVOKED_WITHIN: Duration = Duration::from_secs(3);

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).expect("drift_ID_SECRET")
}

fn secret_of(key: &str) -> &str {
    key.splitn(3, '_').nth(2).expect("drift_ID_SECRET")
}

async fn status(server: &Server, key: &str, path: &str) -> u16 {
    let request = server.client.get(server.url(path)).bearer_auth(key);
    request.send().await.unwrap().status().as_u16()
}

/// The row of `key list` about one key.
async fn listed(site: &Site, key: &str) -> Value {
    let keys: Value = serde_json::from_str(&site.ok(&["key", "list", "--json"]).await).unwrap();
    let mut keys = keys.as_array().unwrap().iter();
    keys.find(|row| row["id"] == id_of(key)).unwrap().clone()
}

#[tokio::test]
async fn each_scope_opens_its_own_doors_and_admin_opens_all() {
    let server = Server::on(Engine::Sqlite).await;
    let doors: [(&str, &[&str]); 6] = [
        ("/drift/report", &["ingest"]),
        ("/drift/reports", &["ingest"]),
        (
            "/drift/known?service=openai&step=login",
            &["ingest", "read"],
        ),
        ("/drift/fresh", &["runner", "read"]),
        ("/drift/batches", &["read"]),
        ("/drift/events", &["read"]),
    ];
    for scope in ["ingest", "read", "runner", "admin"] {
        let key = server.create_key(scope).await;
        for (path, scopes) in doors {
            let answer = match path {
                "/drift/report" => server.send(&key, &report("openai", "login")).await,
                "/drift/reports" => {
                    server
                        .send_lines(&key, &report("openai", "login").to_string())
                        .await
                }
                _ => server
                    .client
                    .get(server.url(path))
                    .bearer_auth(&key)
                    .send()
                    .await
                    .unwrap(),
            };
            let (status, open) = (
                answer.status().as_u16(),
                scope == "admin" || scopes.contains(&scope),
            );
            assert_eq!(status < 300, open, "{scope} at {path}: {status}");
            if !open {
                let problem: Value = answer.json().await.unwrap();
                assert_eq!(
                    (status, &problem["code"]),
                    (403, &json!("insufficient_scope")),
                    "{scope} at {path}"
                );
            }
        }
    }
    let both = server
        .site
        .ok(&[
            "key",
            "create",
            "--scope",
            "ingest,runner",
            "--name",
            "both",
            "--json",
        ])
        .await;
    let both: Value = serde_json::from_str(&both).unwrap();
    assert_eq!(both["scopes"], json!(["ingest", "runner"]));
    let key = both["key"].as_str().unwrap();
    assert_eq!(id_of(key), both["id"]);
    server.report(key, &report("openai", "login")).await;
    assert_eq!(status(&server, key, "/drift/fresh").await, 200);
    assert_eq!(status(&server, key, "/drift/batches").await, 403);
    server.finish().await;
}

on_both! {
    async fn a_key_is_shown_once_and_nowhere_again(engine: Engine) {
        let site = Site::new(engine).await.with("DRIFT_LOG", "debug");
        let server = site.start().await;
        let key = server.create_key("admin").await;
        server.report(&key, &report("openai", "login")).await;
        let forged = format!("{}x", &key[..key.len() - 1]);
        assert_eq!(status(&server, &forged, "/drift/fresh").await, 401);
        let mut shown = server.get(&key, "/drift/events").await.to_string();
        shown += &site.ok(&["key", "list"]).await;
        shown += &site.ok(&["key", "list", "--json"]).await;
        shown += &site.ok(&["export"]).await;
        if engine == Engine::Sqlite {
            for file in std::fs::read_dir(site.folder.path().join("data")).unwrap() {
                let file = file.unwrap().path();
                if !file.ends_with("credentials.env") {
                    shown += &String::from_utf8_lossy(&std::fs::read(file).unwrap());
                }
            }
        }
        let log = server.finish().await;
        assert!(shown.contains(id_of(&key)), "the id is no secret");
        for secret in [secret_of(&key), secret_of(&forged)] {
            assert!(!shown.contains(secret) && !log.contains(secret));
        }
    }

    async fn the_log_says_who_got_a_key_and_not_its_hash(engine: Engine) {
        let (server, [key]) = Server::with_keys(engine, ["read"]).await;
        let events = server.get(&key, "/drift/events").await;
        let created = events["events"].as_array().unwrap().last().unwrap();
        assert_eq!((&created["type"], &created["data"]), (&json!("key-created"), &json!({
            "key": id_of(&key), "name": "read", "scopes": ["read"],
        })));
        assert_eq!(created["hash"].as_str().map(str::len), Some(64), "the link of the chain stays");
        // The export must be whole, or it could not be read back.
        assert!(server.site.ok(&["export"]).await.lines().nth_back(1).unwrap().contains("\\\"hash\\\""));
        server.finish().await;
    }

    async fn the_list_says_when_a_key_was_last_used(engine: Engine) {
        let (server, [used, unused]) = Server::with_keys(engine, ["read", "read"]).await;
        assert_eq!(listed(&server.site, &used).await["last_used_at"], json!(null));
        server.get(&used, "/drift/fresh").await;
        let first = eventually("the first use is noted", async || {
            listed(&server.site, &used).await["last_used_at"].as_str().map(str::to_owned)
        }).await;

        // Later uses of a busy key are noted now and then, and at the end.
        server.get(&used, "/drift/fresh").await;
        let site = server.stop().await;
        let last = listed(&site, &used).await["last_used_at"].as_str().unwrap().to_owned();
        assert!(last > first, "{last} after {first}");
        assert_eq!(listed(&site, &unused).await["last_used_at"], json!(null));
    }

    async fn workspaces_do_not_see_each_other(engine: Engine) {
        let server = Server::on(engine).await;
        let mut keys = Vec::new();
        for workspace in ["default", "acme", "empty"] {
            let key = server.site.ok(&["key", "create", "--scope", "admin", "--name", workspace, "--workspace", workspace]).await;
            keys.push(key.trim_end().to_owned());
        }
        let mut one = report("openai", "login");
        for key in &keys[..2] {
            let answer = server.report(key, &one).await;
            assert_eq!((&answer["duplicate"], &answer["batch"]["count"]), (&json!(false), &json!(1)));
            // The id is a retry, or a conflict, in its own workspace only.
            one["scraper_version"] = json!("2.0.0");
        }
        for (key, number) in keys.iter().zip([1, 1, 0]) {
            let fresh = server.get(key, "/drift/fresh").await;
            assert_eq!(fresh["services"].as_array().unwrap().len(), number);
            let batches = server.get(key, "/drift/batches").await;
            assert_eq!(batches["batches"].as_array().unwrap().len(), number);
            let events = server.get(key, "/drift/events").await;
            let reports = events["events"].as_array().unwrap().iter().filter(|event| event["type"] == "report-received");
            assert_eq!(reports.count(), number);
            let known = server.get(key, "/drift/known?service=openai&step=login").await;
            assert_eq!(known["known"], number == 1);
        }
        server.finish().await;
    }
}

#[tokio::test]
async fn a_revoked_key_stops_within_seconds_on_every_server_also_in_the_middle_of_a_stream() {
    let site = Site::new(Engine::Postgres).await;
    let (one, other) = tokio::join!(site.start(), site.start());
    let (key, kept) = (site.create_key("read").await, site.create_key("read").await);
    let mut viewer = Viewer::open(&one, &key, "/drift/events", None).await;
    let mut keeping = Viewer::open(&one, &kept, "/drift/events", None).await;
    for server in [&one, &other] {
        assert_eq!(status(server, &key, "/drift/fresh").await, 200);
    }
    site.ok(&["key", "revoke", id_of(&key)]).await;
    let revoked = Instant::now();
    let until_refused = async |server: &Server| {
        eventually("the key is refused", async || {
            (status(server, &key, "/drift/fresh").await == 401).then_some(())
        })
        .await;
    };
    let until_cut = async { while viewer.next().await.is_some() {} };
    tokio::join!(until_refused(&one), until_refused(&other), until_cut);
    assert!(
        revoked.elapsed() < REVOKED_WITHIN + Duration::from_secs(1),
        "took {:?}",
        revoked.elapsed()
    );
    assert_eq!(keeping.next().await.unwrap().kind, "key-revoked");
    assert!(listed(&site, &key).await["revoked_at"].is_string());

    let unknown = site.run(&["key", "revoke", "0123456789ab"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    one.finish().await;
    other.finish().await;
}

on_both! {
    async fn a_rotated_key_and_its_successor_overlap(engine: Engine) {
        let server = Server::on(engine).await;
        let old = server.site.ok(&["key", "create", "--scope", "ingest", "--name", "laptops", "--rate", "7"]).await;
        let old = old.trim_end();
        server.report(old, &report("openai", "login")).await;
        let rotated = Instant::now();
        let new = server.site.ok(&["key", "rotate", id_of(old), "--overlap", "2s"]).await;
        let new = new.trim_end();
        for key in [new, old] {
            server.report(key, &report("openai", "login")).await;
        }
        let successor = listed(&server.site, new).await;
        assert_eq!((&successor["name"], &successor["scopes"], &successor["rate"]), (&json!("laptops"), &json!(["ingest"]), &json!(7)));

        eventually("the old key stops", async || {
            let answer = server.send(old, &report("openai", "login")).await;
            match answer.status().as_u16() {
                401 => Some(()),
                // It has a rate, and this asks often.
                202 | 429 => None,
                other => panic!("{other}"),
            }
        }).await;
        let took = rotated.elapsed();
        assert!((Duration::from_millis(1900)..Duration::from_secs(7)).contains(&took), "{took:?}");
        server.report(new, &report("openai", "login")).await;
        // What has stopped has no successor.
        assert_eq!(server.site.run(&["key", "rotate", id_of(old)]).await.status.code(), Some(1));
        server.finish().await;
    }
}

#[tokio::test]
async fn a_key_over_its_rate_is_told_when_to_come_again_and_disturbs_no_other() {
    let server = Server::on(Engine::Sqlite).await;
    let slow = server
        .site
        .ok(&[
            "key", "create", "--scope", "ingest", "--name", "slow", "--rate", "5",
        ])
        .await;
    let (slow, other) = (slow.trim_end(), server.create_key("ingest").await);
    let mut refused = None;
    for sent in 1..=100 {
        let answer = server.send(slow, &report("openai", "login")).await;
        if answer.status() == 429 {
            assert!(sent > 5, "only {sent} went through");
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status(), 202);
    }
    let refused = refused.expect("a hundred at once are more than five a second");
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(
        refused.json::<Value>().await.unwrap()["code"],
        "rate_limited"
    );
    for _ in 0..20 {
        server.report(&other, &report("openai", "login")).await;
    }
    let lines = vec![report("openai", "login").to_string(); 20].join("\n");
    assert_eq!(server.send_lines(slow, &lines).await.status(), 429);
    eventually("the key may send again", async || {
        (server.send(slow, &report("openai", "login")).await.status() == 202).then_some(())
    })
    .await;
    server.finish().await;
}

#[tokio::test]
async fn a_new_key_works_at_once_also_in_a_flood_of_forged_ones_that_the_database_hardly_notices() {
    let site = Site::new(Engine::Postgres).await;
    let (proxy, through) = Proxy::to_database(&site.database_url).await;
    let server = Site::at(site.folder.clone(), through).start().await;
    let (before, began) = (proxy.asked(), Instant::now());
    let mut flood = JoinSet::new();
    for number in 0..400 {
        let request = server.client.get(server.url("/drift/fresh"));
        flood.spawn(
            request
                .bearer_auth(format!("drift_{number:012}_c2VjcmV0"))
                .send(),
        );
    }
    let key = site.create_key("read").await;
    assert_eq!(status(&server, &key, "/drift/fresh").await, 200);
    while let Some(answer) = flood.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status(), 401);
    }
    // A look is a few messages, and new connections are some more; each forged key on its own would be a thousand.
    let (looks, asked) = (
        began.elapsed().as_millis() / 200 + 2,
        proxy.asked() - before,
    );
    assert!(
        u128::from(asked) < looks * 20 + 100,
        "{asked} messages in {:?}",
        began.elapsed()
    );
    // Its neighbour of the same id and another secret is not let in.
    let forged = format!(
        "drift_{}_{}",
        id_of(&key),
        secret_of(&server.create_key("read").await)
    );
    assert_eq!(status(&server, &forged, "/drift/fresh").await, 401);
    server.finish().await;
}
