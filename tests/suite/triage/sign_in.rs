//! Coming in with a key, staying, and going; and what does not get anybody in.

use harness::server::{Engine, Server, Site};
use harness::{Visitor, eventually, on_both, report};

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).expect("drift_ID_SECRET")
}

fn secret_of(key: &str) -> &str {
    key.splitn(3, '_').nth(2).expect("drift_ID_SECRET")
}

on_both! {
    async fn somebody_with_a_key_comes_in_and_goes_where_they_wanted(engine: Engine) {
        let server = Server::on(engine).await;
        let (ingest, read) = (server.create_key("ingest").await, server.create_key("read").await);
        server.report(&ingest, &report("openai", "login")).await;
        let mut visitor = Visitor::at(&server);
        let sent = visitor.open("/keys?sort=name").await;
        assert_eq!((sent.status, sent.location()), (303, "/sign-in?next=%2Fkeys%3Fsort%3Dname"));
        let page = visitor.open(sent.location()).await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains("name=\"next\" value=\"/keys?sort=name\""), "{}", page.text);

        let answer = visitor.submit("/sign-in", &[("key", &format!(" {read}\n")), ("next", "/keys?sort=name")]).await;
        assert_eq!((answer.status, answer.location()), (303, "/keys?sort=name"));
        let cookie = visitor.set.iter().find(|cookie| cookie.starts_with("drift-session=")).unwrap();
        for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        // Nothing that would be a key to anybody is in it.
        assert!(!cookie.contains(secret_of(&read)));
        use base64::Engine as _;
        let payload = visitor.cookies["drift-session"].split('.').next().unwrap();
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
        let payload = String::from_utf8(payload).unwrap();
        assert!(payload.contains(id_of(&read)) && !payload.contains(secret_of(&read)), "{payload}");

        let page = visitor.open("/keys").await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains("Sign out"), "{}", page.text);
        let path = format!("/drifts/openai/{}", drift_schema::Step::parse("login").unwrap().hash());
        let page = visitor.open(&path).await;
        assert!(page.status == 200 && !page.text.contains("id=\"actions\""), "who only reads sees nothing to do");

        let token = page.token();
        let mut copy = Visitor::at(&server);
        copy.cookies = visitor.cookies.clone();
        let mut elsewhere = Visitor::with(&server, &read).await;
        let answer = visitor.submit("/sign-out", &[("csrf", &token)]).await;
        assert_eq!((answer.status, answer.location()), (303, "/sign-in"));
        assert_eq!(visitor.open("/keys").await.status, 303);
        // Whoever has a copy of the cookie is out, too; who signed in elsewhere with the same key is not.
        assert_eq!(copy.open("/keys").await.status, 303);
        assert_eq!(copy.open("/events/live").await.status, 303);
        assert_eq!(elsewhere.open("/keys").await.status, 200);
        let log = server.finish().await;
        assert!(!log.contains(secret_of(&read)));
    }

    async fn whoever_has_a_revoked_key_is_signed_out_within_seconds(engine: Engine) {
        let server = Server::on(engine).await;
        let read = server.create_key("read").await;
        let mut visitor = Visitor::with(&server, &read).await;
        assert_eq!(visitor.open("/").await.status, 200);
        let began = std::time::Instant::now();
        server.site.ok(&["key", "revoke", id_of(&read)]).await;
        eventually("the session ends", async || (visitor.open("/").await.status == 303).then_some(())).await;
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
        let answer = visitor.submit("/sign-in", &[("key", &read)]).await;
        assert_eq!(answer.status, 401);
        server.finish().await;
    }

    async fn a_session_is_good_at_every_process_and_after_a_restart(engine: Engine) {
        let site = Site::new(engine).await;
        let server = site.start().await;
        let read = server.create_key("read").await;
        let cookies = Visitor::with(&server, &read).await.cookies;
        let second = site.start().await;
        let mut elsewhere = Visitor::at(&second);
        elsewhere.cookies = cookies.clone();
        assert_eq!(elsewhere.open("/").await.status, 200);
        second.finish().await;
        let third = server.stop().await.start().await;
        let mut later = Visitor::at(&third);
        later.cookies = cookies;
        assert_eq!(later.open("/").await.status, 200);
        third.finish().await;
    }
}

#[tokio::test]
async fn what_is_no_key_for_pages_is_said_beside_the_form() {
    let server = Server::on(Engine::Sqlite).await;
    let (read, ingest) = (
        server.create_key("read").await,
        server.create_key("ingest").await,
    );
    let forged = format!("{}x", &read[..read.len() - 1]);
    for (key, status, told) in [
        ("", 422, "Paste a key first."),
        ("hunter2-hunter2", 401, "unknown, expired or revoked"),
        (
            "drift_0123456789ab_nothing",
            401,
            "unknown, expired or revoked",
        ),
        (&forged, 401, "unknown, expired or revoked"),
        (&ingest, 403, "neither scope read nor admin"),
    ] {
        let mut visitor = Visitor::at(&server);
        let page = visitor
            .submit("/sign-in", &[("key", key), ("next", "/keys")])
            .await;
        assert_eq!(page.status, status, "{key}");
        assert!(page.text.contains(told), "{key}: {}", page.text);
        assert!(
            page.text.contains("value=\"/keys\""),
            "it is still known where to"
        );
        assert!(
            key.is_empty() || !page.text.contains(key),
            "what was typed is not repeated"
        );
        assert!(visitor.cookies.is_empty());
    }
    server.finish().await;
}

#[tokio::test]
async fn nobody_is_led_to_another_site() {
    let server = Server::on(Engine::Sqlite).await;
    let read = server.create_key("read").await;
    for next in [
        "//evil.example/",
        "/\\evil.example",
        "https://evil.example/",
        "/\t/evil.example",
        "javascript:alert(1)",
        "keys",
    ] {
        let mut visitor = Visitor::at(&server);
        let answer = visitor
            .submit("/sign-in", &[("key", &read), ("next", next)])
            .await;
        assert_eq!((answer.status, answer.location()), (303, "/"), "{next:?}");
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let page = visitor.open(&format!("/sign-in?next={encoded}")).await;
        assert!(
            page.text.contains("name=\"next\" value=\"/\""),
            "{next:?}: {}",
            page.text
        );
    }
    server.finish().await;
}

#[tokio::test]
async fn a_cookie_that_is_not_ours_or_is_over_is_no_session_and_leads_back() {
    let site = Site::new(Engine::Sqlite)
        .await
        .with("DRIFT_SESSION_LIFETIME", "1s");
    let server = site.start().await;
    let read = server.create_key("read").await;
    let mut visitor = Visitor::with(&server, &read).await;
    let good = visitor.cookies["drift-session"].clone();
    let (payload, tag) = good.split_once('.').unwrap();
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let text = String::from_utf8(engine.decode(payload).unwrap()).unwrap();
    let longer = engine.encode(text.replace("\"expires\":\"2", "\"expires\":\"9"));
    assert_ne!(longer, payload, "{text}");
    for forged in [
        String::new(),
        "x".to_owned(),
        payload.to_owned(),
        format!("{payload}."),
        format!("{payload}.{}", &tag[..tag.len() - 2]),
        format!("{longer}.{tag}"),
        format!("{good}; drift-session={good}"),
    ] {
        visitor
            .cookies
            .insert("drift-session".to_owned(), forged.clone());
        let sent = visitor.open("/keys").await;
        assert_eq!(
            (sent.status, sent.location()),
            (303, "/sign-in?next=%2Fkeys"),
            "{forged}"
        );
    }
    // The good one is over by itself.
    eventually("its time is over", async || {
        visitor
            .cookies
            .insert("drift-session".to_owned(), good.clone());
        (visitor.open("/keys").await.status == 303).then_some(())
    })
    .await;
    // Whoever sends a form too late is led to the page on which it stood.
    let hash = drift_schema::Step::parse("login").unwrap().hash();
    let late = visitor
        .submit(
            &format!("/drifts/openai/{hash}/actions"),
            &[("action", "replay")],
        )
        .await;
    let expected = format!("/sign-in?next=%2Fdrifts%2Fopenai%2F{hash}");
    assert_eq!((late.status, late.location()), (303, expected.as_str()));
    server.finish().await;
}

#[tokio::test]
async fn over_https_a_cookie_is_for_this_host_and_for_https_alone() {
    let site = Site::new(Engine::Sqlite)
        .await
        .with("DRIFT_PUBLIC_URL", "https://drift.example.com/");
    let server = site.start().await;
    let read = server.create_key("read").await;
    let mut visitor = Visitor::at(&server);
    let answer = visitor
        .submit_from(
            Some("https://drift.example.com"),
            "/sign-in",
            &[("key", &read)],
        )
        .await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let cookie = visitor
        .set
        .iter()
        .find(|cookie| cookie.contains("session"))
        .unwrap();
    assert!(
        cookie.starts_with("__Host-drift-session=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    assert_eq!(visitor.open("/").await.status, 200);
    server.finish().await;
}

#[tokio::test]
async fn whoever_tries_many_keys_has_to_wait() {
    let server = Server::on(Engine::Sqlite).await;
    let read = server.create_key("read").await;
    let mut visitor = Visitor::at(&server);
    for attempt in 0..10 {
        let page = visitor
            .submit("/sign-in", &[("key", "drift_0123456789ab_x")])
            .await;
        assert_eq!(page.status, 401, "{attempt}");
    }
    // Also with a good one, or the wait would tell it from the others.
    let page = visitor.submit("/sign-in", &[("key", &read)]).await;
    assert_eq!(page.status, 429, "{}", page.text);
    let wait: u64 = page.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=7).contains(&wait), "{wait}");
    assert!(page.text.contains("Too many attempts"));
    // Programs with a key in the header are another matter.
    server.get(&read, "/drift/fresh").await;
    server.finish().await;
}

#[tokio::test]
async fn another_site_signs_nobody_in() {
    let server = Server::on(Engine::Sqlite).await;
    let read = server.create_key("read").await;
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let mut visitor = Visitor::at(&server);
        let page = visitor
            .submit_from(Some(origin), "/sign-in", &[("key", &read)])
            .await;
        assert_eq!(page.status, 403, "{origin}");
        assert!(visitor.cookies.is_empty(), "{origin}");
    }
    server.finish().await;
}
