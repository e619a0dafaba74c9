//! Headers, static files, weight, and the pages that say that there is no page.

use std::collections::BTreeSet;

use harness::server::Site;
use harness::{Db, Engine, on_both};

use super::*;

/// Of a page with everything that it loads, but not the evidence.
const HEAVIEST: usize = 150_000;

/// Static files that a page names.
fn assets(html: &str) -> BTreeSet<String> {
    let named = html.split("\"/static/").skip(1);
    named
        .map(|rest| format!("/static/{}", rest.split('"').next().unwrap()))
        .collect()
}

on_both! {
    async fn a_page_may_load_nothing_from_elsewhere_and_has_no_script_of_its_own(engine: Engine) {
        let (server, [read, ingest, evidence]) = Server::with_keys(engine, ["read", "ingest", "runner"]).await;
        let runner = Runner::at(&server).await;
        let run = broken(&server, &ingest, &runner, &evidence, "- main:\n  - button \"Continue\"\n").await;
        for path in ["/", &format!("/drifts/openai/{HASH}"), "/runs", &format!("/runs/{run}"), "/events", "/keys", "/drifts/none/none"] {
            let page = Page::get(&server, &read, path).await;
            assert_eq!(page.headers["content-security-policy"],
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                form-action 'self'; frame-ancestors 'none'; base-uri 'none'", "{path}");
            assert_eq!(page.headers["x-content-type-options"], "nosniff");
            assert_eq!(page.headers["referrer-policy"], "same-origin");
            assert_eq!(page.headers["cache-control"], "no-store");
            assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
            assert!(!page.html.contains("<style") && !page.html.contains(" style="), "{path}");
            assert!(page.html.contains("<html lang=\"en\">") && page.html.contains("<h1"), "{path}");
            let mut weight = page.html.len();
            for asset in assets(&page.html) {
                let answer = server.client.get(server.url(&asset)).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{asset}");
                weight += answer.bytes().await.unwrap().len();
            }
            assert!(weight < HEAVIEST, "{path} weighs {weight}");
        }
        server.finish().await;
    }

    async fn what_there_is_none_of_is_a_page_that_says_so(engine: Engine) {
        let (server, [read, ingest]) = Server::with_keys(engine, ["read", "ingest"]).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        let none = "0".repeat(64);
        for path in [
            format!("/drifts/openai/{none}"), format!("/drifts/none/{HASH}"), "/drifts/Not%20A/service".to_owned(),
            "/runs/1".to_owned(), format!("/runs/{}", uuid::Uuid::nil()), format!("/evidence/{none}"), "/evidence/..%2f..".to_owned(),
            "/events?kind=moon-landed".to_owned(), "/events?service=%3Cb%3E".to_owned(), "/?service=%3Cb%3E".to_owned(),
            "/static/style.css".to_owned(), "/nowhere".to_owned(),
        ] {
            let page = Page::get(&server, &read, &path).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
            page.assert_says("Not found");
            assert!(page.html.contains("<a href=\"/\">"), "{path}: no way back");
        }
        // Programs get what they got before.
        for (path, accept) in [("/nowhere", "*/*"), ("/drift/nowhere", "text/html")] {
            let answer = server.client.get(server.url(path)).header("accept", accept).send().await.unwrap();
            assert_eq!((answer.status(), answer.headers()["content-type"].to_str().unwrap()), (StatusCode::NOT_FOUND, "application/problem+json"), "{path}");
        }
        // Good keys for other things.
        let page = Page::get(&server, &ingest, "/").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        page.assert_says("Not with this key");
        server.finish().await;
    }

    async fn a_database_that_cannot_be_reached_is_a_page_that_says_so(engine: Engine) {
        let site = Site::new(engine).await.with("DRIFT_STORE_DEADLINE", "300ms");
        let server = site.start().await;
        let read = server.create_key("read").await;
        Page::of(&server, &read, "/").await;
        let mut db = Db::open(&site).await;
        // SQLite's readers go on whoever writes; there a table is gone.
        let (begin, status, says) = if db.is_sqlite() {
            ("ALTER TABLE drifts RENAME TO elsewhere", StatusCode::INTERNAL_SERVER_ERROR, "This is a fault of ours.")
        } else {
            ("BEGIN; LOCK TABLE batches, events, runs, drifts", StatusCode::SERVICE_UNAVAILABLE, "Nothing is lost")
        };
        db.must(begin).await;
        let paths: &[&str] = if db.is_sqlite() { &["/"] } else { &["/", "/runs", "/events", &format!("/drifts/openai/{HASH}")] };
        for path in paths {
            let page = Page::get(&server, &read, path).await;
            assert_eq!(page.status, status, "{path}");
            page.assert_says(says);
            page.assert_says("Request ");
            assert!(!page.html.contains("relation") && !page.html.contains("no such table"), "{}", page.html);
            assert_eq!(page.headers.contains_key("retry-after"), status == StatusCode::SERVICE_UNAVAILABLE);
        }
        db.must(if db.is_sqlite() { "ALTER TABLE elsewhere RENAME TO drifts" } else { "ROLLBACK" }).await;
        Page::of(&server, &read, "/").await;
        server.stop().await.assert_clean().await;
    }

    async fn a_server_that_waits_for_its_database_says_so(engine: Engine) {
        let site = Site::new(engine).await;
        let server = match engine {
            // A folder where the file should be.
            Engine::Sqlite => {
                std::fs::create_dir_all(site.folder.path().join("data/drift.db")).unwrap();
                site.start_without_waiting().await
            }
            Engine::Postgres => {
                let mut nowhere = site.clone();
                nowhere.database_url = "postgres://nobody@127.0.0.1:1/none".to_owned();
                nowhere.start_without_waiting().await
            }
        };
        let page = Page::get(&server, "none", "/").await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        page.assert_says("The database cannot be reached");
        let answer = server.client.get(server.url("/drift/drifts")).header("accept", "text/html").send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn static_files_are_kept_by_browsers_for_good() {
    let (server, [read]) = Server::with_keys(Engine::Sqlite, ["read"]).await;
    let page = Page::of(&server, &read, "/").await;
    for asset in assets(&page.html) {
        let plain = server.client.get(server.url(&asset)).send().await.unwrap();
        assert_eq!(
            plain.headers()["cache-control"],
            "public, max-age=31536000, immutable"
        );
        assert_eq!(plain.headers()["x-content-type-options"], "nosniff");
        let whole = plain.bytes().await.unwrap();
        let packed = server.client.get(server.url(&asset));
        let packed = packed.header("accept-encoding", "br, gzip").send().await;
        let packed = packed.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip", "{asset}");
        assert!(packed.bytes().await.unwrap().len() < whole.len(), "{asset}");
    }
    server.finish().await;
}
