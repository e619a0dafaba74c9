//! Bodies that are larger than they may be, on the wire or once they are inflated.

use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use harness::Engine;
use harness::raw::{Request, chunk};

use super::door::{CANARY, Door, GIGABYTE, whole};

const REPORT_LIMIT: usize = 16 * 1024;
const REPORTS_LIMIT: usize = 1024 * 1024;
/// What an allocator may keep of a few dozen requests.
const A_FEW_MEGABYTES: u64 = 6 << 20;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::best());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

/// A gigabyte of zeros, as a megabyte: gzip members of 16 MB each, one after another.
fn bomb() -> Vec<u8> {
    gzip(&vec![0; 16 << 20]).repeat(64)
}

/// A lawful report of exactly so many bytes.
fn padded(length: usize) -> Vec<u8> {
    let mut text = whole().to_string().into_bytes();
    text.resize(length, b' ');
    text
}

/// Both paths that take bodies, with the head of an honest request.
fn heads(door: &Door) -> [(Request, usize); 2] {
    let lines = Request::post("/drift/reports").key(&door.ingest);
    [
        (door.post(), REPORT_LIMIT),
        (
            lines.with("content-type: application/x-ndjson"),
            REPORTS_LIMIT,
        ),
    ]
}

#[tokio::test]
async fn a_gigabyte_that_is_announced_is_refused_before_it_comes() {
    let door = Door::on(Engine::Sqlite).await;
    for (head, _) in heads(&door) {
        for length in [GIGABYTE, u64::MAX] {
            let mut knock = door.knock().await;
            let asked = Instant::now();
            let head = head.clone().with(format!("content-length: {length}"));
            let answer = knock.ask(&head.end()).await;
            assert_eq!(answer.verdict(), "413 body_too_large");
            assert!(answer.hangs_up() && asked.elapsed() < Duration::from_secs(1));
        }
    }
    door.close(0).await;
}

#[tokio::test]
async fn a_gigabyte_that_comes_is_cut_off_and_costs_no_memory() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    assert_eq!(knock.report(padded(REPORT_LIMIT)).await, "202");
    let before = door.peak_memory();
    let zeros = vec![0; 64 * 1024];
    for (head, limit) in heads(&door) {
        // By chunks, read by a client that reads: the answer comes near the limit.
        let mut knock = door.knock().await;
        let chunked = head.clone().with("transfer-encoding: chunked").end();
        knock.connection.write(&chunked).await;
        let piece = chunk(&vec![0; limit / 4]);
        for _ in 0..5 {
            knock.connection.write(&piece).await;
        }
        let answer = knock.answer().await;
        assert_eq!(answer.verdict(), "413 body_too_large");
        assert!(answer.hangs_up(), "{}", answer.head);

        // Sent by a client that does not care for answers: it is cut off soon, however it frames its gigabytes.
        for (line, piece) in [
            (format!("content-length: {}", 100 * GIGABYTE), zeros.clone()),
            ("transfer-encoding: chunked".to_owned(), chunk(&zeros)),
        ] {
            let mut knock = door.knock().await;
            knock
                .connection
                .write(&head.clone().with(&line).end())
                .await;
            let asked = Instant::now();
            knock.connection.flood(&piece, 100 * GIGABYTE).await;
            assert!(asked.elapsed() < Duration::from_secs(5), "{line}");
            assert_eq!(knock.answer().await.verdict(), "413 body_too_large");
        }
    }
    let grown = door.peak_memory() - before;
    assert!(grown < A_FEW_MEGABYTES, "grown by {grown} bytes");
    door.close(1).await;
}

#[tokio::test]
async fn chunks_without_end_are_cut_off_wherever_they_are_sent() {
    let door = Door::on(Engine::Sqlite).await;
    let before = door.peak_memory();
    let piece = chunk(&[0; 64 * 1024]);
    let requests = [
        (Request::post("/drift/report"), "401 missing_key"),
        (
            Request::post("/drift/report").key("canary"),
            "401 invalid_key",
        ),
        (
            Request::post("/drift/report").key(&door.read),
            "403 insufficient_scope",
        ),
        (
            Request::post("/drift/report").key(&door.ingest),
            "415 unsupported_media_type",
        ),
        (Request::post("/drift/canary"), "404 not_found"),
        (Request::get("/drift/report"), "405 method_not_allowed"),
        (Request::get("/drift/fresh").key(&door.read), "200"),
        (Request::get("/healthz"), "200"),
        (Request::get("/docs/problems"), "200"),
        (Request::get("/docs"), "307"),
    ];
    let floods = requests.map(async |(head, expected)| {
        let mut knock = door.knock().await;
        let head = head.with("transfer-encoding: chunked").end();
        knock.connection.write(&head).await;
        let asked = Instant::now();
        knock.connection.flood(&piece, 100 * GIGABYTE).await;
        assert!(asked.elapsed() < Duration::from_secs(6), "{expected}");
        assert_eq!(knock.answer().await.verdict(), expected);
    });
    join_all(floods).await;
    let grown = door.peak_memory().saturating_sub(before);
    assert!(grown < A_FEW_MEGABYTES, "grown by {grown} bytes");
    door.close(0).await;
}

#[tokio::test]
async fn a_client_that_writes_first_and_reads_later_still_gets_its_refusal() {
    let door = Door::on(Engine::Sqlite).await;
    let plain = |head: Request| head.with("content-type: text/plain");
    for kilobytes in [20, 100, 300, 1024, 4096] {
        let body = vec![b'x'; kilobytes * 1024];
        for (head, expected) in [
            (door.post(), "413 body_too_large"),
            (Request::post("/drift/report").json(), "401 missing_key"),
            (
                plain(Request::post("/drift/report").key(&door.ingest)),
                "415 unsupported_media_type",
            ),
        ] {
            for request in [head.clone().body(&body), head.chunked(&body, 8_000)] {
                let mut knock = door.knock().await;
                // All of it, and only then a look at what came back.
                knock.connection.write(&request).await;
                assert_eq!(knock.answer().await.verdict(), expected, "{kilobytes} KB");
            }
        }
    }
    door.close(0).await;
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_fast_and_without_memory() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    assert_eq!(knock.report(whole().to_string()).await, "202");
    let bomb = bomb();
    let fits = gzip(&vec![0; 15 << 20]);
    assert!(
        fits.len() < REPORT_LIMIT
            && bomb.len() > REPORT_LIMIT
            && bomb.len() <= REPORTS_LIMIT + 100_000
    );
    let before = door.peak_memory();
    for (head, limit) in heads(&door) {
        let head = head.with("content-encoding: gzip");
        for bytes in [
            &bomb[..bomb.len().min(limit)],
            &fits,
            &fits[..fits.len() - 20],
        ] {
            let asked = Instant::now();
            let mut knock = door.knock().await;
            let answer = knock.ask(&head.clone().body(bytes)).await;
            assert_eq!(answer.verdict(), "413 body_too_large");
            assert!(
                asked.elapsed() < Duration::from_secs(2),
                "{:?}",
                asked.elapsed()
            );
        }
    }
    // A bomb that ends in a lawful report inside the limit of lines is no bomb: it is one long line.
    let grown = door.peak_memory() - before;
    assert!(grown < A_FEW_MEGABYTES, "grown by {grown} bytes");
    door.close(1).await;
}

#[tokio::test]
async fn what_does_not_inflate_is_refused() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    let honest = gzip(whole().to_string().as_bytes());
    let head = door.post().with("content-encoding: gzip");
    for cut in 0..honest.len() {
        let answer = knock.ask(&head.clone().body(&honest[..cut])).await;
        assert_eq!(answer.verdict(), "400 malformed_encoding", "cut at {cut}");
    }
    let flipped = |at: usize| {
        let mut bytes = honest.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    let plain = super::door::with("service", CANARY).into_bytes();
    for (what, bytes) in [
        ("no gzip at all", plain),
        ("trailing garbage", [&honest[..], b"canary"].concat()),
        ("trailing zeros", [&honest[..], &[0; 8]].concat()),
        (
            "half of a second member",
            [&honest[..], &honest[..honest.len() / 2]].concat(),
        ),
        ("another method", flipped(2)),
        ("a wrong checksum", flipped(honest.len() - 8)),
        ("a wrong length", flipped(honest.len() - 1)),
    ] {
        let answer = knock.ask(&head.clone().body(&bytes)).await;
        assert_eq!(answer.verdict(), "400 malformed_encoding", "{what}");
    }
    // Inflates, and is then no report.
    for (inflated, expected) in [
        (&b""[..], "400 malformed_json"),
        (b"{\"service\":\"canary", "400 malformed_json"),
        (&gzip(whole().to_string().as_bytes()), "400 malformed_json"),
    ] {
        let answer = knock.ask(&head.clone().body(gzip(inflated))).await;
        assert_eq!(answer.verdict(), expected);
    }
    assert_eq!(knock.ask(&head.body(&honest)).await.verdict(), "202");
    door.close(1).await;
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    assert_eq!(knock.report(padded(REPORT_LIMIT)).await, "202");
    assert_eq!(
        knock
            .ask(&door.post().chunked(&padded(REPORT_LIMIT), 1_000))
            .await
            .verdict(),
        "202"
    );
    let zipped = door.post().with("content-encoding: gzip");
    assert_eq!(
        knock
            .ask(&zipped.clone().body(gzip(&padded(REPORT_LIMIT))))
            .await
            .verdict(),
        "202"
    );
    assert_eq!(
        knock
            .ask(&zipped.body(gzip(&padded(REPORT_LIMIT + 1))))
            .await
            .verdict(),
        "413 body_too_large"
    );
    assert_eq!(
        knock.report(padded(REPORT_LIMIT + 1)).await,
        "413 body_too_large"
    );
    let mut knock = door.knock().await;
    assert_eq!(
        knock
            .ask(&door.post().chunked(&padded(REPORT_LIMIT + 1), 1_000))
            .await
            .verdict(),
        "413 body_too_large"
    );
    let mut knock = door.knock().await;
    assert_eq!(
        knock.lines(padded(REPORTS_LIMIT)).await.rejected,
        ["1 body_too_large"]
    );
    let [_, (lines, _)] = heads(&door);
    assert_eq!(
        knock
            .ask(&lines.body(padded(REPORTS_LIMIT + 1)))
            .await
            .verdict(),
        "413 body_too_large"
    );
    door.close(3).await;
}
