//! The real `agentkeys` with a home of its own, and scrapers that do what a story says.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::Command;

use crate::workplace::Workplace;

/// Keys of the stories. They must never be seen in anything that is printed or logged.
pub const KEY: &str = "sk-proj-Q7mN2xV9bK4tR8wZ1cY6";
pub const OTHER_KEY: &str = "sk-proj-H3jF5pL0sD8gA2uE7iO4";

/// A user's machine: a folder with `scrapers.toml`, and a home.
pub struct Machine {
    place: Workplace,
}

/// What a command left.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl Default for Machine {
    fn default() -> Self {
        let place = Workplace::default();
        let folder = place.folder().display().to_string();
        Self { place }
            .with("HOME", &folder)
            .with("AGENTKEYS_HOME", &format!("{folder}/home"))
    }
}

impl Machine {
    /// With a scraper for `openai` that does this.
    pub fn scraping(actions: &[&str]) -> Self {
        let mut machine = Self::default();
        machine.scraper("openai", "", actions);
        machine
    }

    /// One more variable for every command.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.place.set(name, value);
    }

    /// Reports go to this backend.
    pub fn reporting_to(self, dsn: &str) -> Self {
        self.with("AGENTKEYS_TELEMETRY", "1").with("DRIFT_DSN", dsn)
    }

    /// Adds a scraper, or replaces the service's last one. `more` is further TOML of its table.
    pub fn scraper(&mut self, service: &str, more: &str, actions: &[&str]) {
        self.place.scraper(service, &[], actions, more);
    }

    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    /// A file that is still to be made, as the argument of an action.
    pub fn file(&self, verb: &str, name: &str) -> String {
        format!("{verb}:{}", self.path(name).display())
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.place.command("agentkeys-under-test", arguments)
    }

    /// `provision openai --json`, started by `env` with this option.
    pub fn under(&self, option: &str) -> Command {
        let inner = self.command(&["provision", "openai", "--json"]);
        let inner = inner.as_std();
        let mut command = Command::new("env");
        command
            .arg(option)
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(self.folder())
            .env_clear()
            .envs(
                inner
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments)).await
    }

    /// `provision openai --json`.
    pub async fn provision(&self) -> Ran {
        self.run(&["provision", "openai", "--json"]).await
    }

    /// `report` of the step `login` at openai, by hand.
    pub async fn report(&self, kind: &str, more: &[&str]) -> Ran {
        let digest = "0".repeat(64);
        let report = [
            "report",
            "--service",
            "openai",
            "--step",
            "login",
            "--kind",
            kind,
            "--digest",
            &digest,
        ];
        self.run(&[&report, more].concat()).await
    }

    /// The events of the audit with their outcome or code, as in `finished failed STORE_FAILED`.
    pub fn audit(&self) -> Vec<String> {
        let told = |line: Value| {
            let words = ["event", "outcome", "code"].map(|name| line[name].as_str().unwrap_or(""));
            words.join(" ").trim_end().to_owned()
        };
        self.audit_lines().into_iter().map(told).collect()
    }

    pub fn audit_lines(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for file in files(&self.home().join("audit")) {
            let text = std::fs::read_to_string(file).expect("UTF-8");
            lines.extend(
                text.lines()
                    .map(|line| serde_json::from_str(line).expect("JSON")),
            );
        }
        lines
    }

    /// Names of the reports that wait.
    pub fn queue(&self) -> Vec<PathBuf> {
        let waiting = files(&self.home().join("telemetry/queue"));
        let json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
        waiting.into_iter().filter(json).collect()
    }

    pub async fn status(&self) -> Value {
        let status = self.run(&["telemetry", "status", "--json"]).await;
        status.ended(0).json()
    }

    /// The words are in no file of the home but the credentials.
    #[track_caller]
    pub fn assert_secret(&self, words: &[&str], ran: &[&Ran]) {
        for ran in ran {
            for word in words {
                assert!(!ran.stdout.contains(word), "{word} in {}", ran.stdout);
                assert!(!ran.stderr.contains(word), "{word} in {}", ran.stderr);
            }
        }
        for file in files(&self.home()) {
            if file.starts_with(self.home().join("credentials")) {
                continue;
            }
            let text = String::from_utf8_lossy(&std::fs::read(&file).expect("a file")).into_owned();
            for word in words {
                assert!(!text.contains(word), "{word} in {}", file.display());
            }
        }
    }
}

pub async fn ran(mut command: Command) -> Ran {
    let started = Instant::now();
    let output = command.output().await.expect("agentkeys runs");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        took: started.elapsed(),
    }
}

/// As Ctrl-C does.
pub async fn interrupt(child: &tokio::process::Child) {
    let line = format!("kill -INT {}", child.id().expect("it runs"));
    let told = Command::new("sh").args(["-c", &line]).status().await;
    assert!(told.expect("a shell").success());
}

/// All files under a folder, in order. None if there is no such folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort_unstable();
    found
}

/// Whether the process whose id is in this file is gone (a zombie is).
pub fn is_gone(file: &Path) -> bool {
    let pid = std::fs::read_to_string(file).expect("the process wrote its id");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_none_or(|state| state == 'Z')
}

/// Beside the test binary, which cargo puts one folder further down.
pub fn program(name: &str) -> PathBuf {
    let suite = std::env::current_exe().expect("a path");
    let folder = suite
        .parent()
        .and_then(Path::parent)
        .expect("target/…/deps");
    folder.join(name)
}
