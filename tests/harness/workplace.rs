//! A folder with `scrapers.toml` and the variables of the commands that run in it: what a client and a runner share.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::agentkeys::program;

pub struct Workplace {
    folder: TempDir,
    settings: Vec<(String, String)>,
    /// Tables by service.
    scrapers: Vec<(String, String)>,
}

impl Default for Workplace {
    fn default() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            settings: Vec::new(),
            scrapers: Vec::new(),
        }
    }
}

impl Workplace {
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// One more variable for every command, or another value of it.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Adds a scraper, or replaces the service's last one: `fake-scraper` behind what stands before it. `more` is further
    /// TOML of its table.
    pub fn scraper(&mut self, service: &str, before: &[&str], actions: &[&str], more: &str) {
        let fake = program("fake-scraper").display().to_string();
        let command: Vec<&str> = [before, &[fake.as_str()], actions].concat();
        let command = serde_json::to_string(&command).expect("JSON is TOML here");
        let table = format!("[scrapers.{service}]\ncommand = {command}\n{more}\n");
        self.scrapers.retain(|(known, _)| known != service);
        self.scrapers.push((service.to_owned(), table));
        self.write();
    }

    /// `scrapers.toml` as it stands.
    pub fn write(&self) {
        let tables: String = self.scrapers.iter().map(|(_, table)| &**table).collect();
        std::fs::write(self.path("scrapers.toml"), tables).expect("written");
    }

    /// A program under test that sees nothing but these variables.
    pub fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program(name));
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}
