//! The keys page: made, shown once, seen in use, revoked after a second thought.

use harness::{Server, Visitor, eventually, on_both, report};
use serde_json::json;

on_both! {
    async fn a_key_is_made_shown_once_and_revoked_after_a_second_thought(engine: Engine) {
        let server = Server::on(engine).await;
        let admin = server.create_key("admin").await;
        let mut visitor = Visitor::with(&server, &admin).await;
        let token = visitor.open("/keys").await.token();
        let made = visitor.submit("/keys", &[("csrf", &token), ("name", "laptops <b>"), ("scope", "ingest")]).await;
        assert_eq!(made.status, 200, "{}", made.text);
        assert_eq!(made.headers["cache-control"], "no-store");
        assert!(made.text.contains("laptops &lt;b&gt;") || made.text.contains("laptops &#60;b&#62;"), "{}", made.text);
        let key = made.text.split("<code>drift_").nth(1).and_then(|rest| rest.split('<').next());
        let key = format!("drift_{}", key.unwrap_or_else(|| panic!("no key in {}", made.text)));
        assert!(made.text.contains(&format!("DRIFT_DSN=http://{key}@")), "{}", made.text);
        server.report(&key, &report("openai", "login")).await;
        let id = key.split('_').nth(1).unwrap().to_owned();
        let secret = key.splitn(3, '_').nth(2).unwrap().to_owned();

        let page = visitor.open("/keys").await.text;
        assert!(page.contains(&id) && !page.contains(&secret), "{page}");
        eventually("its use is seen", async || {
            let page = visitor.open("/keys").await.text;
            let row = page.split("<tr").find(|row| row.contains(&id))?.to_owned();
            (!row.contains("never")).then_some(())
        }).await;

        let asked = visitor.open(&format!("/keys/{id}/revoke")).await;
        assert!(asked.text.contains("This cannot be undone"), "{}", asked.text);
        let path = format!("/keys/{id}/revoke");
        let page = visitor.fill_in(&path, &path, &[]).await;
        assert!(page.text.contains(&format!("Key {id} is revoked.")), "{}", page.text);
        assert_eq!(server.send(&key, &report("openai", "login")).await.status(), 401);
        assert_eq!(visitor.open(&path).await.status, 404, "there is nothing left to be asked");

        // The log says who did both.
        let events = server.get(&admin, "/drift/events").await;
        let by = admin.split('_').nth(1).unwrap();
        let mut keys = events["events"].as_array().unwrap().iter().filter(|event| event["type"] != "report-received" && event["data"]["key"] == json!(id));
        let (created, revoked) = (keys.next().unwrap(), keys.next().unwrap());
        assert_eq!((&created["type"], &created["data"]["by"]), (&json!("key-created"), &json!(by)));
        assert_eq!((&revoked["type"], &revoked["data"]["by"]), (&json!("key-revoked"), &json!(by)));
        let log = server.finish().await;
        assert!(!log.contains(&secret));
    }

    async fn keys_of_another_workspace_are_neither_seen_nor_revoked(engine: Engine) {
        let server = Server::on(engine).await;
        let admin = server.create_key("admin").await;
        let theirs = server.site.ok(&["key", "create", "--scope", "read", "--name", "theirs-alone", "--workspace", "other"]).await;
        let id = theirs.split('_').nth(1).unwrap().to_owned();
        let mut visitor = Visitor::with(&server, &admin).await;
        let page = visitor.open("/keys").await;
        assert!(!page.text.contains("theirs-alone"), "{}", page.text);
        let path = format!("/keys/{id}/revoke");
        assert_eq!(visitor.open(&path).await.status, 404);
        let token = page.token();
        assert_eq!(visitor.submit(&path, &[("csrf", &token)]).await.status, 404);
        server.get(theirs.trim_end(), "/drift/fresh").await;
        server.finish().await;
    }
}

#[tokio::test]
async fn a_key_needs_a_name_and_a_scope() {
    let server = Server::on(harness::Engine::Sqlite).await;
    let admin = server.create_key("admin").await;
    let mut visitor = Visitor::with(&server, &admin).await;
    let token = visitor.open("/keys").await.token();
    let long = "x".repeat(101);
    for (name, scope, told) in [
        ("", "ingest", "What is it for?"),
        (" ", "ingest", "What is it for?"),
        (&long, "ingest", "That name is too long."),
        ("laptops", "root", "What may it do?"),
        ("laptops", "", "What may it do?"),
    ] {
        let fields = [("csrf", token.as_str()), ("name", name), ("scope", scope)];
        let page = visitor.submit("/keys", &fields).await;
        assert_eq!(page.status, 422, "{name} {scope}");
        assert!(page.text.contains(told), "{name} {scope}: {}", page.text);
    }
    // Whoever revokes their own key is told so before, and is out afterwards.
    let own = admin.split('_').nth(1).unwrap();
    let path = format!("/keys/{own}/revoke");
    let asked = visitor.open(&path).await;
    assert!(
        asked.text.contains("You are signed in with this very key."),
        "{}",
        asked.text
    );
    let page = visitor.fill_in(&path, &path, &[]).await;
    assert_eq!(
        (page.status, page.location()),
        (303, "/sign-in?next=%2Fkeys")
    );
    server.finish().await;
}
