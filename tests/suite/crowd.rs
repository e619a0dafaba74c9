//! More connections than the server keeps seated: beyond a few hundred, each is put aside after every answer (see
//! `drift-api/src/connection/entrance.rs`), and nobody may notice.

use harness::raw::{Connection, Request};
use harness::server::Site;
use harness::{on_both, report};
use serde_json::json;
use uuid::Uuid;

const CROWD: usize = 400;

on_both! {
    async fn in_a_crowd_everybody_is_answered_in_turn_and_nothing_is_lost(engine: Engine) {
        let site = Site::new(engine).await.with("DRIFT_WORKERS", "1");
        let server = site.start().await;
        let (key, read) = (server.create_key("ingest").await, server.create_key("read").await);
        let post = || Request::post("/drift/report").key(&key).json();
        let some = || {
            let mut one = report("openai", "signup-form");
            one["report_id"] = json!(Uuid::new_v4());
            one
        };

        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            crowd.push(Connection::to(&server).await);
        }
        let mut sent = 0;
        for round in 0..3 {
            let mut expected = Vec::new();
            // All ask before anybody reads.
            for (n, client) in crowd.iter_mut().enumerate() {
                let reports = match (n + round) % 4 {
                    // Two at a time: the second is already here when the first is answered.
                    0 => vec![some(), some()],
                    _ => vec![some()],
                };
                for one in &reports {
                    let body = one.to_string();
                    client.write(&match n % 3 {
                        0 => post().chunked(body.as_bytes(), 50),
                        _ => post().body(&body),
                    }).await;
                }
                // And one in the middle of the next.
                if n % 50 == 7 {
                    client.write(b"GET /heal").await;
                }
                sent += reports.len();
                expected.push(reports);
            }
            for (n, (client, reports)) in crowd.iter_mut().zip(expected).enumerate() {
                for one in reports {
                    let answer = client.answer().await.expect("an answer");
                    assert_eq!(answer.status, 202, "{}", answer.head);
                    assert_eq!(answer.json()["report_id"], one["report_id"]);
                }
                if n % 50 == 7 {
                    let healthy = client.ask(b"thz HTTP/1.1\r\nhost: drift.example\r\n\r\n").await;
                    assert_eq!(healthy.status, 200);
                }
            }
        }
        let batches = server.get(&read, "/drift/batches").await;
        assert_eq!(batches["batches"][0]["count"], sent);
        // The resting ones do not hold up the end.
        server.finish().await;
    }
}
