//! What the runner, the maintainers and the scrapers ask.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use drift_api::store::{DatabaseUrl, Incoming, Store};
use drift_schema::event::ReportReceived;
use drift_schema::{Micros, Report, Workspace};
use harness::server::{Engine, Server};
use harness::viewer::Viewer;
use harness::{on_both, report};
use reqwest::header::{ETAG, IF_NONE_MATCH};
use serde_json::{Value, json};

/// Reports as they came in some time ago: `(service, step, seconds)`.
async fn reported(server: &Server, past: &[(&str, &str, i64)]) {
    let store = Store::open(&DatabaseUrl::parse(&server.site.database_url).unwrap()).unwrap();
    let now = Micros::now();
    for (service, step, seconds) in past {
        let json = report(service, step).to_string();
        let parsed = Report::parse(json.as_bytes()).unwrap();
        let id = parsed.report_id.unwrap();
        let received = ReportReceived::new(parsed, "000000000000".to_owned(), 7);
        let incoming = Incoming::new(id, received).unwrap();
        let at = now.minus_seconds(*seconds);
        store
            .record_reports(&Workspace::default_one(), &[incoming], at)
            .await
            .unwrap();
    }
    store.close().await;
}

/// `service step count` of all that is fresh, in the order of the answer.
fn lines(fresh: &Value) -> Vec<String> {
    let services = fresh["services"].as_array().unwrap().iter();
    let lines = services.flat_map(|service| {
        let batches = service["batches"].as_array().unwrap();
        let sum: i64 = batches
            .iter()
            .map(|batch| batch["count"].as_i64().unwrap())
            .sum();
        assert_eq!(service["reports"], sum, "{service}");
        let name = service["service"].as_str().unwrap();
        let line = move |batch: &Value| {
            format!(
                "{name} {} {}",
                batch["step"].as_str().unwrap(),
                batch["count"]
            )
        };
        batches.iter().map(line)
    });
    lines.collect()
}

fn name(batch: &Value) -> String {
    let text = |field: &str| batch[field].as_str().unwrap();
    format!("{}/{}/{}", text("day"), text("service"), text("step"))
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

on_both! {
    async fn fresh_is_what_came_in_the_window_or_without_one_all_that_waits(engine: Engine) {
        let (server, [key]) = Server::with_keys(engine, ["runner"]).await;
        assert_eq!(server.get(&key, "/drift/fresh").await["services"], json!([]));
        reported(&server, &[
            ("zed", "login", 10),
            ("acme", "verify", 3 * HOUR),
            ("acme", "login", 20 * DAY),
            ("acme", "signup", 5),
            ("openai", "login", 2 * HOUR),
            ("zed", "login", 8),
            ("acme-two", "login", 400 * DAY),
            ("zed", "billing", 50 * 60),
        ]).await;
        let ask = async |query: &str| lines(&server.get(&key, &format!("/drift/fresh{query}")).await);
        // The two of `zed` are one batch, unless midnight has come between them.
        let mut all = vec!["acme login 1", "acme signup 1", "acme verify 1", "acme-two login 1", "openai login 1", "zed billing 1", "zed login 2"];
        if ask("").await.len() == 8 {
            all.splice(6.., ["zed login 1", "zed login 1"]);
        }
        assert_eq!(ask("").await, all);
        let within = |steps: &[&str]| all.iter().filter(|line| steps.iter().any(|step| line.starts_with(step))).map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(ask("?window=3600").await, within(&["acme signup", "zed"]));
        assert_eq!(ask("?window=60").await, within(&["acme signup", "zed login"]));
        assert_eq!(ask("?window=14400").await, within(&["acme signup", "acme verify", "openai", "zed"]));
        assert_eq!(ask("?window=4294967295").await, all);
        assert_eq!(ask("?window=0").await, within(&[]));
        server.finish().await;
    }

    async fn pages_of_batches_have_no_gaps_and_no_repeats_while_new_ones_arrive(engine: Engine) {
        let (server, [key]) = Server::with_keys(engine, ["admin"]).await;
        let steps: Vec<String> = (0..9).map(|number| format!("step-{number}")).collect();
        let mut past = Vec::new();
        for step in &steps {
            for (service, days) in [("acme", 1), ("acme", 2), ("openai", 2), ("openai", 40)] {
                past.push((service, step.as_str(), days * DAY));
            }
        }
        reported(&server, &past).await;
        let whole = server.get(&key, "/drift/batches?limit=1000").await;
        assert_eq!(whole["next"], json!(null));
        let expected: Vec<String> = whole["batches"].as_array().unwrap().iter().map(name).collect();
        assert_eq!(expected.len(), 36);
        assert!(expected.is_sorted_by(|one, next| one > next), "newest day first: {expected:?}");

        for (filter, limit) in [("", 1), ("", 5), ("", 36), ("&service=openai", 5), ("&service=nobody", 5)] {
            let mut seen = Vec::new();
            let mut query = format!("/drift/batches?limit={limit}{filter}");
            loop {
                let page = server.get(&key, &query).await;
                let batches = page["batches"].as_array().unwrap();
                assert!(batches.len() <= limit);
                seen.extend(batches.iter().map(name));
                assert!(seen.len() < 500, "it goes round in circles at {limit}{filter}");
                let Some(next) = page["next"].as_str() else { break };
                assert_eq!(batches.len(), limit);
                query = format!("/drift/batches?limit={limit}{filter}&cursor={next}");
                // One that is counted up, and one that is new.
                server.report(&key, &report("acme", "step-3")).await;
                server.report(&key, &report("openai", &format!("new-{}", seen.len()))).await;
            }
            let distinct: BTreeSet<&String> = seen.iter().collect();
            assert_eq!(distinct.len(), seen.len(), "a repeat at {limit}{filter}: {seen:?}");
            let service = filter.rsplit('=').next().unwrap();
            for batch in expected.iter().filter(|batch| batch.contains(service)) {
                assert!(distinct.contains(batch), "a gap at {limit}{filter}: {batch}");
            }
            assert!(seen.iter().all(|batch| batch.contains(service)), "{filter}: {seen:?}");
        }
        for wrong in ["cursor=x", "cursor=2026-01-01", "cursor=2026-01-01/acme", "limit=0", "limit=1001", "limit=-1", "page=2", "service=ACME"] {
            let answer = server.client.get(server.url(&format!("/drift/batches?{wrong}"))).bearer_auth(&key).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{wrong}");
        }
        server.finish().await;
    }

    async fn pages_of_the_log_follow_one_another_to_its_end(engine: Engine) {
        let (server, [key]) = Server::with_keys(engine, ["admin"]).await;
        for number in 0..7 {
            server.report(&key, &report("openai", &format!("step-{number}"))).await;
        }
        let (mut after, mut kinds) = (0, BTreeMap::<String, i64>::new());
        let head = loop {
            let page = server.get(&key, &format!("/drift/events?after={after}&limit=3")).await;
            let events = page["events"].as_array().unwrap();
            for event in events {
                after += 1;
                assert_eq!(event["position"], after);
                *kinds.entry(event["type"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            assert_eq!(page["next"], after);
            if events.is_empty() {
                break page["head"].as_i64().unwrap();
            }
        };
        assert_eq!((head, kinds["report-received"]), (after, 7));
        // A cursor from beyond the end waits there for nobody.
        let beyond = server.get(&key, "/drift/events?after=999").await;
        assert_eq!((&beyond["events"], &beyond["next"]), (&json!([]), &json!(head)));
        server.finish().await;
    }

    async fn a_live_view_shows_an_event_at_once_and_resumes_where_it_was(engine: Engine) {
        let (server, [key]) = Server::with_keys(engine, ["admin"]).await;
        server.report(&key, &report("openai", "before")).await;
        let head = server.get(&key, "/drift/events").await["head"].as_i64().unwrap();

        let mut live = Viewer::open(&server, &key, "/drift/events", None).await;
        let posted = Instant::now();
        let answer = server.report(&key, &report("openai", "login")).await;
        let shown = live.next().await.unwrap();
        assert!(posted.elapsed() < Duration::from_secs(1), "took {:?}", posted.elapsed());
        assert_eq!((shown.id, shown.kind.as_str()), (head + 1, "report-received"));
        assert_eq!((&shown.data["position"], &shown.data["report_id"]), (&json!(shown.id), &answer["report_id"]));
        assert_eq!(shown.data["data"]["step"], "login");
        drop(live);

        // While nobody looked.
        for step in ["one", "two", "three"] {
            server.report(&key, &report("openai", step)).await;
        }
        let mut resumed = Viewer::open(&server, &key, "/drift/events?limit=2&after=0", Some(shown.id)).await;
        for (number, step) in (1..).zip(["one", "two", "three"]) {
            let missed = resumed.next().await.unwrap();
            assert_eq!((missed.id, &missed.data["data"]["step"]), (shown.id + number, &json!(step)));
        }
        // From the beginning, on request; each event is what the page has.
        let mut all = Viewer::open(&server, &key, "/drift/events?after=0", None).await;
        let page = server.get(&key, "/drift/events").await;
        for event in page["events"].as_array().unwrap() {
            let shown = all.next().await.unwrap();
            assert_eq!((&shown.data, &json!(shown.id), &json!(shown.kind)), (event, &event["position"], &event["type"]));
        }
        drop((all, resumed));
        server.finish().await;
    }

    async fn what_is_known_has_a_tag_that_moves_only_with_the_answer(engine: Engine) {
        let (server, [key]) = Server::with_keys(engine, ["ingest"]).await;
        let ask = async |tags: &[&str]| {
            let path = server.url("/drift/known?service=openai&step=login");
            let mut request = server.client.get(path).bearer_auth(&key);
            for tag in tags {
                request = request.header(IF_NONE_MATCH, *tag);
            }
            let answer = request.send().await.unwrap();
            let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
            let status = answer.status().as_u16();
            (status, tag, answer.text().await.unwrap())
        };
        let (_, unknown, body) = ask(&[]).await;
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["known"], false);
        assert_eq!(ask(&[&unknown]).await, (304, unknown.clone(), String::new()));

        server.report(&key, &report("openai", "signup")).await;
        assert_eq!(ask(&[&unknown]).await.0, 304, "another step is none of its business");
        server.report(&key, &report("openai", "login")).await;
        let (status, known, body) = ask(&[&unknown]).await;
        assert_eq!((status, &serde_json::from_str::<Value>(&body).unwrap()["known"]), (200, &json!(true)));
        assert_ne!(known, unknown);
        for _ in 0..3 {
            server.report(&key, &report("openai", "login")).await;
        }
        let weak = format!("W/{known}");
        let several = format!("{unknown}, {known}");
        for tags in [&[known.as_str()][..], &[&weak], &[&several], &[&unknown, &known], &["*"]] {
            assert_eq!(ask(tags).await, (304, known.clone(), String::new()), "{tags:?}");
        }
        assert_eq!(ask(&[&unknown, "\"other\""]).await.0, 200);
        server.finish().await;
    }
}

#[tokio::test]
async fn a_live_view_sees_what_another_server_stores_and_a_sign_of_life_when_there_is_nothing() {
    let site = harness::server::Site::new(Engine::Postgres).await;
    let (one, other) = tokio::join!(site.start(), site.start());
    let key = site.create_key("admin").await;
    let mut viewer = Viewer::open(&one, &key, "/drift/events", None).await;
    let posted = Instant::now();
    other.report(&key, &report("openai", "login")).await;
    assert_eq!(viewer.next().await.unwrap().data["data"]["step"], "login");
    assert!(
        posted.elapsed() < Duration::from_secs(3),
        "took {:?}",
        posted.elapsed()
    );

    // Somebody else's traffic wakes the stream, and must not keep it silent.
    let theirs = site
        .ok(&[
            "key",
            "create",
            "--scope",
            "ingest",
            "--name",
            "x",
            "--workspace",
            "acme",
        ])
        .await;
    let began = Instant::now();
    let traffic = async {
        loop {
            one.report(theirs.trim_end(), &report("openai", "login"))
                .await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let block = tokio::select! {
        block = viewer.block() => block.unwrap(),
        () = traffic => unreachable!(),
    };
    assert_eq!(block, ": still here");
    let took = began.elapsed();
    assert!(
        (Duration::from_secs(13)..Duration::from_secs(18)).contains(&took),
        "{took:?}"
    );
    drop(viewer);
    one.finish().await;
    other.finish().await;
}
