//! A report from the POST to the counters.

use harness::{Server, on_both, report};
use serde_json::json;

on_both! {
    async fn two_reports_of_one_step_are_one_batch_that_is_fresh(engine: Engine) {
        let (server, [ingest]) = Server::with_keys(engine, ["ingest"]).await;
        let runner = server.create_key("runner").await;

        let first = server.report(&ingest, &report("openai", "signup-form")).await;
        let second = server.report(&ingest, &report("openai", "signup-form")).await;
        assert_eq!((&first["batch"]["count"], &second["batch"]["count"]), (&json!(1), &json!(2)));
        assert_eq!(first["known_issue"], json!(null));

        let fresh = server.get(&runner, "/drift/fresh?window=3600").await;
        let service = &fresh["services"][0];
        assert_eq!((&service["service"], &service["reports"]), (&json!("openai"), &json!(2)));
        let batch = &service["batches"][0];
        assert_eq!(batch["step"], "signup-form");
        assert_eq!(batch["step_hash"], "780a5726bba40e29925b8a4c32d3dfb2bf1357e6162418bbb587fc9ab4b1ff2f");
        assert_eq!((&batch["count"], &batch["action"]), (&json!(2), &json!("replay")));
        assert_eq!(fresh["services"].as_array().map(Vec::len), Some(1));
        server.finish().await;
    }

    async fn the_same_report_again_is_counted_once(engine: Engine) {
        let (server, [key]) = Server::with_keys(engine, ["ingest"]).await;
        let one = report("openai", "signup-form");
        let first = server.report(&key, &one).await;
        let again = server.report(&key, &one).await;
        assert_eq!((&first["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));
        assert_eq!(first["batch"], again["batch"]);

        let mut other = one.clone();
        other["scraper_version"] = json!("1.4.3");
        let answer = server.send(&key, &other).await;
        assert_eq!(answer.status(), 409);
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!((&problem["code"], &problem["field"]), (&json!("report_conflict"), &json!("report_id")));
        assert_eq!(server.report(&key, &one).await["batch"]["count"], 1);
        server.finish().await;
    }
}
