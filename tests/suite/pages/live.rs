//! The log as it goes on while somebody looks.

use harness::on_both;
use harness::viewer::Viewer;

use super::*;

/// The next block that is no comment.
async fn next(viewer: &mut Viewer) -> String {
    loop {
        let block = viewer.block().await.expect("a stream that goes on");
        if !block.starts_with(':') && !block.starts_with("retry") {
            return block;
        }
    }
}

on_both! {
    async fn a_row_arrives_with_its_report_and_only_where_it_is_wanted(engine: Engine) {
        let (server, [read, ingest]) = Server::with_keys(engine, ["read", "ingest"]).await;
        let page = Page::of(&server, &read, "/events").await;
        let live = page.html.split("data-live=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert!(live.starts_with("/events/live?after="), "{live}");
        // What comes before the stream is open is not lost.
        server.report(&ingest, &report("openai", "login")).await;
        let mut all = Viewer::open(&server, &read, &live, None).await;
        let mut some = Viewer::open(&server, &read, "/events/live?service=openrouter", None).await;
        let first = next(&mut all).await;
        assert!(first.contains("event: row\n") && first.contains("openai"), "{first}");
        server.report(&ingest, &report("openai", "signup-form")).await;
        server.report(&ingest, &report("openrouter", "signup-form")).await;
        let row = next(&mut all).await;
        assert!(row.contains(&format!("data: <li id=\"e{}\">", row.split("id: ").nth(1).unwrap().lines().next().unwrap())), "{row}");
        assert!(row.contains(&format!("/drifts/openai/{HASH}")), "{row}");
        let row = next(&mut some).await;
        assert!(row.contains("openrouter") && !row.contains("openai"), "{row}");
        // A browser that comes back says what it has.
        let last = row.split("id: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        server.report(&ingest, &report("openai", "last")).await;
        let mut back = Viewer::open(&server, &read, &live, Some(last)).await;
        let row = next(&mut back).await;
        assert!(row.contains(">last<"), "{row}");
        drop((all, some, back));
        server.finish().await;
    }

    async fn a_flood_is_told_by_its_number_and_a_revoked_key_sees_no_more(engine: Engine) {
        let (server, [read, ingest]) = Server::with_keys(engine, ["read", "ingest"]).await;
        let flood: String = (0..400).map(|_| format!("{}\n", report("openai", "signup-form"))).collect();
        server.send_lines(&ingest, &flood).await.error_for_status().unwrap();
        // So far behind that a page would be of no use to anybody.
        let mut late = Viewer::open(&server, &read, "/events/live?after=0", None).await;
        let block = next(&mut late).await;
        assert!(block.starts_with("event: skipped\ndata: 40"), "{block}");
        server.report(&ingest, &report("openai", "login")).await;
        assert!(next(&mut late).await.contains(">login<"));
        // Whatever a browser says of where it was.
        let long_ago = format!("/events/live?after={}", i64::MIN);
        let mut odd = Viewer::open(&server, &read, &long_ago, None).await;
        assert!(next(&mut odd).await.starts_with("event: skipped\n"));
        drop(odd);

        let id = read.split('_').nth(1).unwrap_or_default();
        let keys: Value = serde_json::from_str(&server.site.ok(&["key", "list", "--json"]).await).unwrap();
        let key = keys.as_array().unwrap().iter().find(|key| key["name"] == "read").unwrap_or_else(|| panic!("{id}: {keys}"));
        server.site.ok(&["key", "revoke", key["id"].as_str().unwrap()]).await;
        let ended = async {
            loop {
                server.report(&ingest, &report("openai", "login")).await;
                let block = tokio::time::timeout(std::time::Duration::from_millis(500), late.block());
                if let Ok(None) = block.await {
                    break;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.expect("the stream ends");
        server.finish().await;
    }
}
