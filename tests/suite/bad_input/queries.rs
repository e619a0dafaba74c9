//! Query strings that ask for what there is not.

use harness::Engine;
use harness::raw::Request;

use super::door::Door;

#[tokio::test]
async fn cursors_that_are_almost_right_are_refused_or_harmless() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    for step in ["one", "two", "three"] {
        let report = harness::report("openai", step).to_string();
        assert_eq!(knock.report(report).await, "202");
    }
    let page = door.server.get(&door.read, "/drift/batches?limit=1").await;
    let cursor = page["next"].as_str().expect("a cursor").to_owned();
    for at in 0..=cursor.len() {
        for changed in [
            format!("{}x{}", &cursor[..at], &cursor[at..]),
            cursor[..at].to_owned(),
        ] {
            let target = format!("/drift/batches?cursor={}", changed.replace('&', ""));
            let answer = knock
                .ask(&Request::get(&target).key(&door.read).end())
                .await;
            let verdict = answer.verdict();
            assert!(
                ["200", "400 invalid_query"].contains(&verdict.as_str()),
                "{target}: {verdict}"
            );
        }
    }
    door.close(3).await;
}

#[tokio::test]
async fn paths_and_methods_that_there_are_not_have_their_own_refusals() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    for target in [
        "/canary",
        "//",
        "/drift",
        "/drift/",
        "/drift/canary",
        "/drift/report/",
        "/drift//report",
        "/drift/report/canary",
        "/DRIFT/report",
        "/drift/report%00",
        "/drift/%72eports/x",
        "/drift/../drift/canary",
        "/..%2f..%2fetc%2fpasswd",
        "/drift/artifacts/canary",
    ] {
        let answer = knock.ask(&Request::get(target).key(&door.read).end()).await;
        assert_eq!(answer.verdict(), "404 not_found", "{target}");
    }
    for line in [
        "GET /drift/report",
        "PUT /drift/report",
        "DELETE /drift/reports",
        "CANARY /drift/report",
        "POST /drift/fresh",
        "OPTIONS /drift/events",
        "PATCH /drift/known",
        "TRACE /drift/batches",
        "POST /healthz",
        "DELETE /metrics",
    ] {
        let request = Request::new(&format!("{line} HTTP/1.1")).key(&door.read);
        let answer = knock.ask(&request.body("")).await;
        assert_eq!(answer.verdict(), "405 method_not_allowed", "{line}");
    }
    door.close(0).await;
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused_and_not_guessed_at() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    for target in [
        "/drift/events?canary=1",
        "/drift/events?after=canary",
        "/drift/events?after=-1",
        "/drift/events?after=",
        "/drift/events?after=1.0",
        "/drift/events?after=9223372036854775808",
        "/drift/events?after=%00",
        "/drift/events?limit=0",
        "/drift/events?limit=1001",
        "/drift/events?limit=-1",
        "/drift/events?limit=65536",
        "/drift/events?limit=canary",
        "/drift/events?limit=",
        "/drift/events?limit=1&limit=2",
        "/drift/events?After=1",
        "/drift/events?after=1;limit=2",
        "/drift/events?&&canary",
        "/drift/events?%61fter=%63anary",
        "/drift/batches?canary",
        "/drift/batches?cursor=canary",
        "/drift/batches?cursor=",
        "/drift/batches?cursor=%FF%FE",
        "/drift/batches?cursor=770077077",
        "/drift/batches?limit=0",
        "/drift/batches?limit=1001",
        "/drift/batches?limit=x",
        "/drift/batches?service=CANARY",
        "/drift/batches?service=",
        "/drift/batches?service=%00",
        "/drift/batches?service=a&service=b",
        "/drift/batches?service[]=a",
        "/drift/fresh?window=canary",
        "/drift/fresh?window=-1",
        "/drift/fresh?window=4294967296",
        "/drift/fresh?window=1e3",
        "/drift/fresh?window=",
        "/drift/fresh?windows=3600",
        "/drift/fresh?window=1&window=2",
        "/drift/known",
        "/drift/known?service=openai",
        "/drift/known?step=signup-form",
        "/drift/known?service=openai&step=",
        "/drift/known?service=Canary&step=a",
        "/drift/known?service=a&step=can%20ary",
        "/drift/known?service=a&step=b&canary=c",
        "/drift/known?service=a&service=b&step=c",
        "/drift/known?service=a%00&step=b",
        "/drift/known?service=..%2f..%2fcanary&step=b",
    ] {
        let answer = knock.ask(&Request::get(target).key(&door.read).end()).await;
        assert_eq!(answer.verdict(), "400 invalid_query", "{target}");
    }
    // At the edge of what there is.
    for target in [
        "/drift/events?after=9223372036854775807",
        "/drift/events?after=0&limit=1",
        "/drift/events?limit=1000",
        "/drift/events?",
        "/drift/batches?limit=1000&service=openai",
        "/drift/fresh?window=0",
        "/drift/fresh?window=4294967295",
        "/drift/known?step=a:b.c_d-e&service=openai",
    ] {
        let answer = knock.ask(&Request::get(target).key(&door.read).end()).await;
        assert_eq!(answer.verdict(), "200", "{target}");
    }
    door.close(0).await;
}
