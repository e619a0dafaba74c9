//! Heads that announce another kind of body than the door takes.

use harness::Engine;
use harness::raw::Request;

use super::door::{Door, whole};
use super::size::gzip;

#[tokio::test]
async fn only_json_is_taken_as_a_report() {
    let door = Door::on(Engine::Sqlite).await;
    let post = || Request::post("/drift/report").key(&door.ingest);
    let body = whole().to_string();
    let mut knock = door.knock().await;
    for accepted in [
        "content-type: application/json",
        "content-type: application/json; charset=utf-8",
        "content-type: application/json;charset=UTF-8",
        "Content-Type:application/json ; canary=1",
        "CONTENT-TYPE: Application/JSON",
    ] {
        let answer = knock.ask(&post().with(accepted).body(&body)).await;
        assert_eq!(answer.verdict(), "202", "{accepted}");
    }
    for refused in [
        &b"x-nothing: 1"[..],
        b"content-type:",
        b"content-type: text/plain",
        b"content-type: text/json",
        b"content-type: application/canary+json",
        b"content-type: application/x-www-form-urlencoded",
        b"content-type: multipart/form-data; boundary=canary",
        b"content-type: application/x-ndjson",
        b"content-type: application/json, canary/x",
        b"content-type: application/jsoncanary",
        b"content-type: */*",
        b"content-type: ;",
        b"content-type: application/json\xff",
        b"content-type: canary/x\r\ncontent-type: application/json",
        b"content-type: application/json\r\ncontent-type: canary/x",
    ] {
        let mut knock = door.knock().await;
        let answer = knock.ask(&post().with(refused).body(&body)).await;
        let refused = String::from_utf8_lossy(refused);
        assert_eq!(answer.verdict(), "415 unsupported_media_type", "{refused}");
    }
    // All the same report.
    door.close(1).await;
}

#[tokio::test]
async fn only_lines_of_json_are_taken_as_reports() {
    let door = Door::on(Engine::Sqlite).await;
    let post = || Request::post("/drift/reports").key(&door.ingest);
    let body = whole().to_string();
    for accepted in [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl; charset=utf-8",
    ] {
        let mut knock = door.knock().await;
        let line = format!("content-type: {accepted}");
        let answer = knock.ask(&post().with(line).body(&body)).await;
        assert_eq!(answer.verdict(), "200", "{accepted}");
    }
    for refused in [
        "application/json",
        "text/plain",
        "application/json-seq",
        "canary",
    ] {
        let mut knock = door.knock().await;
        let line = format!("content-type: {refused}");
        let answer = knock.ask(&post().with(line).body(&body)).await;
        assert_eq!(answer.verdict(), "415 unsupported_media_type", "{refused}");
    }
    door.close(1).await;
}

#[tokio::test]
async fn only_one_layer_of_gzip_is_taken_off() {
    let door = Door::on(Engine::Sqlite).await;
    let plain = whole().to_string().into_bytes();
    let (once, twice) = (gzip(&plain), gzip(&gzip(&plain)));
    for (line, body, expected) in [
        ("content-encoding: gzip", &once, "202"),
        ("Content-Encoding: GZip", &once, "202"),
        ("content-encoding: identity", &plain, "202"),
        ("content-encoding: gzip", &twice, "400 malformed_json"),
        (
            "content-encoding: gzip, gzip",
            &twice,
            "415 unsupported_encoding",
        ),
        (
            "content-encoding: gzip\r\ncontent-encoding: gzip",
            &twice,
            "415 unsupported_encoding",
        ),
        (
            "content-encoding: identity\r\ncontent-encoding: gzip",
            &once,
            "415 unsupported_encoding",
        ),
        (
            "content-encoding: gzip\r\ncontent-encoding: canary",
            &once,
            "415 unsupported_encoding",
        ),
        (
            "content-encoding: x-gzip",
            &once,
            "415 unsupported_encoding",
        ),
        ("content-encoding: br", &once, "415 unsupported_encoding"),
        (
            "content-encoding: deflate",
            &once,
            "415 unsupported_encoding",
        ),
        ("content-encoding: zstd", &once, "415 unsupported_encoding"),
        (
            "content-encoding: canary",
            &once,
            "415 unsupported_encoding",
        ),
        ("content-encoding:", &plain, "415 unsupported_encoding"),
    ] {
        let mut knock = door.knock().await;
        let answer = knock.ask(&door.post().with(line).body(body)).await;
        assert_eq!(answer.verdict(), expected, "{line}");
    }
    door.close(1).await;
}
