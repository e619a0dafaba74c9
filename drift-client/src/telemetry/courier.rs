//! The process that sends. It is started and forgotten: it outlives its parent, takes as long as the network takes, and
//! what it cannot deliver stays in the queue.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use drift_schema::answer::KnownIssue;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdout, Command};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Courier {
    program: PathBuf,
}

/// What the courier says about the report that it was started for: one line of JSON on its standard output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Sent {
    Accepted { known_issue: Option<KnownIssue> },
    Refused { why: String },
    Later,
}

/// The answer that may come.
pub struct Pending(Option<ChildStdout>);

impl Courier {
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
        }
    }

    /// Sends this report, then whatever else waits; exports the measurement. Where no process can be started, the
    /// queue keeps the report.
    pub fn start(&self, report: Option<Uuid>, measurement: Option<&str>) -> Pending {
        let mut command = Command::new(&self.program);
        command.args(["telemetry", "deliver"]);
        if let Some(id) = report {
            command.args(["--report", &id.to_string()]);
        }
        if let Some(measurement) = measurement {
            command.args(["--export", measurement]);
        }
        // Nothing of ours is inherited: whoever reads our output must not wait for the courier.
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Pending(child.ok().and_then(|mut child| child.stdout.take()))
    }
}

impl Pending {
    pub async fn within(self, patience: Duration) -> Option<Sent> {
        let stdout = self.0.filter(|_| !patience.is_zero())?;
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        let read = tokio::time::timeout(patience, stdout.read_line(&mut line));
        read.await.ok()?.ok()?;
        serde_json::from_str(&line).ok()
    }
}
