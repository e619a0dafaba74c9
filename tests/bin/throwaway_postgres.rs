//! Runs a throw-away Postgres for as long as its standard input is open.
//!
//! `harness::postgres` starts it and holds the other end of the pipe: when the tests die, even by
//! `kill -9`, the pipe closes, the server stops and its directory goes. Once the server answers, its
//! URL is printed on standard output. Lines on standard input: `stop` (clients are cut off), `crash`
//! (nothing is flushed) and `start` (the same port and data again).
//! By hand: `cargo run -p drift-tests --bin throwaway-postgres`; Ctrl-C or Ctrl-D ends it.

use std::fs::{self, File};
use std::io::{self, BufRead as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: throwaway-postgres [--durable]

  --durable   keep fsync on, for benchmarks and tests that kill the server";

const START_DEADLINE: Duration = Duration::from_secs(60);

/// What a test database can do without: surviving a power cut. `synchronous_commit` stays on, or
/// `crash` would lose what was acknowledged.
const NOT_DURABLE: [&str; 2] = ["fsync=off", "full_page_writes=off"];

/// Below the range that Linux takes client ports from: while the server is down, nobody can be given
/// its port, and a client that keeps trying cannot connect to itself.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throwaway-postgres: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let durable = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--durable"] => true,
        _ => bail!(USAGE),
    };
    let orders = listen()?;
    let mut cluster = Cluster::create(durable)?;
    announce(&cluster.start()?)?;
    while let Ok(Order::Line(line)) = orders.recv() {
        let answer = match line.as_str() {
            "stop" => cluster.stop("fast").map(|()| "stopped".to_owned()),
            "crash" => cluster.stop("immediate").map(|()| "stopped".to_owned()),
            "start" => cluster.start(),
            other => bail!("unknown order {other:?}"),
        };
        announce(&answer?)?;
    }
    cluster.stop("fast")
}

fn announce(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

enum Order {
    Line(String),
    End,
}

/// Lines of standard input; its end and SIGINT, SIGTERM or SIGHUP are the same order: `End`.
fn listen() -> anyhow::Result<mpsc::Receiver<Order>> {
    let (orders, receiver) = mpsc::channel();
    let signals = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate, mut hang_up) = {
        let _context = signals.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        )
    };
    let from_signals = orders.clone();
    thread::spawn(move || {
        signals.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        });
        from_signals.send(Order::End)
    });
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if orders.send(Order::Line(line)).is_err() {
                return;
            }
        }
        let _ = orders.send(Order::End);
    });
    Ok(receiver)
}

struct Cluster {
    /// Where `initdb`, `postgres` and `pg_ctl` are.
    programs: PathBuf,
    directory: TempDir,
    /// Whom to run as. Postgres refuses to run as root.
    account: Option<Account>,
    durable: bool,
    /// Chosen at the first start, kept from then on.
    port: Option<u16>,
    server: Option<Child>,
}

impl Cluster {
    fn create(durable: bool) -> anyhow::Result<Self> {
        let programs = find_programs()?;
        let directory = tempfile::Builder::new()
            .prefix("throwaway-postgres-")
            .tempdir()?;
        let account = if fs::metadata(directory.path())?.uid() == 0 {
            let account = Account::unprivileged()?;
            chown(directory.path(), Some(account.uid), Some(account.gid))?;
            Some(account)
        } else {
            None
        };
        let cluster = Self {
            programs,
            directory,
            account,
            durable,
            port: None,
            server: None,
        };
        let initdb = cluster
            .command("initdb")
            .args([
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            .arg("-D")
            .arg(cluster.data())
            .output()
            .context("cannot run initdb")?;
        if !initdb.status.success() {
            bail!(
                "initdb failed: {}",
                String::from_utf8_lossy(&initdb.stderr).trim()
            );
        }
        Ok(cluster)
    }

    /// Starts the server, waits until it answers, and returns its URL.
    fn start(&mut self) -> anyhow::Result<String> {
        if self.server.is_some() {
            bail!("the server runs already");
        }
        let ports: Vec<u16> = self.port.map_or(PORTS.collect(), |port| vec![port]);
        // Neighbours begin their search at different places.
        let skip = std::process::id() as usize * 17 % ports.len();
        for &port in ports.iter().cycle().skip(skip).take(ports.len()) {
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
                continue;
            }
            if self.launch(port)? {
                self.port = Some(port);
                return Ok(format!("postgres://postgres@127.0.0.1:{port}/postgres"));
            }
        }
        bail!(
            "no free port from {} to {}",
            ports[0],
            ports[ports.len() - 1]
        );
    }

    /// `false`: somebody else took the port in the meantime.
    fn launch(&mut self, port: u16) -> anyhow::Result<bool> {
        let log = self.directory.path().join("server.log");
        let output = File::create(&log)?;
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-h", "127.0.0.1", "-k", ""]);
        command.args(["-p", &port.to_string()]);
        let common = ["max_connections=200", "timezone=UTC", "log_timezone=UTC"];
        let lazy = NOT_DURABLE.iter().filter(|_| !self.durable);
        command.args(
            common
                .iter()
                .chain(lazy)
                .flat_map(|setting| ["-c", setting]),
        );
        // A process group of its own: a Ctrl-C in the terminal is for us, not for the server.
        command
            .process_group(0)
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut server = command.spawn().context("cannot run postgres")?;

        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = server.try_wait()? {
                let log = fs::read_to_string(&log).unwrap_or_default();
                if log.contains("Address already in use") {
                    return Ok(false);
                }
                bail!("postgres ended with {status}:\n{log}");
            }
            if self.is_ready(server.id()) {
                self.server = Some(server);
                return Ok(true);
            }
            if Instant::now() > deadline {
                self.server = Some(server);
                bail!("postgres is not ready after {START_DEADLINE:?}");
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "polls another process, no runtime here"
            )]
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What `pg_ctl --wait` asks. Unlike a connection (or `pg_isready`) it cannot mistake another
    /// server on the port for ours.
    fn is_ready(&self, pid: u32) -> bool {
        let status = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = status.lines().map(str::trim);
        lines.next() == Some(&pid.to_string()) && lines.nth(6) == Some("ready")
    }

    fn stop(&mut self, mode: &str) -> anyhow::Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        let data = self.data();
        let mut command = self.command("pg_ctl");
        command
            .args(["stop", "--silent", "--wait", "-m", mode, "-D"])
            .arg(&data);
        let stopped = command.output().is_ok_and(|output| output.status.success());
        if !stopped {
            server.kill()?;
        }
        server.wait()?;
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env_clear()
            .current_dir(self.directory.path())
            .stdin(std::process::Stdio::null());
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Only after an error; the directory goes next.
        let _ = self.stop("immediate");
    }
}

struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    fn unprivileged() -> anyhow::Result<Self> {
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::find(&accounts, name))
            .context("running as root, and /etc/passwd has neither `postgres` nor `nobody`")
    }

    fn find(accounts: &str, name: &str) -> Option<Self> {
        let line = accounts
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self {
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    }
}

/// Debian keeps the server's programs off the `PATH`, one folder per version: the newest, then `PATH`.
fn find_programs() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by_key(|(version, _)| std::cmp::Reverse(*version));

    #[expect(
        clippy::disallowed_methods,
        reason = "not configuration: where programs are"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A lone link to one of the programs leads to the folder of all.
    let linked = std::env::split_paths(&path).filter_map(|folder| {
        Some(
            folder
                .join("initdb")
                .canonicalize()
                .ok()?
                .parent()?
                .to_owned(),
        )
    });

    let complete = |folder: &Path| {
        ["initdb", "postgres", "pg_ctl"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    versions.into_iter().map(|(_, folder)| folder).chain(linked).find(|folder| complete(folder)).context(
        "no Postgres server found (initdb, postgres, pg_ctl); on Debian: apt-get install postgresql",
    )
}
