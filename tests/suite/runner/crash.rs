//! The runner is killed at each of its steps, every answer is lost once, several runners come at once, the backend restarts:
//! there is one issue, nothing is lost, and the count is right.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::*;
use harness::eventually;
use harness::gate::{Fault, Gate, Script};

/// How far the story of a drift has come when the fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Bumping,
    Reopening,
    Settling,
}

/// A drift of its own, with a GitHub and gates of its own, at a backend that all share.
struct Drift {
    service: String,
    script: Script,
    github: FakeGithub,
    outpost: Outpost,
    _gates: [Gate; 2],
}

impl Drift {
    async fn at(server: &Server, key: &str, service: String) -> Self {
        let script = Script::default();
        let github = FakeGithub::start().await;
        let gates = [
            Gate::to(server.address.parse().unwrap(), &script).await,
            Gate::to(github.address, &script).await,
        ];
        let mut outpost = Outpost::at(&gates[0].base(), key).telling(&gates[1].base());
        outpost.scraper(&service, &TRIPS);
        script.pass();
        Self {
            service,
            script,
            github,
            outpost,
            _gates: gates,
        }
    }

    async fn tick(&self) -> harness::agentkeys::Ran {
        self.outpost
            .run(&["tick", "--json", "--service", &self.service])
            .await
    }

    /// Up to the moment in which something is to be done in this phase.
    async fn prepare(&mut self, server: &Server, ingest: &str, phase: Phase) {
        let report = report(&self.service, "signup-form");
        server.report(ingest, &report).await;
        if phase == Phase::Opening {
            return;
        }
        self.tick().await.ended(0);
        if phase == Phase::Bumping {
            let mut newer = harness::report(&self.service, "signup-form");
            newer["scraper_version"] = json!("1.5.0");
            server.report(ingest, &newer).await;
            return;
        }
        self.github.state().close(1);
        if phase == Phase::Settling {
            self.outpost.scraper(&self.service, &PASSES);
        }
    }

    /// Later passes bring it to its end, whatever the fault has left.
    async fn settle(&self, server: &Server, read: &str) {
        let path = "/drift/runs/work";
        eventually("everything is done", async || {
            self.tick().await;
            let work = server.get(read, path).await;
            let mut services = work["services"].as_array().unwrap().iter();
            services
                .all(|work| work["service"] != self.service.as_str())
                .then_some(())
        })
        .await;
    }

    async fn assert_right(&self, server: &Server, ingest: &str, phase: Phase, what: &str) {
        let issue = self.github.only_issue();
        let reports = if phase == Phase::Bumping {
            "**2 reports**"
        } else {
            "**1 report**"
        };
        assert!(issue.body.contains(reports), "{what}: {}", issue.body);
        assert_eq!(issue.open, phase != Phase::Settling, "{what}");
        assert_eq!(
            issue.comments.len(),
            usize::from(phase != Phase::Opening),
            "{what}: {:#?}",
            issue.comments
        );
        let path = format!("/drift/known?service={}&step=signup-form", self.service);
        let known = server.get(ingest, &path).await["known_issue"].clone();
        assert_eq!(
            known["state"],
            if phase == Phase::Settling {
                "fixed"
            } else {
                "open"
            },
            "{what}"
        );
        assert_eq!(known["number"], 1, "{what}");
    }
}

/// How many requests a pass makes in this phase.
async fn requests(server: &Server, keys: &Keys, phase: Phase) -> usize {
    let ingest = &keys.ingest;
    let mut drift = Drift::at(
        server,
        &keys.runner,
        format!("{phase:?}-dry").to_lowercase(),
    )
    .await;
    drift.prepare(server, ingest, phase).await;
    drift.script.pass();
    drift.tick().await.ended(0);
    drift.assert_right(server, ingest, phase, "no fault").await;
    drift.script.seen().len()
}

async fn at_every_step(engine: Engine, fault: Fault, phases: &[Phase]) {
    let server = Server::on(engine).await;
    let keys = Keys {
        ingest: server.create_key("ingest").await,
        runner: server.create_key("runner").await,
        read: server.create_key("read").await,
    };
    let mut trials = Vec::new();
    for phase in phases.iter().copied() {
        let number = requests(&server, &keys, phase).await;
        assert!(number >= 8, "{phase:?} has only {number} requests");
        trials.extend((0..number).map(|at| one_trial(&server, &keys, phase, fault, at)));
    }
    // Both cores, and some waiting for leases.
    futures_util::stream::iter(trials)
        .buffer_unordered(6)
        .collect::<Vec<()>>()
        .await;
    server.finish().await;
}

struct Keys {
    ingest: String,
    runner: String,
    read: String,
}

async fn one_trial(server: &Server, keys: &Keys, phase: Phase, fault: Fault, at: usize) {
    let mut drift = Drift::at(
        server,
        &keys.runner,
        format!("{phase:?}-{at}").to_lowercase(),
    )
    .await;
    drift.prepare(server, &keys.ingest, phase).await;
    drift.script.plan(at, fault);
    if fault == Fault::HoldAfter {
        // What is killed here is taken over soon.
        drift.outpost.set("DRIFT_LEASE", "2s");
        let mut runner = drift.outpost.start(&["tick", "--service", &drift.service]);
        tokio::select! {
            () = drift.script.holds() => {}
            // A heartbeat may shift the numbers by one.
            _ = runner.wait() => {}
        }
        let _ = runner.kill().await;
        drift.outpost.set("DRIFT_LEASE", "60s");
    } else {
        drift.tick().await;
    }
    let what = format!("{fault:?} {phase:?} {at}: {:?}", drift.script.happened());
    drift.script.pass();
    drift.settle(server, &keys.read).await;
    drift.assert_right(server, &keys.ingest, phase, &what).await;
}

on_both! {
    async fn killed_at_every_step_of_opening_and_reopening(engine: Engine) {
        at_every_step(engine, Fault::HoldAfter, &[Phase::Opening, Phase::Reopening]).await;
    }

    async fn killed_at_every_step_of_bumping_and_settling(engine: Engine) {
        at_every_step(engine, Fault::HoldAfter, &[Phase::Bumping, Phase::Settling]).await;
    }

    async fn every_answer_is_lost_once(engine: Engine) {
        at_every_step(engine, Fault::LoseAnswer, &[Phase::Opening, Phase::Bumping, Phase::Reopening, Phase::Settling]).await;
    }

    async fn two_daemons_and_a_tick_at_once_are_one_runner(engine: Engine) {
        let mut world = World::on(engine).await;
        for n in 0..6 {
            world.outpost.scraper(&format!("service-{n}"), &TRIPS);
            world.report(&format!("service-{n}"), "signup-form").await;
        }
        world.outpost.set("DRIFT_JITTER", "0s");
        world.outpost.set("DRIFT_SCHEDULE", "* * * * * *");
        let mut daemons = [world.outpost.start(&["daemon"]), world.outpost.start(&["daemon"])];
        world.outpost.run(&["tick"]).await;
        let read = world.server.create_key("read").await;
        eventually("everything is told", async || {
            let work = world.server.get(&read, "/drift/runs/work").await;
            work["services"].as_array().unwrap().is_empty().then_some(())
        })
        .await;
        for daemon in &mut daemons {
            daemon.kill().await.unwrap();
        }
        assert_eq!(world.github.issues().len(), 6);
        for n in 0..6 {
            assert_eq!(world.outpost.starts(&format!("service-{n}")), 1);
        }
        world.finish().await;
    }

    async fn the_backend_restarts_in_the_middle_of_a_run(engine: Engine) {
        let server = Server::on(engine).await;
        let github = FakeGithub::start().await;
        let (ingest, key) = (server.create_key("ingest").await, server.create_key("runner").await);
        let script = Script::default();
        script.pass();
        let gate = Gate::to(server.address.parse().unwrap(), &script).await;
        let mut outpost = Outpost::at(&gate.base(), &key).telling(&github.base());
        let (began, go) = (outpost.path("began"), outpost.path("go"));
        let actions = ["progress:signup-form", &format!("touch:{}", began.display()), &format!("await:{}", go.display()), "evidence:selector-missing:signup-form"];
        outpost.scraper("openai", &actions);
        server.report(&ingest, &report("openai", "signup-form")).await;
        let mut runner = outpost.start(&["tick"]);
        eventually("the scraper runs", async || began.exists().then_some(())).await;
        let site = server.kill().await;
        std::fs::write(&go, "").unwrap();
        let server = site.start().await;
        gate.lead_to(server.address.parse().unwrap());
        let status = tokio::time::timeout(Duration::from_secs(60), runner.wait()).await.unwrap().unwrap();
        assert!(status.success());
        assert!(github.only_issue().body.contains("**1 report**"));
        assert_eq!(outpost.starts("openai"), 1);
        server.finish().await;
    }
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_runs_and_begins_nothing_new() {
    let mut world = World::on(Engine::Sqlite).await;
    let go = world.outpost.path("go");
    for service in ["a", "b"] {
        let began = world.outpost.path("began");
        let actions = [
            "progress:signup-form",
            &format!("touch:{}", began.display()),
            &format!("await:{}", go.display()),
            "evidence:selector-missing:signup-form",
        ];
        world.outpost.scraper(service, &actions);
        world.report(service, "signup-form").await;
    }
    world.outpost.set("DRIFT_CONCURRENCY", "1");
    let mut runner = world.outpost.start(&["tick"]);
    eventually("the first scraper runs", async || {
        world.outpost.path("began").exists().then_some(())
    })
    .await;
    let line = format!("kill -TERM {}", runner.id().unwrap());
    assert!(
        tokio::process::Command::new("sh")
            .args(["-c", &line])
            .status()
            .await
            .unwrap()
            .success()
    );
    std::fs::write(&go, "").unwrap();
    let status = tokio::time::timeout(Duration::from_secs(30), runner.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status.code(), Some(1), "something was left undone");
    assert_eq!(world.outpost.starts("a") + world.outpost.starts("b"), 1);
    world.github.only_issue();
    // The next pass does the rest.
    world.outpost.tick().await;
    assert_eq!(world.github.issues().len(), 2);
    world.finish().await;
}
