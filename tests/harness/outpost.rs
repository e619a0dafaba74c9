//! Where a runner works: a folder with `scrapers.toml`, a backend to ask, a tracker to tell, and the real `drift-runner`.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::agentkeys::{Ran, program, ran};
use crate::github::{REPOSITORY, TOKEN};

pub struct Outpost {
    pub folder: TempDir,
    settings: Vec<(String, String)>,
    scrapers: Vec<(String, String)>,
}

impl Outpost {
    /// With the local tracker.
    pub fn at(backend: &str, key: &str) -> Self {
        let mut outpost = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            settings: Vec::new(),
            scrapers: Vec::new(),
        };
        outpost.set("DRIFT_API_URL", backend);
        outpost.set("DRIFT_RUNNER_KEY", key);
        outpost.set("DRIFT_GITHUB_WRITES_PER_MINUTE", "0");
        outpost.write();
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
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
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
        let fake = program("fake-scraper").display().to_string();
        let mut command = vec!["sh".to_owned(), "-c".to_owned(), counted, fake];
        command.extend(actions.iter().map(|action| (*action).to_owned()));
        let command = serde_json::to_string(&command).expect("JSON is TOML here");
        self.scrapers.retain(|(known, _)| known != service);
        let table = format!("[scrapers.{service}]\ncommand = {command}\n{more}\n");
        self.scrapers.push((service.to_owned(), table));
        self.write();
    }

    fn write(&self) {
        let tables: String = self
            .scrapers
            .iter()
            .map(|(_, table)| table.as_str())
            .collect();
        std::fs::write(self.folder.path().join("scrapers.toml"), tables).expect("written");
    }

    /// How often the scraper of a service was started.
    pub fn starts(&self, service: &str) -> usize {
        let starts = std::fs::read_to_string(self.folder.path().join("starts")).unwrap_or_default();
        starts.lines().filter(|line| *line == service).count()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("drift-runner-under-test"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
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
