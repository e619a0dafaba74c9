//! Which issues a runner is to ask about, and how often: an hour without reports is to cost no call to GitHub.

use super::*;

const REPOSITORY: &str = "https://github.example/owner/repo";
const SECRET: &str = "it is a secret to everybody";

fn asked(work: &Value) -> (usize, bool) {
    let ask = work["ask"].as_array().unwrap().len();
    (ask, work["is_daily"] == json!(true))
}

on_both! {
    async fn where_webhooks_come_issues_are_asked_about_beside_other_work_and_once_a_day(engine: Engine) {
        let server = Site::new(engine).await.with("DRIFT_GITHUB_WEBHOOK_SECRET", SECRET).start().await;
        let ingest = server.create_key("ingest").await;
        let runner = Runner::at(&server).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        let held = runner.claim("openai").await;
        runner.judge(&held, "signup-form", "confirmed").await;
        let issue = json!({"tracker": "github", "number": 7, "url": format!("{REPOSITORY}/issues/7"), "state": "open"});
        let body = json!({"step": "signup-form", "task": "open", "issue": issue});
        assert!(runner.say(&held, "done", body).await.0.is_success());
        runner.finish(&held).await;

        // Nobody tells us how it is: each pass asks.
        for _ in 0..2 {
            assert_eq!(asked(&runner.work().await), (1, false));
        }
        let hook = |repository: &str| json!({"zen": "Speak like a human.", "repository": {"html_url": repository}}).to_string();
        for repository in ["https://github.example/owner/other", REPOSITORY] {
            assert_eq!(asked(&runner.work().await).0, 1);
            let body = hook(repository);
            let request = server.client.post(server.url("/hooks/github"))
                .header("content-type", "application/json").header("x-github-event", "ping").header("x-github-delivery", repository)
                .header("x-hub-signature-256", crate::hooks::signature(&body)).body(body);
            assert_eq!(request.send().await.unwrap().status(), 204);
        }
        // From now on GitHub tells; what may have got lost until today is asked for once.
        let work = runner.work().await;
        assert_eq!(asked(&work), (1, true));
        let (status, _) = runner.call("/drift/issues/asked", &json!({"as_of": work["as_of"]})).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(asked(&runner.work().await), (0, false));
        // With work to do a few calls more do not matter.
        server.report(&ingest, &report("openrouter", "login")).await;
        assert_eq!(asked(&runner.work().await), (1, false));
        let (status, _) = runner.call("/drift/issues/asked", &json!({"as_of": "soon"})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        server.finish().await;
    }

    async fn somebody_who_reopens_a_fixed_issue_is_heard_without_a_webhook(engine: Engine) {
        let server = Server::on(engine).await;
        let ingest = server.create_key("ingest").await;
        let runner = Runner::at(&server).await;
        with_an_issue(&server, &runner, &ingest).await;
        runner.observe("openai", HASH, "closed").await;
        let held = runner.claim("openai").await;
        runner.judge(&held, "signup-form", "not_reproduced").await;
        let body = json!({"step": "signup-form", "task": "settle", "issue": issue("closed")});
        assert!(runner.say(&held, "done", body).await.0.is_success());
        runner.finish(&held).await;
        assert_eq!(known(&server, &ingest).await["state"], "fixed");
        assert_eq!(runner.work().await["ask"][0]["issue"], issue("closed"));
        runner.observe("openai", HASH, "open").await;
        assert_eq!(known(&server, &ingest).await["state"], "open");
        server.finish().await;
    }
}
