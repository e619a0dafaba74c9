//! While a run is under way the world goes on: people decide, and the backend goes out of sight. Nothing is lost, and nothing done twice.

use super::*;
use drift_schema::Step;
use harness::eventually;
use harness::gate::{Fault, Gate, Script};

/// What a maintainer decides about a step of `openai`.
async fn decide(world: &World, step: &str, action: &Value) {
    let admin = world.server.create_key("admin").await;
    let hash = Step::parse(step).unwrap().hash();
    let path = format!("/drift/drifts/openai/{hash}/actions");
    let answer = world.server.post(&path, &admin, action).send().await;
    let answer = answer.unwrap();
    let status = answer.status();
    assert_eq!(status, 200, "{}", answer.text().await.unwrap());
}

on_both! {
    async fn somebody_who_decides_while_a_run_is_under_way_costs_no_other_step_its_verdict(engine: Engine) {
        let mut world = World::on(engine).await;
        world.outpost.scraper("openai", &TRIPS);
        world.report("openai", "signup-form").await;
        world.outpost.tick().await;
        let (began, go_on) = (world.outpost.path("began"), world.outpost.path("go-on"));
        let (touch, wait) = (format!("touch:{}", began.display()), format!("await:{}", go_on.display()));
        world.outpost.scraper("openai", &["progress:verify", &touch, &wait, "evidence:selector-missing:verify"]);
        // One is to be counted, the other to be replayed, in the same run.
        world.report("openai", "signup-form").await;
        world.report("openai", "verify").await;
        let runner = world.outpost.start(&["tick"]);
        eventually("the scraper runs", async || began.exists().then_some(())).await;
        decide(&world, "signup-form", &json!({"action": "fixed", "version": "1.5.0"})).await;
        std::fs::write(&go_on, "").unwrap();
        let output = runner.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "nothing failed");

        assert_eq!(world.github.issues().len(), 2, "the other step has its issue");
        assert_eq!(world.known().await["state"], "fixed", "and the decision holds");
        // The run has ended: nobody waits for its lease, and nothing is replayed again.
        let summary = world.outpost.tick().await;
        assert_eq!((&summary["drifts"][0]["step"], &summary["drifts"][0]["task"]), (&json!("signup-form"), &json!("settle")), "{summary}");
        assert_eq!(world.outpost.starts("openai"), 2);
        world.finish().await;
    }
}

#[tokio::test]
async fn a_runner_that_cannot_reach_the_backend_writes_nothing_once_its_lease_is_over() {
    let mut world = World::on(Engine::Sqlite).await;
    let to_backend = Gate::to(world.server.address.parse().unwrap(), &passing()).await;
    let script = passing();
    let to_github = Gate::to(world.github.address, &script).await;
    let key = world.server.create_key("runner").await;
    let mut cut_off = Outpost::at(&to_backend.base(), &key).telling(&to_github.base());
    cut_off.set("DRIFT_LEASE", "3s");
    cut_off.set("DRIFT_API_PATIENCE", "200ms");
    cut_off.scraper("openai", &TRIPS);
    world.report("openai", "signup-form").await;
    // It has looked, there is no issue, and before it hears so the backend is gone from its sight.
    script.plan(0, Fault::DelayAnswer);
    let runner = cut_off.start(&["tick"]);
    script.holds().await;
    assert!(script.happened().unwrap().starts_with("GET "));
    drop(to_backend);

    world.outpost.scraper("openai", &TRIPS);
    eventually("another runner takes over", async || {
        world.outpost.run(&["tick"]).await;
        (!world.github.issues().is_empty()).then_some(())
    })
    .await;
    script.pass();
    let output = runner.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    world.github.only_issue();
    world.finish().await;
}

fn passing() -> Script {
    let script = Script::default();
    script.pass();
    script
}
