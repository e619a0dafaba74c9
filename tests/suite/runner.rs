//! The whole loop with the real runner, the real backend on both databases, real scraper processes and a fake GitHub.

mod browser;
mod commands;
mod crash;
mod meanwhile;
mod story;
mod traces;
mod trouble;

use harness::github::FakeGithub;
use harness::{Engine, Outpost, Server, on_both, report};
use serde_json::{Value, json};

/// A backend, a GitHub, and a runner between them.
struct World {
    server: Server,
    github: FakeGithub,
    outpost: Outpost,
    ingest: String,
}

impl World {
    async fn on(engine: Engine) -> Self {
        let server = Server::on(engine).await;
        let github = FakeGithub::start().await;
        let (ingest, runner) = (
            server.create_key("ingest").await,
            server.create_key("runner").await,
        );
        let outpost = Outpost::at(&server.base, &runner).telling(&github.base());
        Self {
            server,
            github,
            outpost,
            ingest,
        }
    }

    async fn report(&self, service: &str, step: &str) {
        self.server
            .report(&self.ingest, &report(service, step))
            .await;
    }

    async fn report_of(&self, version: &str) -> Value {
        let mut one = report("openai", "signup-form");
        one["scraper_version"] = json!(version);
        self.server.report(&self.ingest, &one).await
    }

    async fn known(&self) -> Value {
        let path = "/drift/known?service=openai&step=signup-form";
        self.server.get(&self.ingest, path).await["known_issue"].clone()
    }

    async fn finish(self) {
        self.server.finish().await;
    }
}

const TRIPS: [&str; 2] = [
    "progress:signup-form",
    "evidence:selector-missing:signup-form",
];
const PASSES: [&str; 3] = [
    "progress:signup-form",
    "walked:verify",
    "success:sk-proj-Q7mN2xV9bK4tR8wZ1cY6",
];
