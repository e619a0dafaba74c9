//! Values that have the form of their field and look like something that nobody should have sent.

use harness::on_both;
use serde_json::json;

use super::door::{CANARY, Door, FIELDS, with};

/// A leak in the form of each field that the second net looks at. Made here: no scanner should take one for real.
fn leaks(path: &str) -> Vec<String> {
    let secret = format!("sk-{CANARY}{}", "a1b2c3d4".repeat(3));
    let phone = "call-4915177007707";
    let mail = format!("{CANARY}-at-example-dot-com");
    let id = "550e8400-e29b-41d4-a716-770077077000";
    let plain = [secret.as_str(), phone, mail.as_str(), id];
    let dressed = plain.iter().map(|leak| match path {
        "scraper_version" => format!("1.4.2-{leak}"),
        "url_host" => format!("{leak}.example.com"),
        _ => (*leak).to_owned(),
    });
    dressed.collect()
}

on_both! {
    async fn what_looks_personal_is_refused_by_the_name_of_its_field_and_seen_nowhere(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        let mut sent = Vec::new();
        for (path, _, _) in FIELDS.iter().filter(|(_, _, second_net)| *second_net) {
            for leak in leaks(path) {
                let verdict = knock.report(with(path, leak.as_str())).await;
                assert_eq!(verdict, format!("422 pii_suspected {path}"), "{leak}");
                let line = with(path, leak.as_str());
                let lines = knock.lines(format!("{line}\n{line}\n")).await;
                assert_eq!(lines.rejected, [1, 2].map(|at| format!("{at} pii_suspected {path}")));
                sent.push(leak);
            }
        }
        // Not the values of the two harmless-looking kinds either, which have no canary in them.
        let log = door.server.log();
        let refused = door.server.metrics().await;
        for leak in ["4915177007707", "770077077000"] {
            assert!(!log.contains(leak) && !refused.contains(leak), "{leak}");
        }
        let count = format!("code=\"pii_suspected\"}} {}", sent.len() * 3);
        assert!(refused.contains(&count), "{count} in {refused}");
        door.close(0).await;
    }
}

#[tokio::test]
async fn the_answer_says_which_rule_and_not_which_value() {
    let door = Door::on(harness::Engine::Sqlite).await;
    let mut knock = door.knock().await;
    let request = door
        .post()
        .body(with("service", leaks("service")[0].as_str()));
    let answer = knock.ask(&request).await;
    let mut problem = answer.json();
    problem["request_id"] = json!(null);
    insta::assert_json_snapshot!(problem, @r#"
    {
      "code": "pii_suspected",
      "detail": "service: looks like a secret",
      "field": "service",
      "request_id": null,
      "status": 422,
      "title": "A value looks personal or secret and was not stored",
      "type": "/docs/problems#pii_suspected"
    }
    "#);
    door.close(0).await;
}
