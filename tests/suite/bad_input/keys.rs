//! Keys that are made up, wrong, revoked, or good for something else.

use harness::raw::Request;
use harness::{eventually, on_both};

use super::door::{CANARY, Door, whole, with};

on_both! {
    async fn a_forged_key_is_refused_and_the_right_one_beside_it_works(engine: Engine) {
        let door = Door::on(engine).await;
        let good = door.ingest.clone();
        // A secret may have underscores too.
        let (id, secret) = good.strip_prefix("drift_").unwrap().split_once('_').unwrap();
        let (_, other) = door.read.strip_prefix("drift_").unwrap().split_once('_').unwrap();
        let mut forged = vec![
            CANARY.to_owned(), "drift_".to_owned(), "drift__".to_owned(), format!("drift_{id}"), format!("drift_{id}_"),
            format!("drift_{id}_{CANARY}"), format!("drift_{id}_{other}"), format!("drift_000000000000_{secret}"),
            format!("drift_{}_{secret}", id.to_uppercase()), good.to_uppercase(), format!("x{good}"), format!("{good}x"), format!("{good}="),
            format!("drift_{id}_{}", &secret[1..]), format!("drift_{id}_{}", CANARY.repeat(1_000)), format!("{good} {good}"), format!("{good},{good}"),
            format!("drift_{id}__{secret}"), format!("drift_'or'1'='1_{secret}"),
        ];
        // One character changed, at each place of the secret.
        for at in 0..secret.len() {
            let mut bytes = secret.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            forged.push(format!("drift_{id}_{}", String::from_utf8(bytes).unwrap()));
        }
        for key in &forged {
            let mut knock = door.knock().await;
            let request = Request::post("/drift/report").key(key).json();
            let answer = knock.ask(&request.body(with("service", CANARY))).await;
            assert_eq!(answer.verdict(), "401 invalid_key", "{key}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        let mut knock = door.knock().await;
        assert_eq!(knock.report(whole().to_string()).await, "202");
        let log = door.server.log();
        assert!(!log.contains(secret) && !log.contains(other), "a key is in the log");
        door.close(1).await;
    }

    async fn a_key_must_come_as_a_bearer_key(engine: Engine) {
        let door = Door::on(engine).await;
        let key = &door.ingest;
        let dsn = format!("authorization: Basic {key}");
        let long = format!("authorization: Bearer {}", CANARY.repeat(10_000));
        for (line, expected) in [
            ("x-nothing: 1".to_owned(), "401 missing_key"),
            ("authorization:".to_owned(), "401 missing_key"),
            ("authorization: Bearer".to_owned(), "401 missing_key"),
            ("authorization: Bearer ".to_owned(), "401 missing_key"),
            (format!("authorization: {key}"), "401 missing_key"),
            (format!("authorization: Token {key}"), "401 missing_key"),
            (format!("authorization: Bearer{key}"), "401 missing_key"),
            (format!("authorization: Bearer:{key}"), "401 missing_key"),
            (format!("authorization: Bearer\t{key}"), "401 missing_key"),
            (format!("x-api-key: {key}"), "401 missing_key"),
            (format!("cookie: authorization={key}"), "401 missing_key"),
            (dsn, "401 missing_key"),
            ("authorization: Bearer \u{e7}anary".to_owned(), "401 missing_key"),
            (format!("authorization: Bearer {key}\u{1f424}"), "401 missing_key"),
            (long, "401 invalid_key"),
            (format!("authorization: Bearer {CANARY}\r\nauthorization: Bearer {key}"), "401 invalid_key"),
            (format!("authorization: Bearer {key}\r\nauthorization: Bearer {CANARY}"), "401 invalid_key"),
        ] {
            let mut knock = door.knock().await;
            let request = Request::post("/drift/report").with(&line).json();
            let answer = knock.ask(&request.body(whole().to_string())).await;
            assert_eq!(answer.verdict(), expected, "{}", &line[..line.len().min(80)]);
        }
        // The scheme is a word of HTTP, where case does not count.
        for line in [format!("Authorization: bearer {key}"), format!("AUTHORIZATION: BEARER  {key} ")] {
            let mut knock = door.knock().await;
            let request = Request::post("/drift/report").with(line).json();
            assert_eq!(knock.ask(&request.body(whole().to_string())).await.verdict(), "202");
        }
        let request = Request::post(&format!("/drift/report?key={key}")).json();
        assert_eq!(door.knock().await.ask(&request.body("{}")).await.verdict(), "401 missing_key");
        door.close(2).await;
    }

    async fn a_revoked_key_stops_within_seconds_on_an_open_connection_too(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        assert_eq!(knock.report(whole().to_string()).await, "202");
        let id = door.ingest.split('_').nth(1).unwrap().to_owned();
        door.server.site.ok(&["key", "revoke", &id]).await;
        let bad = with("service", CANARY.to_uppercase());
        let refused = eventually("the key is refused", async || {
            let verdict = knock.report(&bad).await;
            (verdict != "422 invalid_field service").then_some(verdict)
        }).await;
        assert_eq!(refused, "401 invalid_key");
        for _ in 0..3 {
            let mut knock = door.knock().await;
            assert_eq!(knock.report(whole().to_string()).await, "401 invalid_key");
        }
        door.close(1).await;
    }
}

#[tokio::test]
async fn each_key_opens_its_own_doors_and_no_others() {
    let door = Door::on(harness::Engine::Sqlite).await;
    let runner = door.server.create_key("runner").await;
    let admin = door.server.create_key("admin").await;
    let ndjson = "content-type: application/x-ndjson";
    let all: &[(&str, &[&str])] = &[
        ("POST /drift/report", &["ingest", "admin"]),
        ("POST /drift/reports", &["ingest", "admin"]),
        (
            "GET /drift/known?service=openai&step=signup-form",
            &["ingest", "read", "admin"],
        ),
        ("GET /drift/fresh", &["runner", "read", "admin"]),
        ("GET /drift/batches", &["read", "admin"]),
        ("GET /drift/events", &["read", "admin"]),
    ];
    let keys = [
        ("ingest", &door.ingest),
        ("read", &door.read),
        ("runner", &runner),
        ("admin", &admin),
    ];
    let body = whole().to_string();
    for (line, open_to) in all {
        for (scope, key) in keys {
            let mut knock = door.knock().await;
            let request = Request::new(&format!("{line} HTTP/1.1")).key(key);
            let answer = match *line {
                "POST /drift/report" => knock.ask(&request.json().body(&body)).await,
                "POST /drift/reports" => knock.ask(&request.with(ndjson).body(&body)).await,
                _ => knock.ask(&request.end()).await,
            };
            if open_to.contains(&scope) {
                assert!(answer.status < 300, "{line} {scope}: {}", answer.verdict());
            } else {
                assert_eq!(answer.verdict(), "403 insufficient_scope", "{line} {scope}");
            }
        }
    }
    door.close(1).await;
}
