//! A server under measurement: a child process on a port of its own, ready when `/readyz` says so, stopped at
//! the end. The drift-api and the two stand-ins run the same way.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::database::Store;
use crate::options::Common;
use crate::process::{self, Resident};
use crate::traffic;

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(60);

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From the start of the process to the first 200 of `/readyz`.
    pub ready_after: Duration,
    log: PathBuf,
}

/// How to reach the drift-api's program and a store.
#[derive(Debug, Clone)]
pub struct Installation {
    program: PathBuf,
    url: String,
    directory: PathBuf,
}

impl Installation {
    /// Migrates the store.
    pub fn new(common: &Common, store: &Store) -> Result<Self> {
        let it = Self::unmigrated(common, store)?;
        it.run(&["migrate"])?;
        Ok(it)
    }

    pub fn unmigrated(common: &Common, store: &Store) -> Result<Self> {
        Ok(Self {
            program: common.server()?,
            url: store.url.clone(),
            directory: store.directory.clone(),
        })
    }

    fn command(&self) -> Command {
        let mut command = limits_lifted(&self.program);
        command
            .current_dir(&self.directory)
            .env("DRIFT_DATABASE_URL", &self.url)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end; its standard output.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self
            .command()
            .args(arguments)
            .output()
            .context("cannot run the server's program")?;
        if !output.status.success() {
            bail!(
                "{arguments:?} failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A new key.
    pub fn key(&self, scope: &str) -> Result<String> {
        self.run(&["key", "create", "--scope", scope, "--name", "bench"])
    }

    pub fn serve(&self) -> Result<Server> {
        self.serve_under(None)
    }

    /// Serves with a library loaded before all others.
    pub fn serve_under(&self, preload: Option<&Path>) -> Result<Server> {
        let mut command = self.command();
        if let Some(library) = preload {
            command.env("LD_PRELOAD", library);
        }
        let address = free_port()?;
        command
            .arg("serve")
            .env("DRIFT_LISTEN", address.to_string())
            .env("DRIFT_RATE_PER_KEY", "0")
            // Seeded reports are older than a year.
            .env("DRIFT_RETAIN_REPORT_DAYS", "0");
        Server::start(command, address, &self.directory.join("server.log"))
    }
}

impl Server {
    /// One of this program's own servers.
    pub fn stand_in(arguments: &[&str], directory: &Path) -> Result<Self> {
        let mut command = limits_lifted(&std::env::current_exe()?);
        let address = free_port()?;
        command
            .args(arguments)
            .args(["--listen", &address.to_string()])
            .stdin(Stdio::null());
        Self::start(command, address, &directory.join("stand-in.log"))
    }

    fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        command.stdout(output.try_clone()?).stderr(output);
        let begun = Instant::now();
        let child = command.spawn().context("cannot start the server")?;
        let mut server = Self {
            child,
            address,
            ready_after: Duration::ZERO,
            log: log.to_owned(),
        };
        loop {
            if traffic::get_once("/readyz", address, "").is_ok_and(|(status, _)| status == 200) {
                server.ready_after = begun.elapsed();
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended with {status}: {}", server.last_words());
            }
            if begun.elapsed() > START_DEADLINE {
                bail!(
                    "the server is not ready after {START_DEADLINE:?}: {}",
                    server.last_words()
                );
            }
            nap(Duration::from_millis(2));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn resident(&self) -> Result<Resident> {
        process::resident(self.pid())
    }

    /// Asks it to stop, as a service manager would, and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        signal(self.pid(), "TERM")?;
        let deadline = Instant::now() + STOP_DEADLINE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the server does not stop: {}", self.last_words());
            }
            nap(Duration::from_millis(5));
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After an error only; a stopped one is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program with as many open files as the system allows. The shell gives way to it, so the process id stays.
pub fn limits_lifted(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$@\"", "sh"])
        .arg(program);
    command
}

/// `name` as in `kill`: TERM, QUIT.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let script = "kill -s \"$1\" \"$2\"";
    let sent = Command::new("/bin/sh")
        .args(["-c", script, "sh", name, &pid.to_string()])
        .status()?;
    if !sent.success() {
        bail!("cannot signal process {pid}");
    }
    Ok(())
}

/// Waits for another process, where there is nothing to await.
pub fn nap(time: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "polls another process; nothing else runs meanwhile"
    )]
    std::thread::sleep(time);
}

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
