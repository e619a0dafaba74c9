//! A scraper that runs, seen from the process that reads it.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret as _;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::Scraper;
use super::supervisor::{Control, WORD};
use super::tail::Tail;

/// How long the supervisor may take to end what the scraper has started.
const TIDY: Duration = Duration::from_secs(2);
/// A larger pipe means fewer changes between the two processes.
const PIPE: usize = 1024 * 1024;

/// Dropping it ends the scraper and whatever it has started: the control socket closes, and the supervisor acts.
pub(super) struct Running {
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
    pub(super) control: Control,
    pub(super) tail: Tail,
    /// The scraper's process group, as long as it is known to exist.
    pub(super) group: Option<Pid>,
    supervisor: Child,
}

impl Running {
    pub(super) fn start(scraper: &Scraper) -> Result<Self, String> {
        Self::try_start(scraper).map_err(|error| error.to_string())
    }

    fn try_start(scraper: &Scraper) -> std::io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let environment = scraper.environment.iter();
        let mut supervisor = Command::new(scraper.supervisor.program())
            .arg(WORD)
            .arg(&scraper.program)
            .args(&scraper.arguments)
            .env_clear()
            .envs(environment.map(|(name, value)| (name, value.expose_secret())))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at a terminal is for us; we then end the run in order.
            .process_group(0)
            .spawn()?;
        let missing = || std::io::Error::other("a pipe is missing");
        let stdout = supervisor.stdout.take().ok_or_else(missing)?;
        let stderr = supervisor.stderr.take().ok_or_else(missing)?;
        // Refused where users may not have such pipes; then it is slower.
        let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE);
        Ok(Self {
            stdout,
            stderr,
            control: Control::new(tokio::net::UnixStream::from_std(ours)?),
            tail: Tail::default(),
            group: None,
            supervisor,
        })
    }

    /// Ends what still runs, waits until it is gone, and answers the end of standard error.
    pub(super) async fn finish(mut self) -> Tail {
        self.kill_group();
        self.control.close().await;
        if tokio::time::timeout(TIDY, self.supervisor.wait())
            .await
            .is_err()
        {
            let _ = self.supervisor.kill().await;
        }
        self.drain().await;
        std::mem::take(&mut self.tail)
    }

    /// What is still in the pipe. Nobody writes to it any more, or nobody that matters.
    async fn drain(&mut self) {
        let mut bytes = Vec::with_capacity(64 * 1024);
        let rest = async {
            for _ in 0..64 {
                bytes.clear();
                match self.stderr.read_buf(&mut bytes).await {
                    Ok(read) if read > 0 => self.tail.push(&bytes),
                    _ => break,
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(100), rest).await;
    }

    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_group();
    }
}
