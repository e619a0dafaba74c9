//! Where a runner works: a folder with `scrapers.toml`, a backend to ask, a tracker to tell, and the real `drift-runner`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::agentkeys::{Ran, ran};
use crate::github::{REPOSITORY, TOKEN};
use crate::workplace::Workplace;

#[derive(Default)]
pub struct Outpost {
    place: Workplace,
}

impl Outpost {
    /// With the local tracker.
    pub fn at(backend: &str, key: &str) -> Self {
        let mut outpost = Self::default();
        outpost.set("DRIFT_API_URL", backend);
        outpost.set("DRIFT_RUNNER_KEY", key);
        outpost.set("DRIFT_GITHUB_WRITES_PER_MINUTE", "0");
        outpost.place.write();
        outpost
    }

    /// With issues at this GitHub, or the gate before it.
    pub fn telling(mut self, github: &str) -> Self {
        self.set("GITHUB_API_URL", github);
        self.set("GITHUB_REPOSITORY", REPOSITORY);
        self.set("GITHUB_TOKEN", TOKEN);
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.place.set(name, value);
    }

    /// A scraper that does this, without a cool-down; each start of it is counted.
    pub fn scraper(&mut self, service: &str, actions: &[&str]) {
        self.scraper_with(
            service,
            "budget = { per_day = 100, cooldown = \"1ms\" }",
            actions,
        );
    }

    /// `more` is further TOML of its table.
    pub fn scraper_with(&mut self, service: &str, more: &str, actions: &[&str]) {
        let counted = format!("echo {service} >> starts; exec \"$0\" \"$@\"");
        self.place
            .scraper(service, &["sh", "-c", &counted], actions, more);
    }

    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    /// How often the scraper of a service was started.
    pub fn starts(&self, service: &str) -> usize {
        let starts = std::fs::read_to_string(self.path("starts")).unwrap_or_default();
        starts.lines().filter(|line| *line == service).count()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.place.command("drift-runner-under-test", arguments)
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments)).await
    }

    /// `tick --json` that must end well.
    pub async fn tick(&self) -> serde_json::Value {
        self.run(&["tick", "--json"]).await.ended(0).json()
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("drift-runner starts")
    }
}
