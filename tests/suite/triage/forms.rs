//! Each decision by its form: the same effect as by a program, told in words on the page on which it stood.

use harness::runner::Runner;
use harness::{Server, Visitor, on_both, report};
use serde_json::Value;

fn page_of(step: &str) -> String {
    format!(
        "/drifts/openai/{}",
        drift_schema::Step::parse(step).unwrap().hash()
    )
}

/// Somebody signed in as an admin, in front of a drift.
struct Desk<'s> {
    server: &'s Server,
    visitor: Visitor<'s>,
    page: String,
    ingest: String,
}

impl<'s> Desk<'s> {
    async fn at(server: &'s Server, step: &str) -> Self {
        let (ingest, admin) = (
            server.create_key("ingest").await,
            server.create_key("admin").await,
        );
        server.report(&ingest, &report("openai", step)).await;
        Self {
            visitor: Visitor::with(server, &admin).await,
            server,
            page: page_of(step),
            ingest,
        }
    }

    /// What the page says after a decision.
    async fn decide(&mut self, fields: &[(&str, &str)]) -> String {
        let (page, action) = (self.page.clone(), format!("{}/actions", self.page));
        self.visitor.fill_in(&page, &action, fields).await.text
    }

    async fn known(&self) -> Value {
        let path = "/drift/known?service=openai&step=login";
        self.server.get(&self.ingest, path).await
    }
}

on_both! {
    async fn every_decision_has_a_form_and_so_has_its_undoing(engine: Engine) {
        let server = Server::on(engine).await;
        let runner = Runner::at(&server).await;
        let mut desk = Desk::at(&server, "login").await;
        let none: [&str; 0] = [];

        let page = desk.decide(&[("action", "mute"), ("until", ""), ("version", ""), ("reports", "5")]).await;
        assert!(page.contains("Muted. What is reported meanwhile waits."), "{page}");
        assert!(page.contains("until it was reported 5 times more"), "{page}");
        assert_eq!(runner.tasks().await, none);
        assert!(desk.decide(&[("action", "unmute")]).await.contains("Unmuted."));
        assert_eq!(runner.tasks().await, ["openai login replay"]);

        // A version that was reported itself cannot be the one: that is said, and taken for what it is.
        let page = desk.decide(&[("action", "fixed"), ("version", "1.4.0")]).await;
        assert!(page.contains("But 1.4.2 tripped here, too, and is not older"), "{page}");
        desk.decide(&[("action", "not-fixed")]).await;
        let page = desk.decide(&[("action", "fixed"), ("version", "1.5.0")]).await;
        assert!(!page.contains("tripped here, too"), "{page}");
        assert!(page.contains("Marked as fixed in 1.5.0."), "{page}");
        assert_eq!((desk.known().await["known_issue"]["fixed_in"].as_str(), runner.tasks().await.len()), (Some("1.5.0"), 0));
        assert!(desk.decide(&[("action", "not-fixed")]).await.contains("No longer marked as fixed."));
        assert_eq!(runner.tasks().await, ["openai login replay"]);

        let page = desk.decide(&[("action", "rename"), ("to", "sign-in")]).await;
        assert!(page.contains("about sign-in from now on") && page.contains(&page_of("sign-in")), "{page}");
        assert_eq!(runner.tasks().await, ["openai sign-in replay"]);
        assert!(desk.decide(&[("action", "undo-rename")]).await.contains("A step of its own again."));

        let held = runner.claim("openai").await;
        runner.judge(&held, "login", "not_reproduced").await;
        runner.finish(&held).await;
        let page = desk.decide(&[("action", "replay")]).await;
        assert!(page.contains("The next tick replays it") && page.contains("Waits for the next tick."), "{page}");
        assert_eq!(runner.tasks().await, ["openai login replay"]);
        assert!(desk.decide(&[("action", "drop-replay")]).await.contains("No replay is waited for any more."));
        assert_eq!(runner.tasks().await, none);
        // Told once.
        let page = desk.visitor.open(&desk.page).await;
        assert!(!page.text.contains("No replay is waited for"), "{}", page.text);
        server.finish().await;
    }

    async fn what_cannot_be_done_is_said_in_words_beside_the_form(engine: Engine) {
        let server = Server::on(engine).await;
        let mut desk = Desk::at(&server, "login").await;
        for (fields, told) in [
            (&[("action", "mute"), ("until", "2020-01-01")][..], "That cannot be done: that has come already, so it would not be muted at all."),
            (&[("action", "mute"), ("until", "tomorrow")], "That is no day; write it as in 2026-11-21."),
            (&[("action", "mute"), ("reports", "many")], "How many reports?"),
            (&[("action", "fixed")], "In which version is it fixed?"),
            (&[("action", "fixed"), ("version", "newest")], "That is no version; write it with three numbers, as in 1.4.2."),
            (&[("action", "rename"), ("to", "Sign In")], "That is no step:"),
            (&[("action", "rename"), ("to", "login")], "a step cannot be renamed to itself"),
        ] {
            let page = desk.decide(fields).await;
            let at = page.find(told).unwrap_or_else(|| panic!("{fields:?}: {page}"));
            // In the form that it is about: after its action, before its button.
            let form = page[..at].rsplit("<form").next().unwrap();
            assert!(form.contains(&format!("value=\"{}\"", fields[0].1)), "{fields:?}: {form}");
        }
        for fields in [&[("action", "dance")][..], &[("action", "replay"), ("by", "somebody else")], &[]] {
            let page = desk.decide(fields).await;
            assert!(page.contains("This form does not read; load the page anew."), "{fields:?}: {page}");
        }
        let runner = Runner::at(&server).await;
        assert_eq!(runner.tasks().await, ["openai login replay"], "nothing was done");
        server.finish().await;
    }

    async fn replays_are_paused_and_resumed_from_the_overview(engine: Engine) {
        let server = Server::on(engine).await;
        let runner = Runner::at(&server).await;
        let mut desk = Desk::at(&server, "login").await;
        for (path, whose) in [("/services/openai/actions", "openai"), ("/services/*/actions", "all services")] {
            let page = desk.visitor.fill_in("/keys", path, &[("action", "pause")]).await;
            assert!(page.text.contains(&format!("Replays of {whose} are paused.")), "{}", page.text);
            assert_eq!(runner.withheld("openai").await, "paused");
            let page = desk.visitor.fill_in("/keys", path, &[("action", "pause")]).await;
            assert!(page.text.contains(&format!("{whose}: replays are paused already.")), "{}", page.text);
            let page = desk.visitor.fill_in("/keys", path, &[("action", "resume")]).await;
            assert!(page.text.contains(&format!("Replays of {whose} are going on.")), "{}", page.text);
        }
        assert_eq!(runner.claim("openai").await.tasks.len(), 1);
        server.finish().await;
    }

    async fn a_form_counts_only_from_our_own_page_and_from_who_may(engine: Engine) {
        let server = Server::on(engine).await;
        let runner = Runner::at(&server).await;
        let mut desk = Desk::at(&server, "login").await;
        let head = async || harness::Db::open(&server.site).await.number("SELECT position FROM event_heads").await;
        let action = format!("{}/actions", desk.page);
        let token = desk.visitor.open(&desk.page).await.token();
        let theirs = server.create_key("admin").await;
        let other = Visitor::with(&server, &theirs).await.open(&desk.page).await.token();
        let read = server.create_key("read").await;
        let before = head().await;

        let mute = ("action", "mute");
        for (what, fields) in [
            ("no token", vec![mute]),
            ("an empty one", vec![("csrf", ""), mute]),
            ("a made-up one", vec![("csrf", "0"), mute]),
            ("that of another session", vec![("csrf", &other), mute]),
            ("two", vec![("csrf", &token), ("csrf", &other), mute]),
        ] {
            let page = desk.visitor.submit(&action, &fields).await;
            assert_eq!(page.status, 403, "{what}");
            assert!(page.text.contains("This form was not sent from here"), "{what}: {}", page.text);
        }
        let good = [("csrf", token.as_str()), mute];
        for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
            let page = desk.visitor.submit_from(Some(origin), &action, &good).await;
            assert_eq!(page.status, 403, "{origin}");
        }
        // Somebody who may only read has no form, and cannot make one.
        let mut reader = Visitor::with(&server, &read).await;
        let page = reader.open(&desk.page).await;
        assert!(!page.text.contains("/actions\""), "{}", page.text);
        let own = page.token();
        for path in [&*action, "/services/openai/actions", "/keys", "/keys/0123456789ab/revoke"] {
            let page = reader.submit(path, &[("csrf", &own), mute, ("name", "x"), ("scope", "admin")]).await;
            assert_eq!(page.status, 403, "{path}");
        }
        assert_eq!(head().await, before, "nothing was done");
        assert_eq!(runner.tasks().await, ["openai login replay"]);
        // The same form, from here.
        let page = desk.visitor.submit_from(None, &action, &good).await;
        assert_eq!(page.status, 303, "a browser that does not say where it is, but has the token");
        assert!(runner.tasks().await.is_empty());
        server.finish().await;
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_page_that_says_so() {
    let server = Server::on(harness::Engine::Sqlite).await;
    let mut desk = Desk::at(&server, "login").await;
    let token = desk.visitor.open("/keys").await.token();
    let fields = [("csrf", token.as_str()), ("action", "mute")];
    for path in [
        format!("{}/actions", page_of("never-seen")),
        "/drifts/openai/x/actions".to_owned(),
        "/services/Open_AI/actions".to_owned(),
    ] {
        let page = desk.visitor.submit(&path, &fields).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(
            page.text.contains("There is no such"),
            "{path}: {}",
            page.text
        );
    }
    server.finish().await;
}
