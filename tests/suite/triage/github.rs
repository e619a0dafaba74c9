//! Coming in with GitHub, which is played with state: people, an OAuth app, codes that are good once.

use harness::github::{CLIENT_ID, CLIENT_SECRET, FakeGithub};
use harness::server::{Engine, Server, Site};
use harness::visitor::Page;
use harness::{Visitor, on_both, report};
use serde_json::json;

async fn site(engine: Engine, github: &FakeGithub) -> Site {
    Site::new(engine)
        .await
        .with("DRIFT_GITHUB_OAUTH_CLIENT_ID", CLIENT_ID)
        .with("DRIFT_GITHUB_OAUTH_CLIENT_SECRET", CLIENT_SECRET)
        .with("DRIFT_GITHUB_URL", &github.base())
        .with("DRIFT_GITHUB_API_URL", &github.base())
}

/// Where the browser comes back to, without the host.
fn local<'a>(server: &Server, back: &'a str) -> &'a str {
    back.strip_prefix(&server.base).expect("back at the server")
}

/// The whole way: to GitHub, agreed, back.
async fn comes(
    visitor: &mut Visitor<'_>,
    server: &Server,
    github: &FakeGithub,
    login: &str,
) -> Page {
    let sent = visitor.open("/sign-in/github?next=%2Fkeys").await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let back = github.agrees(login, sent.location());
    visitor.open(local(server, &back)).await
}

on_both! {
    async fn a_member_of_the_organisation_or_a_named_user_comes_in_and_decides_under_their_login(engine: Engine) {
        let github = FakeGithub::start().await;
        github.add_person("Octocat", &[]);
        github.add_person("hubot", &["octo-org"]);
        let site = site(engine, &github).await.with("DRIFT_GITHUB_OAUTH_ORGS", "other-org, octo-org").with("DRIFT_GITHUB_OAUTH_USERS", "octocat");
        let server = site.start().await;
        let (ingest, admin) = (server.create_key("ingest").await, server.create_key("admin").await);
        server.report(&ingest, &report("openai", "login")).await;
        let page = format!("/drifts/openai/{}", drift_schema::Step::parse("login").unwrap().hash());
        for (login, action) in [("Octocat", "mute"), ("hubot", "unmute")] {
            let mut visitor = Visitor::at(&server);
            let door = visitor.open("/sign-in?next=%2Fkeys").await;
            assert!(door.text.contains("href=\"/sign-in/github?next=%2Fkeys\""), "{}", door.text);
            let answer = comes(&mut visitor, &server, &github, login).await;
            assert_eq!((answer.status, answer.location()), (303, "/keys"), "{}", answer.text);
            assert!(!visitor.cookies.contains_key("drift-sign-in"), "used up");
            assert!(visitor.open("/").await.text.contains(login));
            visitor.fill_in(&page, &format!("{page}/actions"), &[("action", action)]).await;
            let events = server.get(&admin, "/drift/events").await;
            let last = events["events"].as_array().unwrap().last().unwrap();
            assert_eq!(last["data"]["by"], json!(format!("github:{login}")));
        }
        let log = server.finish().await;
        assert!(!log.contains(CLIENT_SECRET) && !log.contains("gho_"), "{log}");
    }

    async fn who_is_no_longer_invited_is_out_as_soon_as_the_server_knows(engine: Engine) {
        let github = FakeGithub::start().await;
        github.add_person("octocat", &[]);
        github.add_person("hubot", &["octo-org"]);
        let site = site(engine, &github).await;
        let with = |orgs: &str, users: &str| {
            let site = site.clone().with("DRIFT_GITHUB_OAUTH_ORGS", orgs);
            site.with("DRIFT_GITHUB_OAUTH_USERS", users)
        };
        let server = with("octo-org", "octocat").start().await;
        let mut cookies = Vec::new();
        for login in ["octocat", "hubot"] {
            let mut visitor = Visitor::at(&server);
            comes(&mut visitor, &server, &github, login).await;
            assert_eq!(visitor.open("/").await.status, 200);
            cookies.push(visitor.cookies);
        }
        server.stop().await;
        for (orgs, users, status) in [("octo-org", "octocat", 200), ("octo-org", "monalisa", 303), ("", "octocat", 303)] {
            let server = with(orgs, users).start().await;
            for cookies in &cookies {
                let mut visitor = Visitor::at(&server);
                visitor.cookies = cookies.clone();
                assert_eq!(visitor.open("/").await.status, status, "{orgs} {users}");
            }
            server.finish().await;
        }
    }

    async fn who_was_not_invited_stays_outside_and_is_told_why(engine: Engine) {
        let github = FakeGithub::start().await;
        github.add_person("mallory", &["evil-org"]);
        let server = site(engine, &github).await.with("DRIFT_GITHUB_OAUTH_ORGS", "octo-org").start().await;
        let mut visitor = Visitor::at(&server);
        let page = comes(&mut visitor, &server, &github, "mallory").await;
        assert_eq!(page.status, 403, "{}", page.text);
        assert!(page.text.contains("GitHub knows you as mallory, who may not come in here."), "{}", page.text);
        assert!(visitor.cookies.is_empty());
        assert_eq!(visitor.open("/").await.status, 303);
        server.finish().await;
    }
}

#[tokio::test]
async fn whoever_did_not_leave_from_here_in_this_browser_does_not_come_in() {
    let github = FakeGithub::start().await;
    github.add_person("octocat", &[]);
    let site = site(Engine::Sqlite, &github).await;
    let server = site
        .with("DRIFT_GITHUB_OAUTH_USERS", "octocat")
        .start()
        .await;
    // Somebody else's way back, slipped to a browser that never left, and to one that left by itself.
    let mut mallory = Visitor::at(&server);
    let sent = mallory.open("/sign-in/github").await;
    let back = github.agrees("octocat", sent.location());
    let back = local(&server, &back).to_owned();
    let mut victim = Visitor::at(&server);
    assert_eq!(victim.open(&back).await.status, 400);
    victim.open("/sign-in/github").await;
    let page = victim.open(&back).await;
    assert_eq!(page.status, 400, "{}", page.text);
    assert!(
        page.text.contains("began in another browser"),
        "{}",
        page.text
    );
    assert!(!victim.cookies.contains_key("drift-session"));
    // A state that was changed, or is missing; a cookie that was changed.
    for forged in [
        back.replace("state=", "state=0"),
        back.split("&state=").next().unwrap().to_owned(),
    ] {
        assert_eq!(mallory.open(&forged).await.status, 400, "{forged}");
    }
    let kept = mallory.cookies.clone();
    let forged = kept["drift-sign-in"].replace('.', "A.");
    mallory.cookies.insert("drift-sign-in".to_owned(), forged);
    assert_eq!(mallory.open(&back).await.status, 400);
    // As it was: good once, and not again.
    mallory.cookies = kept.clone();
    assert_eq!(mallory.open(&back).await.status, 303);
    mallory.cookies = kept;
    let page = mallory.open(&back).await;
    assert_eq!(page.status, 401, "{}", page.text);
    assert!(!mallory.cookies.contains_key("drift-session"));
    server.finish().await;
}

#[tokio::test]
async fn what_goes_wrong_at_github_is_said_and_a_key_still_helps() {
    let github = FakeGithub::start().await;
    github.add_person("octocat", &[]);
    let site = site(Engine::Sqlite, &github).await;
    let server = site
        .with("DRIFT_GITHUB_OAUTH_USERS", "octocat")
        .start()
        .await;
    let mut visitor = Visitor::at(&server);
    let sent = visitor
        .open("/sign-in/github?next=%2F%2Fevil.example")
        .await;
    let back = github.agrees("octocat", sent.location());
    let denied = local(&server, &back).replace("code=", "error=access_denied&was=");
    let page = visitor.open(&denied).await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("you did not agree"), "{}", page.text);

    let sent = visitor.open("/sign-in/github").await;
    let back = github.agrees("octocat", sent.location());
    github.state().down = true;
    let page = visitor.open(local(&server, &back)).await;
    assert_eq!(page.status, 502);
    assert!(
        page.text.contains("GitHub cannot be asked at the moment"),
        "{}",
        page.text
    );
    let read = server.create_key("read").await;
    Visitor::with(&server, &read).await;
    server.finish().await;
}

#[tokio::test]
async fn only_those_who_were_named_decide_where_somebody_was() {
    let github = FakeGithub::start().await;
    github.add_person("octocat", &["octo-org"]);
    github.add_person("hubot", &["octo-org"]);
    let site = site(Engine::Sqlite, &github).await;
    let server = site
        .with("DRIFT_GITHUB_OAUTH_ORGS", "octo-org")
        .with("DRIFT_GITHUB_OAUTH_ADMINS", "OctoCat")
        .start()
        .await;
    for (login, may_act) in [("octocat", true), ("hubot", false)] {
        let mut visitor = Visitor::at(&server);
        comes(&mut visitor, &server, &github, login).await;
        let page = visitor.open("/keys").await;
        assert_eq!(page.text.contains("Make a key"), may_act, "{login}");
    }
    server.finish().await;
}

#[tokio::test]
async fn a_door_that_would_be_open_to_everybody_or_to_nobody_is_a_mistake() {
    let told = async |settings: &[(&str, &str)]| {
        let mut site = Site::new(Engine::Sqlite).await;
        for (name, value) in settings {
            site = site.with(name, value);
        }
        let output = site.run(&["check-config"]).await;
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!text.contains(CLIENT_SECRET), "{text}");
        text
    };
    let id = ("DRIFT_GITHUB_OAUTH_CLIENT_ID", CLIENT_ID);
    let secret = ("DRIFT_GITHUB_OAUTH_CLIENT_SECRET", CLIENT_SECRET);
    assert!(told(&[id]).await.contains("need each other"));
    assert!(told(&[secret]).await.contains("need each other"));
    assert!(
        told(&[id, secret])
            .await
            .contains("needs DRIFT_GITHUB_OAUTH_ORGS or DRIFT_GITHUB_OAUTH_USERS")
    );
    let orgs = ("DRIFT_GITHUB_OAUTH_ORGS", "octo-org,../users");
    assert!(
        told(&[id, secret, orgs])
            .await
            .contains("is not a list of GitHub names")
    );
    // Without any of it there is no such door.
    let server = Server::on(Engine::Sqlite).await;
    let mut visitor = Visitor::at(&server);
    assert!(!visitor.open("/sign-in").await.text.contains("GitHub"));
    for path in ["/sign-in/github", "/sign-in/github/callback?code=x&state=y"] {
        assert_eq!(visitor.open(path).await.status, 404, "{path}");
    }
    server.finish().await;
}
