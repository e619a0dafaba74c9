//! Bytes that are not quite HTTP. Where no request could be read, there is nobody to address a problem document
//! to: the answer is a bare 4xx, and the connection ends.

use harness::Engine;
use harness::raw::{Answer, Request};

use super::door::{CANARY, Door, whole};

/// The one answer to these bytes. The server must hang up after it.
async fn last_answer(door: &Door, bytes: &[u8]) -> Answer {
    let mut knock = door.knock().await;
    let _ = knock.connection.try_write(bytes).await;
    let answer = knock.answer().await;
    knock.connection.ended().await;
    answer
}

#[tokio::test]
async fn what_is_not_http_is_a_bare_400_and_the_end() {
    let door = Door::on(Engine::Sqlite).await;
    let body = whole().to_string();
    let key = format!("authorization: Bearer {}", door.ingest);
    let head = |lines: &[&str]| {
        let lines = lines.join("\r\n");
        format!(
            "POST /drift/report HTTP/1.1\r\nhost: a\r\n{key}\r\ncontent-type: application/json\r\n{lines}\r\n\r\n"
        )
    };
    let length = format!("content-length: {}", body.len());
    let mut wrong: Vec<Vec<u8>> = [
        "canary\r\n\r\n",
        "GET\r\n\r\n",
        "GET /canary\r\n\r\n",
        "GET /canary HTTP/9.9\r\nhost: a\r\n\r\n",
        "GET /canary HTTP/2\r\nhost: a\r\n\r\n",
        "GET  /canary HTTP/1.1\r\nhost: a\r\n\r\n",
        "G\0T /canary HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /can ary HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /canary\u{7f} HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /canary HTTP/1.1\r\n\r\n",
        "GET /canary HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET /canary HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
        "GET /canary HTTP/1.1\r\nhost: a\r\n: canary\r\n\r\n",
        "GET /canary HTTP/1.1\r\nhost: a\r\nx y: canary\r\n\r\n",
        "GET /canary HTTP/1.1\r\nhost: a\r\nx : canary\r\n\r\n",
        "GET /canary HTTP/1.1\r\nhost: a\r\nx: can\0ary\r\n\r\n",
        "GET /canary HTTP/1.1\r\nhost: a\r\nx: 1\r\n folded: canary\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}canary\r\n\r\n",
        "POST /drift/report HTTP/1.0\r\n\r\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    // Two ways to say how long a body is, or one that is not a length: what smuggling is made of.
    for lines in [
        &[length.as_str(), "transfer-encoding: chunked"][..],
        &["transfer-encoding: chunked", length.as_str()],
        &[length.as_str(), length.as_str()],
        &[length.as_str(), "content-length: 1"],
        &["content-length: 1, 1"],
        &["content-length: -1"],
        &["content-length: +1"],
        &["content-length: 0x10"],
        &["content-length: 1.0"],
        &["content-length: 1 1"],
        &["content-length: canary"],
        &["content-length:"],
        &["content-length: 18446744073709551616"],
        &["content-length: 99999999999999999999999999999999"],
        &["transfer-encoding: canary"],
        &["transfer-encoding: gzip, chunked"],
        &["transfer-encoding: chunked, chunked"],
        &["transfer-encoding: identity"],
        &["transfer-encoding: xchunked"],
        &["transfer-encoding: chunked", "transfer-encoding: chunked"],
    ] {
        wrong.push((head(lines) + &body).into_bytes());
    }
    for bytes in wrong {
        let answer = last_answer(&door, &bytes).await;
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!((answer.status, answer.body.len()), (400, 0), "{text}");
    }
    door.close(0).await;
}

#[tokio::test]
async fn chunks_that_are_not_framed_as_chunks_spoil_the_report() {
    let door = Door::on(Engine::Sqlite).await;
    let body = whole().to_string();
    let size = format!("{:x}", body.len());
    let head = door.post().with("transfer-encoding: chunked").end();
    for wrong in [
        format!("canary\r\n{body}\r\n0\r\n\r\n"),
        format!("-{size}\r\n{body}\r\n0\r\n\r\n"),
        format!("0x{size}\r\n{body}\r\n0\r\n\r\n"),
        format!("\r\n{body}\r\n0\r\n\r\n"),
        format!("ffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        format!("10000000000000000\r\n{body}\r\n0\r\n\r\n"),
        format!("{size}\r\n{body}canary\r\n0\r\n\r\n"),
        format!("{size}\n{body}\n0\n\n"),
        format!("{size}\r\n{body}\r\ncanary\r\n\r\n"),
        format!("{size}\r\n{body}\r\n0\r\ncanary"),
    ] {
        let mut knock = door.knock().await;
        let bytes = [&head[..], wrong.as_bytes()].concat();
        let _ = knock.connection.try_write(&bytes).await;
        knock.connection.stop_writing().await;
        // Sometimes the length is what breaks first. Nothing comes after the first refusal that could be taken
        // for the answer to another request.
        let verdict = knock.answer().await.verdict();
        let expected = ["400 malformed_request", "413 body_too_large"];
        assert!(expected.contains(&verdict.as_str()), "{verdict}: {wrong}");
        if let Some(more) = knock.try_answer().await {
            assert_eq!((more.status, more.body.len()), (400, 0), "{}", more.head);
        }
    }
    // Extensions and trailers are lawful, and nobody looks at them.
    let mut knock = door.knock().await;
    let lawful = format!("{size};canary=\"1\"\r\n{body}\r\n0\r\n\r\n");
    let answer = knock.ask(&[&head[..], lawful.as_bytes()].concat()).await;
    assert_eq!(answer.verdict(), "202");
    door.close(1).await;
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let door = Door::on(Engine::Sqlite).await;
    let before = door.peak_memory();
    let line = format!("x-long: {}\r\n", CANARY.repeat(10));
    for (begin, piece) in [
        ("GET /".to_owned(), CANARY.to_owned()),
        (
            "GET /healthz HTTP/1.1\r\nhost: a\r\nx: ".to_owned(),
            CANARY.to_owned(),
        ),
        (
            "GET /healthz HTTP/1.1\r\nhost: a\r\n".to_owned(),
            line.repeat(4),
        ),
    ] {
        let mut knock = door.knock().await;
        knock.connection.write(begin.as_bytes()).await;
        let written = knock
            .connection
            .flood(piece.repeat(100).as_bytes(), 1 << 30)
            .await;
        assert!(written < 16 << 20, "{written} bytes were taken");
        let answer = knock.answer().await;
        assert!([400, 431].contains(&answer.status), "{}", answer.head);
    }
    let many = (0..200)
        .map(|at| format!("x-{at}: {CANARY}\r\n"))
        .collect::<String>();
    let many = format!("GET /healthz HTTP/1.1\r\nhost: a\r\n{many}\r\n");
    let answer = last_answer(&door, many.as_bytes()).await;
    assert!([400, 431].contains(&answer.status), "{}", answer.head);
    // Large and lawful.
    let large = Request::get("/healthz").with(format!("x-large: {}", CANARY.repeat(5_000)));
    assert_eq!(door.knock().await.ask(&large.end()).await.verdict(), "200");
    let grown = door.peak_memory().saturating_sub(before);
    assert!(grown < 6 << 20, "grown by {grown} bytes");
    door.close(0).await;
}

#[tokio::test]
async fn what_a_head_says_beside_the_matter_does_not_matter() {
    let door = Door::on(Engine::Sqlite).await;
    for line in [
        &b"x-request-id: canary canary"[..],
        b"x-request-id: \xff\xfe",
        b"x-request-id: canary\"<script>",
        b"x-other: \xe7anary",
        b"traceparent: canary",
        b"forwarded: for=canary",
        b"x-forwarded-for: canary, 127.0.0.1",
        b"referer: https://canary.example/",
        b"user-agent: () { :; }; canary",
        b"cookie: canary=1",
        b"upgrade: h2c",
        b"accept: canary/x",
        b"range: bytes=770077077-",
        b"x-http-method-override: DELETE",
        b"expect: canary",
    ] {
        let mut knock = door.knock().await;
        let answer = knock
            .ask(&door.post().with(line).body(whole().to_string()))
            .await;
        assert_eq!(answer.verdict(), "202", "{}", String::from_utf8_lossy(line));
    }
    // A client that asks first is told to go on.
    let mut knock = door.knock().await;
    let asks = door.post().with("expect: 100-continue");
    let bytes = asks.body(whole().to_string());
    let answer = knock.ask(&bytes).await;
    assert_eq!(answer.status, 100);
    assert_eq!(knock.answer().await.verdict(), "202");
    door.close(16).await;
}
