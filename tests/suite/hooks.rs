//! Webhooks of GitHub: believed when they are signed, once each, and only about issues of ours.

use harness::runner::Runner;
use harness::server::Site;
use harness::{Db, Server, on_both, report};
use reqwest::Response;
use serde_json::{Value, json};

const SECRET: &str = "it is a secret to everybody";
const URL: &str = "https://github.example/owner/repo/issues/7";

/// `openssl dgst -sha256 -hmac`, by another implementation than the server's.
pub fn signature(body: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let mut key = [0_u8; 64];
    key[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
    let pad = |with: u8| key.map(|byte| byte ^ with);
    let inner = Sha256::digest([&pad(0x36)[..], body.as_bytes()].concat());
    let outer = Sha256::digest([&pad(0x5c)[..], &inner[..]].concat());
    format!("sha256={}", hex::encode(outer))
}

async fn deliver(server: &Server, id: &str, body: &Value) -> u16 {
    let body = body.to_string();
    send(server, id, "issues", &signature(&body), body)
        .await
        .status()
        .as_u16()
}

async fn send(server: &Server, id: &str, event: &str, signature: &str, body: String) -> Response {
    let request = server.client.post(server.url("/hooks/github"));
    let request = request
        .header("content-type", "application/json")
        .header("x-github-event", event)
        .header("x-github-delivery", id)
        .header("x-hub-signature-256", signature);
    request.body(body).send().await.unwrap()
}

fn about(action: &str) -> Value {
    json!({"action": action, "issue": {"number": 7, "html_url": URL, "title": "drift(openai): \u{1f41e}"}, "sender": {"login": "somebody"}})
}

on_both! {
    async fn what_happens_to_an_issue_at_github_happens_to_its_drift(engine: Engine) {
        let server = Site::new(engine).await.with("DRIFT_GITHUB_WEBHOOK_SECRET", SECRET).start().await;
        let ingest = server.create_key("ingest").await;
        let runner = Runner::at(&server).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        let held = runner.claim("openai").await;
        runner.judge(&held, "signup-form", "confirmed").await;
        let issue = json!({"tracker": "github", "number": 7, "url": URL, "state": "open"});
        let (status, _) = runner.say(&held, "done", json!({"step": "signup-form", "task": "open", "issue": issue})).await;
        assert!(status.is_success());
        runner.finish(&held).await;
        let state = async || server.get(&ingest, "/drift/known?service=openai&step=signup-form").await["known_issue"]["state"].clone();
        let head = async || Db::open(&server.site).await.number("SELECT position FROM event_heads").await;

        // Nobody's business: another repository, another event, another action.
        let before = head().await;
        let mut elsewhere = about("closed");
        elsewhere["issue"]["html_url"] = json!("https://github.example/other/repo/issues/7");
        assert_eq!(deliver(&server, "1", &elsewhere).await, 204);
        assert_eq!(deliver(&server, "2", &about("labeled")).await, 204);
        let ping = json!({"zen": "Speak like a human."}).to_string();
        assert_eq!(send(&server, "3", "ping", &signature(&ping), ping).await.status(), 204);
        assert_eq!((head().await, state().await), (before, json!("open")));

        assert_eq!(deliver(&server, "4", &about("closed")).await, 204);
        assert_eq!(state().await, "closed");
        assert_eq!(runner.tasks().await, ["openai signup-form verify"]);
        assert_eq!(deliver(&server, "5", &about("reopened")).await, 204);
        assert_eq!(state().await, "open");
        // Late and for the second time: it has been overtaken.
        assert_eq!(deliver(&server, "4", &about("closed")).await, 204);
        assert_eq!(state().await, "open");

        // The same issue may stand for another drift, too.
        server.report(&ingest, &report("openai", "login")).await;
        let held = runner.claim("openai").await;
        runner.judge(&held, "login", "confirmed").await;
        let folded = json!({"tracker": "github", "number": 7, "url": URL, "state": "open"});
        let (status, _) = runner.say(&held, "done", json!({"step": "login", "task": "open", "issue": folded})).await;
        assert!(status.is_success());
        runner.finish(&held).await;
        assert_eq!(deliver(&server, "8", &about("closed")).await, 204);
        assert_eq!(runner.tasks().await, ["openai login verify", "openai signup-form verify"]);
        assert_eq!(deliver(&server, "9", &about("reopened")).await, 204);
        assert!(runner.tasks().await.is_empty());

        let mut moved = about("transferred");
        moved["changes"] = json!({"new_issue": {"number": 3, "html_url": "https://github.example/owner/new/issues/3"}});
        assert_eq!(deliver(&server, "6", &moved).await, 204);
        let known = server.get(&ingest, "/drift/known?service=openai&step=signup-form").await;
        assert_eq!((&known["known_issue"]["number"], &known["known_issue"]["state"]), (&json!(3), &json!("open")));
        let deleted = json!({"action": "deleted", "issue": {"number": 3, "html_url": "https://github.example/owner/new/issues/3"}});
        assert_eq!(deliver(&server, "7", &deleted).await, 204);
        assert_eq!(state().await, Value::Null);
        server.finish().await;
    }
}

#[tokio::test]
async fn what_is_not_signed_by_github_is_not_read() {
    let site = Site::new(harness::Engine::Sqlite).await;
    let server = site
        .with("DRIFT_GITHUB_WEBHOOK_SECRET", SECRET)
        .start()
        .await;
    let body = about("closed").to_string();
    let good = signature(&body);
    for forged in [
        "",
        "sha256=",
        "sha256=00",
        &good[..60],
        &good.replace("sha256", "sha1"),
        &signature("other"),
    ] {
        let answer = send(&server, "1", "issues", forged, body.clone()).await;
        assert_eq!(answer.status(), 401, "{forged}");
    }
    assert_eq!(
        send(&server, "1", "issues", &good, body.clone() + " ")
            .await
            .status(),
        401
    );
    assert_eq!(
        send(&server, "", "issues", &good, body.clone())
            .await
            .status(),
        400
    );
    let broken = "{\"action\":".to_owned();
    assert_eq!(
        send(&server, "1", "issues", &signature(&broken), broken)
            .await
            .status(),
        400
    );
    assert!(!server.finish().await.contains(SECRET));
    // Without a secret nobody is believed.
    let server = Server::on(harness::Engine::Sqlite).await;
    assert_eq!(
        send(&server, "1", "issues", &good, body).await.status(),
        401
    );
    server.finish().await;
}

#[tokio::test]
async fn nobody_makes_us_inflate_before_they_have_proved_who_they_are() {
    let site = Site::new(harness::Engine::Sqlite).await;
    let server = site
        .with("DRIFT_GITHUB_WEBHOOK_SECRET", SECRET)
        .start()
        .await;
    let body = about("closed").to_string();
    for (encoding, status) in [("gzip", 415), ("br", 415), ("identity", 204)] {
        let request = server
            .client
            .post(server.url("/hooks/github"))
            .header("content-type", "application/json")
            .header("content-encoding", encoding)
            .header("x-github-event", "issues")
            .header("x-github-delivery", encoding)
            .header("x-hub-signature-256", signature(&body));
        let answer = request.body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), status, "{encoding}");
    }
    server.finish().await;
}
