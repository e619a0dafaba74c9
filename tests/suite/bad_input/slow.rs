//! Clients that take their time, or leave in the middle.

use std::time::{Duration, Instant};

use harness::raw::{Answer, Request};
use harness::server::Site;
use harness::{Engine, on_both};

use super::door::{Door, Knock, whole, with};

const DEADLINE: Duration = Duration::from_secs(1);

async fn door_with_deadline(engine: Engine) -> Door {
    let site = Site::new(engine).await;
    Door::at(site.with("DRIFT_BODY_DEADLINE", "1s")).await
}

/// Sends a byte every 200 ms until the server answers or hangs up. When that was.
async fn drip(knock: &mut Knock, bytes: &[u8]) -> (Option<Answer>, Duration) {
    let began = Instant::now();
    for byte in bytes {
        if knock.connection.try_write(&[*byte]).await.is_err() {
            break;
        }
        let pause = Duration::from_millis(200);
        if let Ok(answer) = tokio::time::timeout(pause, knock.try_answer()).await {
            return (answer, began.elapsed());
        }
    }
    (knock.try_answer().await, began.elapsed())
}

/// The clock of heads has steps of half a second.
fn about_the_deadline(took: Duration) {
    assert!(took >= DEADLINE / 2, "{took:?}");
    assert!(took < DEADLINE + Duration::from_secs(2), "{took:?}");
}

on_both! {
    async fn who_leaves_in_the_middle_of_a_body_leaves_nothing(engine: Engine) {
        let door = Door::on(engine).await;
        let honest = door.honest();
        let chunked = door.post().chunked(whole().to_string().as_bytes(), 50);
        for bytes in [honest, chunked] {
            for part in [bytes.len() / 2, bytes.len() - 1] {
                // Gone altogether.
                let mut knock = door.knock().await;
                knock.connection.write(&bytes[..part]).await;
                drop(knock);
                // Done with writing: whether or not there is an answer, it is no good one, and it is the last.
                let mut knock = door.knock().await;
                knock.connection.write(&bytes[..part]).await;
                knock.connection.stop_writing().await;
                if let Some(answer) = knock.try_answer().await {
                    assert_eq!(answer.verdict(), "400 malformed_request");
                }
                knock.connection.ended().await;
            }
        }
        door.close(0).await;
    }

    async fn who_stops_writing_after_a_whole_request_still_gets_the_answer(engine: Engine) {
        let door = Door::on(engine).await;
        for _ in 0..20 {
            let mut knock = door.knock().await;
            let all = [door.honest(), door.honest(), door.honest()].concat();
            knock.connection.write(&all).await;
            knock.connection.stop_writing().await;
            for _ in 0..3 {
                assert_eq!(knock.answer().await.verdict(), "202");
            }
            knock.connection.ended().await;
        }
        door.close(60).await;
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_at_the_deadline_on_a_used_connection_too() {
    let door = door_with_deadline(Engine::Sqlite).await;
    let head = Request::get("/drift/fresh").with("x-canary: canary canary canary canary");
    for used in [false, true] {
        let mut knock = door.knock().await;
        if used {
            assert_eq!(
                knock.ask(&Request::get("/healthz").end()).await.verdict(),
                "200"
            );
        }
        let (answer, took) = drip(&mut knock, &head.clone().end()).await;
        assert!(answer.is_none_or(|answer| answer.status == 408), "{used}");
        about_the_deadline(took);
    }
    door.close(0).await;
}

#[tokio::test]
async fn a_connection_without_a_request_is_cut_off_and_one_that_rests_between_two_is_not() {
    let door = door_with_deadline(Engine::Sqlite).await;
    let mut resting = door.knock().await;
    assert_eq!(resting.report(whole().to_string()).await, "202");
    let began = Instant::now();
    let mut silent = door.knock().await;
    let answer = silent.try_answer().await;
    assert!(answer.is_none_or(|answer| answer.status == 408));
    about_the_deadline(began.elapsed());
    tokio::time::sleep(DEADLINE).await;
    assert_eq!(resting.report(whole().to_string()).await, "202");
    door.close(2).await;
}

#[tokio::test]
async fn five_hundred_slow_clients_keep_nobody_else_waiting() {
    let door = Door::on(Engine::Sqlite).await;
    let honest = door.honest();
    let mut slow = Vec::new();
    for number in 0..500 {
        let mut knock = door.knock().await;
        // Silent, in the middle of the head, after the head, in the middle of the body.
        let parts = [0, 20, honest.len() - 300, honest.len() - 1];
        knock.connection.write(&honest[..parts[number % 4]]).await;
        slow.push(knock);
    }
    for _ in 0..20 {
        let asked = Instant::now();
        let mut knock = door.knock().await;
        assert_eq!(knock.report(with("tripwire.step", "login")).await, "202");
        assert!(
            asked.elapsed() < Duration::from_secs(1),
            "{:?}",
            asked.elapsed()
        );
    }
    // Those who come back to it in time are served.
    for knock in slow.iter_mut().skip(3).step_by(100) {
        knock.connection.write(&honest[honest.len() - 1..]).await;
        assert_eq!(knock.answer().await.verdict(), "202");
    }
    drop(slow);
    door.close(21).await;
}

#[tokio::test]
async fn a_live_view_that_waits_for_something_to_happen_is_not_slow() {
    let door = door_with_deadline(Engine::Sqlite).await;
    let request = door.server.client.get(door.server.url("/drift/events"));
    let request = request
        .bearer_auth(&door.read)
        .header("accept", "text/event-stream");
    let mut view = request.send().await.expect("a stream");
    // Longer than any deadline there is here.
    let nothing = tokio::time::timeout(DEADLINE * 4, view.chunk()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    let mut knock = door.knock().await;
    assert_eq!(knock.report(whole().to_string()).await, "202");
    let event = view.chunk().await.expect("still open").expect("an event");
    let event = String::from_utf8_lossy(&event).into_owned();
    assert!(event.contains("event: report-received"), "{event}");
    drop(view);
    door.close(1).await;
}

#[tokio::test]
async fn a_body_that_drips_is_refused_at_the_deadline() {
    let door = door_with_deadline(Engine::Sqlite).await;
    let body = whole().to_string();
    let lines = Request::post("/drift/reports")
        .key(&door.ingest)
        .with("content-type: application/x-ndjson");
    for head in [door.post(), lines] {
        for line in [
            format!("content-length: {}", body.len()),
            "transfer-encoding: chunked".to_owned(),
        ] {
            let chunked = line.starts_with("transfer");
            let mut knock = door.knock().await;
            knock.connection.write(&head.clone().with(line).end()).await;
            // A chunk of all that, for which the server then waits.
            if chunked {
                knock.connection.write(b"fff\r\n").await;
            }
            let (answer, took) = drip(&mut knock, body.as_bytes()).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.verdict(), "408 request_timeout");
            assert!(answer.hangs_up(), "{}", answer.head);
            about_the_deadline(took);
            knock.connection.stop_writing().await;
            knock.connection.ended().await;
        }
    }
    door.close(0).await;
}
