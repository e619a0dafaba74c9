//! A running `provider-site`, ended with the test that started it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::Layout;

pub struct RunningSite {
    pub layout: Layout,
    /// `http://127.0.0.1:PORT`
    pub base: String,
    client: Client,
    // It ends when its standard input does.
    _child: Child,
}

impl RunningSite {
    pub async fn start(layout: Layout, switches: &[&str], maildir: Option<&Path>) -> Self {
        let mut command = Command::new(beside("provider-site"));
        command.args(["--service", layout.service]);
        if let Some(maildir) = maildir {
            command.arg("--maildir").arg(maildir);
        }
        for switch in switches {
            command.args(["--switch", switch]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("provider-site starts");
        let stdout = child.stdout.take().expect("piped");
        let line = BufReader::new(stdout).lines().next_line().await;
        let base = line.expect("readable").expect("its address");
        Self {
            layout,
            base,
            client: crate::server::client(),
            _child: child,
        }
    }

    /// These are on from now, all others off.
    pub async fn switch(&self, switches: &[&str]) {
        let request = self.client.put(format!("{}/__switches", self.base));
        let answer = request
            .json(&json!(switches))
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_success(), "{switches:?}");
    }

    pub async fn state(&self) -> Value {
        let answer = self
            .client
            .get(format!("{}/__state", self.base))
            .send()
            .await;
        answer.expect("an answer").json().await.expect("JSON")
    }

    /// How often a path was asked for.
    pub async fn visits(&self, path: &str) -> u64 {
        self.state().await["visits"][path]
            .as_u64()
            .unwrap_or_default()
    }

    /// The argument that makes the real addresses lead here.
    pub fn mapping(&self) -> String {
        format!("{}={}", self.layout.origin, self.base)
    }
}

/// A program beside the test binary, which cargo puts one folder further down.
pub fn beside(name: &str) -> PathBuf {
    let suite = std::env::current_exe().expect("a path");
    let folder = suite.parent().and_then(Path::parent);
    folder.expect("target/…/deps").join(name)
}
