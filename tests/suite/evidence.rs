//! Pictures and trees: kept by what they are, shown to those who may see them, and never in the way of a run.

use harness::bucket::Bucket;
use harness::runner::{Runner, judged};
use harness::server::Site;
use harness::{Server, on_both, report};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

async fn put(server: &Server, key: &str, bytes: &[u8]) -> Response {
    let request = server.client.put(server.url("/drift/artifacts"));
    let request = request.bearer_auth(key).body(bytes.to_vec());
    request.send().await.unwrap()
}

async fn kept(server: &Server, key: &str, bytes: &[u8]) -> String {
    let answer = put(server, key, bytes).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["size"], bytes.len());
    assert_eq!(answer["sha256"], hex::encode(Sha256::digest(bytes)));
    answer["sha256"].as_str().unwrap().to_owned()
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    (status, problem["code"].as_str().unwrap().to_owned())
}

async fn link(server: &Server, key: &str, name: &str, body: Value) -> String {
    let path = format!("/drift/artifacts/{name}/link");
    let answer = server.post(&path, key, &body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["url"].as_str().unwrap().to_owned()
}

on_both! {
    async fn evidence_is_kept_once_and_shown_with_a_key_or_a_link(engine: Engine) {
        let (server, [runner, ingest, read]) = Server::with_keys(engine, ["runner", "ingest", "read"]).await;
        let name = kept(&server, &runner, PNG).await;
        assert_eq!(kept(&server, &ingest, PNG).await, name);
        let events = server.get(&read, "/drift/events?limit=1000").await;
        let stored = events["events"].as_array().unwrap().iter().filter(|event| event["type"] == "artifact-stored").count();
        assert_eq!(stored, 1);

        let path = format!("/drift/artifacts/{name}");
        let shown = server.client.get(server.url(&path)).bearer_auth(&read).send().await.unwrap();
        let header = |name: &str| shown.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("content-type").as_str(), header("x-content-type-options").as_str()), ("image/png", "nosniff"));
        assert!(header("content-security-policy").contains("sandbox"));
        assert_eq!(shown.bytes().await.unwrap(), PNG);

        // Markup is not shown as markup.
        let page = kept(&server, &runner, b"<script>alert(1)</script>").await;
        let shown = server.client.get(server.url(&format!("/drift/artifacts/{page}"))).bearer_auth(&read).send().await.unwrap();
        assert_eq!(shown.headers()["content-type"], "text/plain; charset=utf-8");

        let url = link(&server, &runner, &name, json!({})).await;
        assert!(url.starts_with(&server.base), "{url}");
        let shown = server.client.get(&url).send().await.unwrap();
        assert_eq!((shown.status(), shown.bytes().await.unwrap().as_ref()), (StatusCode::OK, PNG));
        for (changed, expected) in [
            (url.replace(&name, &page), "invalid_signature"),
            (url.replace("expires=", "expires=9"), "invalid_signature"),
            (url.replace("workspace=default", "workspace=theirs"), "invalid_signature"),
            (format!("{url}0"), "invalid_signature"),
            (format!("{url}&more=1"), "invalid_signature"),
            (url.split('?').next().unwrap().to_owned(), "missing_key"),
        ] {
            assert_eq!(code(server.client.get(&changed).send().await.unwrap()).await.1, expected, "{changed}");
        }
        let over = link(&server, &runner, &name, json!({"expires_seconds": 0})).await;
        assert_eq!(code(server.client.get(&over).send().await.unwrap()).await, (403, "link_expired".to_owned()));

        // Another process on the same database signs with the same key.
        let other = server.site.start().await;
        let theirs = url.replace(&server.base, &other.base);
        assert_eq!(other.client.get(&theirs).send().await.unwrap().status(), StatusCode::OK);
        other.stop().await;

        assert_eq!(code(put(&server, &read, PNG).await).await, (403, "insufficient_scope".to_owned()));
        let unknown = format!("/drift/artifacts/{}", "0".repeat(64));
        for path in [unknown.as_str(), "/drift/artifacts/..%2f..%2fdrift.db", "/drift/artifacts/x"] {
            let answer = server.client.get(server.url(path)).bearer_auth(&read).send().await.unwrap();
            assert_eq!(code(answer).await, (404, "not_found".to_owned()), "{path}");
        }
        // What is in the log and not on the disk is not there; a run goes on without it.
        std::fs::remove_dir_all(server.site.folder.path().join("drift-data/artifacts")).unwrap();
        let answer = server.client.get(server.url(&path)).bearer_auth(&read).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        server.finish().await;
    }

    async fn old_evidence_goes_and_what_an_issue_or_a_comparison_needs_stays(engine: Engine) {
        let server = Server::on(engine).await;
        let (ingest, key) = (server.create_key("ingest").await, server.create_key("runner").await);
        let runner = Runner::at(&server).await;
        let picture = kept(&server, &key, PNG).await;
        let (good, bad) = (kept(&server, &key, b"- main: good").await, kept(&server, &key, b"- main: bad").await);
        let stray = [kept(&server, &key, b"one").await, kept(&server, &key, b"two").await, kept(&server, &key, b"three").await];
        server.report(&ingest, &report("openai", "signup-form")).await;
        let held = runner.claim("openai").await;
        assert!(runner.say(&held, "passed", json!({"step": "signup-form", "tree": good})).await.0.is_success());
        let mut verdict = judged("signup-form", "confirmed");
        (verdict["proof"]["screenshot"], verdict["proof"]["tree"]) = (json!(picture), json!(bad));
        assert!(runner.say(&held, "judged", verdict).await.0.is_success());
        runner.done(&held, "signup-form", "open").await;
        runner.finish(&held).await;

        let file = |name: &str| server.site.folder.path().join("drift-data/artifacts/default").join(&name[..2]).join(name);
        // What is young may not be in the log yet, so the files are of this morning.
        let this_morning = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
        let nobodys = file(&"ab".repeat(32));
        std::fs::create_dir_all(nobodys.parent().unwrap()).unwrap();
        std::fs::write(&nobodys, "of a server that died before it had noted it").unwrap();
        let names = [&picture, &good, &bad, &stray[0], &stray[1], &stray[2]];
        for path in names.iter().map(|name| file(name)).chain([nobodys.clone()]) {
            std::fs::File::options().write(true).open(path).unwrap().set_modified(this_morning).unwrap();
        }
        let site = server.site.clone().with("DRIFT_RETAIN_ARTIFACT_COUNT", "1");
        let forgotten = async || {
            let done: Value = serde_json::from_str(&site.ok(&["retain", "--json"]).await).unwrap();
            site.assert_clean().await;
            done[0]["artifacts"].as_u64().unwrap()
        };
        let left = || names.map(|name| file(name).exists());
        assert_eq!(forgotten().await, 2);
        assert_eq!((left(), nobodys.exists()), ([true, true, true, false, false, true], false));
        let show = async |name: &str| {
            let request = server.client.get(server.url(&format!("/drift/artifacts/{name}"))).bearer_auth(&key);
            request.send().await.unwrap().status()
        };
        assert_eq!((show(&stray[0]).await, show(&bad).await), (StatusCode::NOT_FOUND, StatusCode::OK));
        assert_eq!(forgotten().await, 0);

        // Once the issue is done with, its proof may go; the good page is what the next failure is compared with.
        runner.observe("openai", &drift_schema::Step::parse("signup-form").unwrap().hash().to_string(), "closed").await;
        let held = runner.claim("openai").await;
        runner.judge(&held, "signup-form", "not_reproduced").await;
        runner.done(&held, "signup-form", "settle").await;
        runner.finish(&held).await;
        assert_eq!(forgotten().await, 2);
        assert_eq!(left(), [false, true, false, false, false, true]);

        // What is brought again is there again.
        assert_eq!(kept(&server, &key, b"one").await, stray[0]);
        assert_eq!(show(&stray[0]).await, StatusCode::OK);
        // So is what a sweep is about to take: as old as it was, it would be gone before the log knows it.
        let swept = file(&stray[1]);
        std::fs::write(&swept, "two").unwrap();
        std::fs::File::options().write(true).open(&swept).unwrap().set_modified(this_morning).unwrap();
        assert_eq!(kept(&server, &key, b"two").await, stray[1]);
        assert!(std::fs::metadata(&swept).unwrap().modified().unwrap() > this_morning + std::time::Duration::from_secs(3_600));
        server.finish().await;
    }

    async fn what_is_no_evidence_or_too_much_of_it_is_refused(engine: Engine) {
        let site = Site::new(engine).await.with("DRIFT_ARTIFACTS_QUOTA", "100");
        let server = site.start().await;
        let runner = server.create_key("runner").await;
        let small = kept(&server, &runner, PNG).await;
        for (bytes, expected) in [
            (&b""[..], (415, "unsupported_artifact")),
            (b"GIF89a\x01\x00", (415, "unsupported_artifact")),
            (b"%PDF-1.7\x00", (415, "unsupported_artifact")),
            (b"not \xff utf-8", (415, "unsupported_artifact")),
            (&[b'a'; 90], (413, "quota_exceeded")),
            (&vec![b'a'; 11 * 1024 * 1024], (413, "body_too_large")),
        ] {
            let answer = put(&server, &runner, bytes).await;
            let (status, code) = code(answer).await;
            assert_eq!((status, code.as_str()), expected);
        }
        // What is there already costs nothing.
        assert_eq!(kept(&server, &runner, PNG).await, small);
        server.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_may_lie_in_a_bucket_and_a_bucket_that_is_unwell_is_a_503() {
    let bucket = Bucket::start();
    let mut site = Site::new(harness::Engine::Sqlite)
        .await
        .with("DRIFT_ARTIFACTS_URL", "s3://evidence/drift");
    for (name, value) in bucket.variables() {
        site = site.with(name, &value);
    }
    let server = site.start().await;
    let (runner, read) = (
        server.create_key("runner").await,
        server.create_key("read").await,
    );
    let name = kept(&server, &runner, PNG).await;
    assert_eq!(kept(&server, &runner, PNG).await, name);
    let path = format!("/evidence/drift/default/{}/{name}", &name[..2]);
    assert_eq!(bucket.names(), [path]);
    let path = format!("/drift/artifacts/{name}");
    let show = async || {
        let request = server.client.get(server.url(&path)).bearer_auth(&read);
        request.send().await.unwrap()
    };
    assert_eq!(show().await.bytes().await.unwrap(), PNG);
    bucket.be_unwell(true);
    assert_eq!(code(show().await).await, (503, "unavailable".to_owned()));
    assert_eq!(
        code(put(&server, &runner, b"more").await).await,
        (503, "unavailable".to_owned())
    );
    bucket.be_unwell(false);
    kept(&server, &runner, b"more").await;
    assert!(!server.finish().await.contains("a-secret"));
}
