//! A database that is not there yet, goes away, or hangs: refusals that say so, within seconds, and no restart.

use std::time::{Duration, Instant};

use harness::postgres::Cluster;
use harness::proxy::Proxy;
use harness::server::{Engine, Server, Site};
use harness::{eventually, report};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a client may have to wait for at most, with the deadline of the store at two seconds and a slow machine.
const SOON: Duration = Duration::from_secs(10);

async fn on(database_url: String) -> Site {
    let folder = Site::new(Engine::Sqlite).await.folder;
    Site::at(folder, database_url).with("DRIFT_STORE_DEADLINE", "2s")
}

/// Status and `why` of the probes.
async fn health(server: &Server) -> (u16, u16, String) {
    let ask = async |path| server.client.get(server.url(path)).send().await.unwrap();
    let (alive, ready) = (
        ask("/healthz").await.status().as_u16(),
        ask("/readyz").await,
    );
    let status = ready.status().as_u16();
    let body: Value = ready.json().await.unwrap();
    (
        alive,
        status,
        body["why"].as_str().unwrap_or_default().to_owned(),
    )
}

/// Everything that needs the database says in good time that it cannot be reached, and when to come again.
async fn assert_unavailable(server: &Server, key: &str) {
    let mut asked = JoinSet::new();
    let get = |path: &str, key: &str| server.client.get(server.url(path)).bearer_auth(key);
    for path in [
        "/drift/known?service=openai&step=login",
        "/drift/fresh",
        "/drift/batches",
        "/drift/events",
    ] {
        asked.spawn(get(path, key).send());
    }
    for _ in 0..8 {
        asked.spawn(
            server
                .post("/drift/report", key, &report("openai", "login"))
                .send(),
        );
        // A key that nobody knows must be looked up; these look-ups may not queue behind each other.
        asked.spawn(get("/drift/fresh", "drift_0123456789ab_c2VjcmV0").send());
    }
    let began = Instant::now();
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap().unwrap();
        let url = answer.url().path().to_owned();
        assert_eq!(answer.status(), 503, "{url}");
        assert!(answer.headers().contains_key("retry-after"), "{url}");
        assert_eq!(
            answer.json::<Value>().await.unwrap()["code"],
            "unavailable",
            "{url}"
        );
    }
    assert!(began.elapsed() < SOON, "took {:?}", began.elapsed());
}

async fn assert_serving(server: &Server, key: &str) {
    server.ready().await;
    let sent = report("openai", "login");
    eventually("reports are stored again", async || {
        let answer = server.send(key, &sent).await;
        assert!(matches!(answer.status().as_u16(), 202 | 503));
        (answer.status() == 202).then_some(())
    })
    .await;
    for path in [
        "/drift/known?service=openai&step=login",
        "/drift/fresh",
        "/drift/batches",
        "/drift/events",
    ] {
        server.get(key, path).await;
    }
}

#[tokio::test]
async fn a_database_that_is_down_is_waited_for_and_later_waited_out() {
    let mut cluster = Cluster::start();
    let site = on(cluster.fresh_database().await).await;
    site.ok(&["migrate"]).await;
    let key = site.create_key("admin").await;

    cluster.stop();
    let server = site.start_without_waiting().await;
    assert_eq!(
        health(&server).await,
        (200, 503, "starting: waiting for the database".to_owned())
    );
    assert_unavailable(&server, &key).await;
    cluster.start_again();
    assert_serving(&server, &key).await;

    for round in 0..2 {
        if round == 0 {
            cluster.stop();
        } else {
            cluster.crash();
        }
        assert_unavailable(&server, &key).await;
        assert_eq!(
            health(&server).await,
            (200, 503, "the database does not answer".to_owned())
        );
        cluster.start_again();
        assert_serving(&server, &key).await;
    }
    // Revocation and new keys come through again, too.
    let other = site.create_key("read").await;
    server.get(&other, "/drift/batches").await;
    server.finish().await;
}

#[tokio::test]
async fn a_database_that_hangs_is_unavailable_and_not_waited_for_without_end() {
    let url = harness::postgres::fresh_database().await;
    let (proxy, url) = Proxy::to_database(&url).await;
    let server = on(url).await.start().await;
    let key = server.create_key("admin").await;
    assert_serving(&server, &key).await;

    // Some are in the middle of a question when it happens.
    let (answered, mut answers) = watch::channel(());
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let request = server.client.get(server.url("/drift/batches"));
        let (request, answered) = (request.bearer_auth(&key), answered.clone());
        asking.spawn(async move {
            loop {
                let answer = request.try_clone().expect("no body").send().await;
                let status = answer.expect("an answer").status().as_u16();
                if status != 200 {
                    return status;
                }
                answered.send_replace(());
            }
        });
    }
    for _ in 0..100 {
        answers.changed().await.expect("they ask");
    }
    proxy.freeze();
    let frozen = Instant::now();
    assert_eq!(asking.join_all().await, [503; 8]);
    assert!(frozen.elapsed() < SOON, "took {:?}", frozen.elapsed());
    assert_unavailable(&server, &key).await;
    assert_unavailable(&server, &key).await;
    assert_eq!(
        health(&server).await,
        (200, 503, "the database does not answer".to_owned())
    );
    proxy.thaw();
    assert_serving(&server, &key).await;
    server.finish().await;
}
