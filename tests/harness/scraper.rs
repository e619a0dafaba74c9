//! The real `drift-scraper`, with the real Chromium, and what it said.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::site::{RunningSite, beside};

/// Longer than any run takes, even on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a flow or two, and the state that runs leave.
#[derive(Clone)]
pub struct Scraper {
    pub folder: Arc<TempDir>,
    variables: Vec<(String, String)>,
}

/// A run that is over.
#[derive(Debug)]
pub struct Run {
    pub lines: Vec<Value>,
    pub code: Option<i32>,
    pub errors: String,
    pub took: Duration,
}

impl Default for Scraper {
    fn default() -> Self {
        Self {
            folder: Arc::new(tempfile::tempdir().expect("a temporary folder")),
            variables: Vec::new(),
        }
    }
}

impl Scraper {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What a sign-up needs, where no mail is read.
    pub fn with_address(self) -> Self {
        self.with("AGENTKEYS_SIGNUP_EMAIL", "alice@mail.example")
            .with("AGENTKEYS_EMAIL_PASSWORD", "the mailbox's password")
    }

    /// A flow of the test's own: a head, and these steps.
    pub fn flow(&self, steps: &str) -> PathBuf {
        let path = self.folder.path().join("flow.toml");
        let head = "service = \"acme\"\nversion = \"1.0.0\"\nsettle = \"400ms\"\n";
        std::fs::write(&path, format!("{head}{steps}")).expect("written");
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(beside("drift-scraper-under-test"));
        let kept = [
            "PATH",
            "HOME",
            "LANG",
            "TMPDIR",
            "DRIFT_CHROMIUM",
            "DRIFT_NO_SANDBOX",
        ];
        #[expect(clippy::disallowed_methods, reason = "what a runner passes on")]
        let kept = kept
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?)));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(kept)
            .env("DRIFT_STATE", self.folder.path().join("state"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .spawn()
            .expect("drift-scraper starts")
    }

    pub async fn output(&self, arguments: &[&str]) -> Output {
        let output = tokio::time::timeout(PATIENCE, self.command(arguments).output());
        output.await.expect("it ends in time").expect("it runs")
    }

    /// `run` of a flow; the lines are checked against the protocol.
    pub async fn run(&self, flow: &Path, more: &[&str]) -> Run {
        let mut arguments = vec!["run", flow.to_str().expect("UTF-8")];
        arguments.extend_from_slice(more);
        let began = Instant::now();
        let output = self.output(&arguments).await;
        Run::read(&output, began.elapsed())
    }

    /// One of the flows that come with the product, against a site of ours under the real addresses.
    pub async fn run_at(&self, site: &RunningSite, more: &[&str]) -> Run {
        let mapping = site.mapping();
        let mut arguments = vec!["--map", &mapping];
        arguments.extend_from_slice(more);
        self.run(&shipped_flow(site.layout.service), &arguments)
            .await
    }
}

/// `flows/openai.toml` of the repository.
pub fn shipped_flow(service: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .with_file_name("flows")
        .join(format!("{service}.toml"))
}

impl Run {
    pub fn read(output: &Output, took: Duration) -> Self {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
        let mut lines = Vec::new();
        let mut ended = false;
        for line in text.lines() {
            assert!(!ended, "a line after the last one: {line}");
            let parsed = drift_schema::scraper::Line::parse(line.as_bytes());
            ended = parsed.expect("a line of the protocol").is_terminal();
            lines.push(serde_json::from_str(line).expect("JSON"));
        }
        assert!(ended, "no last line; {errors}");
        Self {
            lines,
            code: output.status.code(),
            errors,
            took,
        }
    }

    pub fn last(&self) -> &Value {
        self.lines.last().expect("a last line")
    }

    /// The last line in short: `tripwire selector-missing signup-form`, `error bot_wall`, `success`.
    pub fn ending(&self) -> String {
        let last = self.last();
        let part = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
        match last["type"].as_str() {
            Some("tripwire") => format!("tripwire {} {}", part("kind"), part("step")),
            Some("error") => format!("error {}", part("code")),
            _ => part("type"),
        }
    }

    pub fn resources(&self) -> Vec<&Value> {
        let lines = self.lines.iter();
        lines.filter(|line| line["type"] == "resource").collect()
    }

    /// The picture of a tripwire.
    pub fn png(&self) -> Vec<u8> {
        let text = self.last()["screenshot_b64"].as_str();
        let text = text.unwrap_or_else(|| panic!("no picture: {}", self.errors));
        let picture = base64::engine::general_purpose::STANDARD
            .decode(text)
            .expect("base64");
        assert!(picture.starts_with(b"\x89PNG\r\n"));
        picture
    }
}
