//! Throw-away stores: SQLite files, and databases of a Postgres cluster that lives as long as this value. Both
//! lie in the same directory, so that both pay for the same disk.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use crate::options::{Databases, built_somehow};
use crate::server;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
        })
    }
}

impl Databases {
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Sqlite => &[Kind::Sqlite],
            Self::Postgres => &[Kind::Postgres],
            Self::Both => &[Kind::Sqlite, Kind::Postgres],
        }
    }
}

/// An empty database and a directory beside it.
#[derive(Debug, Clone)]
pub struct Store {
    pub url: String,
    pub directory: PathBuf,
}

/// Where stores of one kind are made.
pub struct Place {
    pub kind: Kind,
    cluster: Option<Cluster>,
    directory: TempDir,
    made: usize,
}

impl Place {
    pub fn new(kind: Kind, directory: &Path) -> Result<Self> {
        let cluster = (kind == Kind::Postgres)
            .then(|| Cluster::start(directory))
            .transpose()?;
        let directory = tempfile::Builder::new()
            .prefix("stores-")
            .tempdir_in(directory)?;
        Ok(Self {
            kind,
            cluster,
            directory,
            made: 0,
        })
    }

    pub async fn store(&mut self) -> Result<Store> {
        self.made += 1;
        let name = format!("store_{}", self.made);
        let directory = self.directory.path().join(&name);
        std::fs::create_dir(&directory)?;
        let url = match &self.cluster {
            None => format!("sqlite://{}", directory.join("drift.db").display()),
            Some(cluster) => cluster.create(&name).await?,
        };
        Ok(Store { url, directory })
    }

    /// Removes what a store holds, where many large ones would fill the disk.
    pub async fn remove(&self, store: Store) -> Result<()> {
        if let (Some(cluster), Some((_, name))) = (&self.cluster, store.url.rsplit_once('/')) {
            cluster.drop(name).await?;
        }
        Ok(std::fs::remove_dir_all(store.directory)?)
    }

    /// The process whose CPU time is the database's. SQLite's is the server's own.
    pub fn pid(&self) -> Option<u32> {
        self.cluster.as_ref().map(|cluster| cluster.pid)
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs the cluster on with a library loaded before all others. Nothing to do for SQLite: there it is
    /// loaded into the server.
    pub fn preload(&mut self, library: &Path) -> Result<()> {
        self.cluster
            .as_mut()
            .map_or(Ok(()), |cluster| cluster.restart_under(library))
    }
}

/// `throwaway-postgres`, which stops its server and removes the data when its standard input ends.
struct Cluster {
    launcher: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    url: String,
    pid: u32,
    /// The server that took the place of the launcher's.
    own: Option<Child>,
}

impl Cluster {
    fn start(directory: &Path) -> Result<Self> {
        let mut launcher = Command::new(built_somehow("drift-tests", "throwaway-postgres")?)
            .arg("--durable")
            .env("TMPDIR", directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run throwaway-postgres")?;
        let orders = launcher.stdin.take();
        let answers = BufReader::new(launcher.stdout.take().context("no pipe")?);
        let mut cluster = Self {
            launcher,
            orders,
            answers,
            url: String::new(),
            pid: 0,
            own: None,
        };
        cluster.url = cluster.answer()?;
        cluster.pid = cluster.postmaster(directory)?;
        Ok(cluster)
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            bail!("throwaway-postgres has ended");
        }
        Ok(line.trim().to_owned())
    }

    /// Of all servers under the directory, the one that listens on the port in our URL.
    fn postmaster(&self, directory: &Path) -> Result<u32> {
        let port = self
            .url
            .rsplit_once(':')
            .and_then(|(_, rest)| rest.split_once('/'))
            .context("no port")?
            .0;
        for entry in std::fs::read_dir(directory)?.flatten() {
            let file = std::fs::read_to_string(entry.path().join("data/postmaster.pid"))
                .unwrap_or_default();
            let lines: Vec<&str> = file.lines().map(str::trim).collect();
            if lines.get(3) == Some(&port) {
                return Ok(lines[0].parse()?);
            }
        }
        bail!("cannot find the process of {}", self.url)
    }

    async fn create(&self, name: &str) -> Result<String> {
        self.execute(format!("CREATE DATABASE {name}")).await?;
        let (server, _) = self
            .url
            .rsplit_once('/')
            .context("no database in the URL")?;
        Ok(format!("{server}/{name}"))
    }

    async fn drop(&self, name: &str) -> Result<()> {
        self.execute(format!("DROP DATABASE {name} WITH (FORCE)"))
            .await
    }

    async fn execute(&self, sql: String) -> Result<()> {
        let mut connection = PgConnection::connect(&self.url).await?;
        // Names are our own.
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }

    /// The launcher clears the environment of its server. So that one is stopped, and the same command line is
    /// run again, as the same user, in an environment of ours.
    fn restart_under(&mut self, library: &Path) -> Result<()> {
        use std::os::unix::process::CommandExt as _;
        let proc = PathBuf::from(format!("/proc/{}", self.pid));
        let program = std::fs::read_link(proc.join("exe"))?;
        let directory = std::fs::read_link(proc.join("cwd"))?;
        let line = std::fs::read_to_string(proc.join("cmdline"))?;
        let status = std::fs::read_to_string(proc.join("status"))?;
        let id = |name: &str| -> Result<u32> {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .context("no user")?;
            Ok(line.split_whitespace().next().context("no user")?.parse()?)
        };
        let (user, group) = (id("Uid:")?, id("Gid:")?);
        writeln!(self.orders.as_mut().context("no pipe")?, "stop")?;
        self.answer()?;

        let mut command = Command::new(program);
        command
            .args(line.split_terminator('\0').skip(1))
            .current_dir(directory)
            .env_clear()
            .env("LD_PRELOAD", library);
        if user
            != std::fs::metadata("/proc/self")
                .map(|own| std::os::unix::fs::MetadataExt::uid(&own))?
        {
            command.uid(user).gid(group);
        }
        let server = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.pid = server.id();
        self.own = Some(server);
        let port = self
            .url
            .rsplit_once(':')
            .and_then(|(_, rest)| rest.split_once('/'))
            .context("no port")?
            .0
            .to_owned();
        for _ in 0..2000 {
            if std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok() {
                // It listens a moment before it lets anybody in.
                server::nap(std::time::Duration::from_millis(500));
                return Ok(());
            }
            server::nap(std::time::Duration::from_millis(5));
        }
        bail!("Postgres does not come back")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut server) = self.own.take() {
            // Waits for nobody: the data goes away with it.
            let _ = server::signal(server.id(), "QUIT");
            let _ = server.wait();
        }
        // Closes the pipe, which is the order to stop and clean up.
        self.orders = None;
        let _ = self.launcher.wait();
    }
}
