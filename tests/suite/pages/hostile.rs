//! Values that a stranger wrote stand on the pages as text.

use harness::on_both;

use super::*;

const MARKUP: &str =
    "<script>alert('x')</script><img src=x onerror=alert(1)>\"' onmouseover='alert(2)";

on_both! {
    async fn markup_in_trees_logs_and_names_does_nothing(engine: Engine) {
        let server = Server::on(engine).await;
        let [read, ingest, evidence] = [("read", MARKUP), ("ingest", "fleet"), ("runner", "bench")].map(|(scope, name)| {
            let site = server.site.clone();
            async move { site.ok(&["key", "create", "--scope", scope, "--name", name]).await.trim_end().to_owned() }
        });
        let (read, ingest, evidence) = (read.await, ingest.await, evidence.await);
        let mut runner = Runner::at(&server).await;
        runner.name = MARKUP;
        let bad = GOOD.replace("button \"Create account\"", "button \"<script>alert('tree')</script>\"");
        let run = broken(&server, &ingest, &runner, &evidence, &bad).await;
        let pages = ["/".to_owned(), format!("/drifts/openai/{HASH}"), "/runs".to_owned(), format!("/runs/{run}"), "/events".to_owned(), "/keys".to_owned()];
        for path in pages {
            let page = Page::of(&server, &read, &path).await;
            for element in page.html.split('<').skip(1) {
                let element = element.split('>').next().unwrap();
                assert!(!element.starts_with("script") || element.starts_with("script src=\"/static/"), "{path}: <{element}>");
                assert!(!element.contains("onerror") && !element.contains("onmouseover"), "{path}: <{element}>");
            }
            assert!(page.html.contains("alert("), "{path} shows it");
        }
        server.finish().await;
    }

    async fn evidence_is_shown_as_what_it_is_and_to_its_workspace_alone(engine: Engine) {
        let (server, [read, runner]) = Server::with_keys(engine, ["read", "runner"]).await;
        let tree = keep(&server, &runner, "<!doctype html><script>alert(1)</script>").await;
        let page = Page::of(&server, &read, &format!("/evidence/{tree}")).await;
        assert_eq!(page.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["content-security-policy"], "default-src 'none'; sandbox");
        assert_eq!(page.headers["cache-control"], "private, max-age=31536000, immutable");
        let theirs = server.site.ok(&["key", "create", "--scope", "read", "--name", "theirs", "--workspace", "theirs"]).await;
        let answer = Page::get(&server, theirs.trim_end(), &format!("/evidence/{tree}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        server.finish().await;
    }
}
