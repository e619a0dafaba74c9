//! From two reports to an issue, and to its end.

use super::*;

on_both! {
    async fn two_reports_become_one_issue_and_other_services_are_left_alone(engine: Engine) {
        let mut world = World::on(engine).await;
        world.outpost.scraper("openai", &TRIPS);
        world.outpost.scraper("openrouter", &TRIPS);
        // Nothing reported: nothing is started, and GitHub not asked.
        let summary = world.outpost.tick().await;
        assert_eq!((&summary["drifts"], &summary["services"]), (&json!([]), &json!([])));
        assert_eq!((world.outpost.starts("openai"), world.github.requests()), (0, Vec::new()));

        world.report("openai", "signup-form").await;
        world.report("openai", "signup-form").await;
        let summary = world.outpost.tick().await;
        let drift = &summary["drifts"][0];
        assert_eq!(summary["drifts"].as_array().unwrap().len(), 1);
        assert_eq!((&drift["step"], &drift["verdict"], &drift["action"]), (&json!("signup-form"), &json!("confirmed"), &json!("opened")));
        let issue = world.github.only_issue();
        assert!(issue.open && issue.title.starts_with("drift(openai): signup-form failing as of "));
        assert!(issue.body.contains("**2 reports**"), "{}", issue.body);
        assert!(issue.body.contains("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"), "the digest");
        assert!(issue.body.contains("`platform.openai.com`") && !issue.body.contains("s3cr3t"), "the host alone");
        assert_eq!((world.outpost.starts("openai"), world.outpost.starts("openrouter")), (1, 0));
        assert!(issue.body.contains("main\n  button"), "the tree");
        let link = issue.body.split("[Screenshot of the replay](<").nth(1).and_then(|rest| rest.split('>').next()).expect("a link to the screenshot");
        let picture = world.server.client.get(link).send().await.unwrap();
        assert_eq!(picture.status(), 200, "{link}");
        assert!(picture.bytes().await.unwrap().starts_with(b"\x89PNG"));
        let known = world.known().await;
        assert_eq!((&known["state"], &known["number"]), (&json!("open"), &json!(issue.number)));

        // Known by now: one look at the issue, nothing else.
        let writes = world.github.writes();
        assert_eq!(world.outpost.tick().await["drifts"], json!([]));
        assert_eq!((world.outpost.starts("openai"), world.github.writes()), (1, writes));
        world.finish().await;
    }

    async fn an_open_issue_is_bumped_without_a_replay_and_a_closed_one_verified_once(engine: Engine) {
        let mut world = World::on(engine).await;
        world.outpost.scraper("openai", &TRIPS);
        world.report_of("1.4.2").await;
        world.outpost.tick().await;
        let number = world.github.only_issue().number;

        world.report_of("1.4.3").await;
        let summary = world.outpost.tick().await;
        assert_eq!((&summary["drifts"][0]["task"], &summary["drifts"][0]["action"]), (&json!("bump"), &json!("bumped")));
        let issue = world.github.only_issue();
        assert!(issue.body.contains("**2 reports**") && issue.comments.len() == 1 && issue.comments[0].contains("`1.4.3`"));
        assert_eq!(world.outpost.starts("openai"), 1, "no replay while it is open");

        // Closed too early: no webhook comes, the runner sees it by itself.
        world.github.state().close(number);
        let summary = world.outpost.tick().await;
        assert_eq!((&summary["drifts"][0]["task"], &summary["drifts"][0]["action"]), (&json!("verify"), &json!("reopened")));
        let issue = world.github.only_issue();
        assert!(issue.open && issue.comments.len() == 2 && issue.comments[1].contains("does not hold"), "{:?}", issue.comments);
        assert_eq!(world.outpost.starts("openai"), 2);

        world.outpost.scraper("openai", &PASSES);
        world.github.state().close(number);
        let summary = world.outpost.tick().await;
        assert_eq!((&summary["drifts"][0]["verdict"], &summary["drifts"][0]["action"]), (&json!("not_reproduced"), &json!("settled")));
        let issue = world.github.only_issue();
        assert!(!issue.open && issue.comments.len() == 3 && issue.comments[2].contains("holds"));
        assert_eq!(world.known().await["state"], "fixed");

        // Those who have not updated yet do not undo it.
        world.report_of("1.4.2").await;
        assert_eq!(world.outpost.tick().await["drifts"], json!([]));
        assert_eq!((world.outpost.starts("openai"), world.github.only_issue().open), (3, false));

        // A person who reopens it knows better; no webhook tells, and nothing was reported.
        world.github.state().reopen(number);
        assert_eq!(world.outpost.tick().await["drifts"], json!([]));
        assert_eq!(world.known().await["state"], "open");
        world.github.state().close(number);
        assert_eq!(world.outpost.tick().await["drifts"][0]["action"], "settled");

        // Those who have, do; and by now there is a good page to compare with.
        world.outpost.scraper("openai", &TRIPS);
        world.report_of("2.0.0").await;
        let summary = world.outpost.tick().await;
        assert_eq!(summary["drifts"][0]["action"], "reopened", "{summary}");
        let issue = world.github.only_issue();
        assert!(issue.open && issue.body.contains("`link in main became button`"), "{}", issue.body);
        world.finish().await;
    }

    async fn several_steps_of_a_service_are_one_replay_and_each_gets_its_own_verdict(engine: Engine) {
        let mut world = World::on(engine).await;
        world.outpost.scraper("openai", &["progress:open", "progress:login", "evidence:unexpected-nav:login"]);
        for step in ["open", "login", "verify"] {
            world.report("openai", step).await;
        }
        let summary = world.outpost.tick().await;
        let verdicts: Vec<(&Value, &Value)> = summary["drifts"].as_array().unwrap().iter().map(|drift| (&drift["step"], &drift["verdict"])).collect();
        assert!(verdicts.contains(&(&json!("open"), &json!("not_reproduced"))), "{summary}");
        assert!(verdicts.contains(&(&json!("login"), &json!("confirmed"))), "{summary}");
        assert!(verdicts.contains(&(&json!("verify"), &json!("infra"))), "what was not reached is not judged: {summary}");
        assert_eq!(world.outpost.starts("openai"), 1);
        assert!(world.github.only_issue().title.contains("login"));
        world.finish().await;
    }
}

#[tokio::test]
async fn without_a_repository_issues_are_files() {
    let (server, [ingest, key]) = Server::with_keys(Engine::Sqlite, ["ingest", "runner"]).await;
    let mut outpost = Outpost::at(&server.base, &key);
    outpost.scraper("openai", &TRIPS);
    server
        .report(&ingest, &report("openai", "signup-form"))
        .await;
    outpost.tick().await;
    let file = outpost.path("drift-issues/0001-openai-signup-form.md");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("**1 report**") && text.contains("state: open"),
        "{text}"
    );
    std::fs::write(&file, text.replace("state: open", "state: closed")).unwrap();
    outpost.scraper("openai", &PASSES);
    let summary = outpost.tick().await;
    assert_eq!(summary["drifts"][0]["action"], "settled", "{summary}");
    let settled = std::fs::read_to_string(&file).unwrap();
    assert!(settled.contains("The fix holds"), "{settled}");
    // What was proved is shown for as long as somebody reads it.
    for text in [&text, &settled] {
        assert!(
            text.contains("![Screenshot of the replay](<pictures/"),
            "{text}"
        );
    }
    server.finish().await;
}
