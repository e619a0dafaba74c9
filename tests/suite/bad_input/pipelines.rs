//! Many requests on one connection without waiting for answers.

use futures_util::future::join_all;
use harness::raw::{Connection, Request};
use harness::server::Site;
use harness::{Engine, on_both, report};

use super::door::{CANARY, Door, whole, with};

on_both! {
    async fn fifty_requests_in_one_go_are_answered_in_their_order(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        let reports: Vec<_> = (0..50).map(|_| report("openai", "signup-form")).collect();
        let all: Vec<u8> = reports.iter().flat_map(|one| door.post().body(one.to_string())).collect();
        knock.connection.write(&all).await;
        for (index, one) in reports.iter().enumerate() {
            let answer = knock.answer().await;
            assert_eq!(answer.verdict(), "202", "number {index}");
            assert_eq!(answer.json()["report_id"], one["report_id"]);
            assert_eq!(answer.json()["batch"]["count"], index + 1);
        }
        door.close(50).await;
    }

}

#[tokio::test]
async fn a_request_in_pieces_of_one_byte_is_a_request() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    for byte in door.honest() {
        knock.connection.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(knock.answer().await.verdict(), "202");
    door.close(1).await;
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_never_taken_for_a_request() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    let forged = Request::post("/drift/report").key(CANARY).json();
    let (honest, smuggled) = (door.honest(), door.honest());
    assert_eq!(knock.ask(&honest).await.verdict(), "202");
    let all = [forged.body(&smuggled), honest].concat();
    knock.connection.write(&all).await;
    let refused = knock.answer().await;
    assert_eq!(refused.verdict(), "401 invalid_key");
    assert!(refused.hangs_up());
    knock.connection.stop_writing().await;
    // What came after it may be answered, if it was there already, and is then what it is: the first report again.
    if let Some(again) = knock.try_answer().await {
        assert_eq!(again.json()["duplicate"], true);
        knock.connection.ended().await;
    }
    door.close(1).await;
}

#[tokio::test]
async fn a_client_that_asks_and_asks_and_never_reads_costs_no_memory_and_is_cut_off() {
    let site = Site::new(Engine::Sqlite).await;
    let door = Door::at(site.with("DRIFT_BODY_DEADLINE", "1s")).await;
    let mut warm = door.knock().await;
    assert_eq!(warm.report(whole().to_string()).await, "202");
    let before = door.peak_memory();
    // With a body in the answer, and without one.
    let requests = [
        Request::get("/docs/problems").end(),
        Request::get("/docs").end(),
        Request::get("/drift/canary").end(),
        Request::new("HEAD /healthz HTTP/1.1").end(),
    ];
    let shouts = requests.iter().map(async |request| {
        let mut connection = Connection::cramped(&door.server).await;
        connection.shout(&request.repeat(500)).await;
    });
    join_all(shouts).await;
    let grown = door.peak_memory().saturating_sub(before);
    assert!(grown < 24 << 20, "grown by {grown} bytes");
    assert_eq!(warm.report(whole().to_string()).await, "202");
    door.close(2).await;
}

#[tokio::test]
async fn bad_requests_between_good_ones_harm_none_of_them() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    let good = || door.post().body(whole().to_string());
    let requests: Vec<(Vec<u8>, &str)> = vec![
        (good(), "202"),
        (
            door.post().body("{\"service\":\"canary"),
            "400 malformed_json",
        ),
        (good(), "202"),
        (
            door.post().body(with("service", CANARY.to_uppercase())),
            "422 invalid_field service",
        ),
        (
            door.post().chunked(whole().to_string().as_bytes(), 7),
            "202",
        ),
        (Request::get("/drift/canary").end(), "404 not_found"),
        (Request::get("/drift/fresh").end(), "401 missing_key"),
        (
            Request::get("/drift/events?limit=canary")
                .key(&door.read)
                .end(),
            "400 invalid_query",
        ),
        (good(), "202"),
        (
            door.post().with("content-encoding: gzip").body(CANARY),
            "400 malformed_encoding",
        ),
        (
            door.post().body(with("url_host", "canary.example:80")),
            "422 invalid_field url_host",
        ),
        (Request::get("/healthz").end(), "200"),
        (good(), "202"),
    ];
    for _ in 0..4 {
        let all: Vec<u8> = requests
            .iter()
            .flat_map(|(bytes, _)| bytes.clone())
            .collect();
        knock.connection.write(&all).await;
        for (index, (_, expected)) in requests.iter().enumerate() {
            assert_eq!(knock.answer().await.verdict(), *expected, "number {index}");
        }
    }
    // The same five each time.
    door.close(5).await;
}
