//! Postgres for the stories: a fresh database each, on one server per test run.
//!
//! The server is a throw-away one (`tests/bin/throwaway_postgres.rs`), or the one at
//! `TEST_DATABASE_URL`. Stories in which the database goes down start a [`Cluster`] of their own.
//! A missing Postgres fails the test; it never skips it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::{NoContext, Timestamp, Uuid};

/// The URL of a new, empty database.
pub async fn fresh_database() -> String {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    match external_server() {
        Some(server) => {
            static SWEPT: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
            SWEPT.get_or_init(|| drop_leftovers(server)).await;
            create_database(server).await
        }
        None => SHARED.get_or_init(Cluster::start).fresh_database().await,
    }
}

/// A server of its own, which can go down and come back. It ends with this value, or with the process.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    supervisor: Child,
    /// The supervisor stops the server when this closes.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// Fast, and safe against everything but a power cut.
    pub fn start() -> Self {
        Self::launch(&[])
    }

    /// With fsync, as in production.
    pub fn start_durable() -> Self {
        Self::launch(&["--durable"])
    }

    /// The server's URL, with its maintenance database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of a new, empty database on this server.
    pub async fn fresh_database(&self) -> String {
        create_database(&self.url).await
    }

    /// Goes down in good order; connections are cut off.
    pub fn stop(&mut self) {
        self.order("stop");
    }

    /// Goes down at once; the next start has to recover from the write-ahead log.
    pub fn crash(&mut self) {
        self.order("crash");
    }

    /// Comes back at the same URL with the same data.
    pub fn start_again(&mut self) {
        let url = self.order("start");
        assert_eq!(url, self.url);
    }

    fn launch(arguments: &[&str]) -> Self {
        let program = supervisor_program();
        // A process group of its own, so that a Ctrl-C leaves it alive to clean up after us.
        let mut supervisor = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        let orders = supervisor.stdin.take();
        let answers = BufReader::new(supervisor.stdout.take().expect("stdout is a pipe"));
        let mut cluster = Self {
            url: String::new(),
            supervisor,
            orders,
            answers,
        };
        cluster.url = cluster.answer();
        cluster
    }

    fn order(&mut self, order: &str) -> String {
        let mut orders = self.orders.as_ref().expect("open until drop");
        // Should it fail, the missing answer tells more.
        let _ = writeln!(orders, "{order}");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a line of text");
        if line.is_empty() {
            let mut why = String::new();
            let stderr = self.supervisor.stderr.as_mut().expect("stderr is a pipe");
            let _ = stderr.read_to_string(&mut why);
            panic!("no Postgres for this test: {}", why.trim());
        }
        line.trim_end().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.supervisor.wait();
    }
}

/// Beside the running program (a benchmark), or one folder up from it (`target/debug/deps/suite-…`).
fn supervisor_program() -> PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    this.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("throwaway-postgres"))
        .find(|program| program.is_file())
        .expect("`throwaway-postgres` is not built: cargo build -p drift-tests --bin throwaway-postgres")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one setting of the tests, not of the product"
)]
fn external_server() -> Option<&'static str> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    let url = URL.get_or_init(|| std::env::var("TEST_DATABASE_URL").ok());
    url.as_deref().filter(|url| !url.is_empty())
}

async fn create_database(server: &str) -> String {
    let name = database_name(Uuid::now_v7());
    let mut connection = connect(server).await;
    let statement = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    connection
        .execute(statement)
        .await
        .expect("the role may create databases");
    let _ = connection.close().await;
    let mut url = Url::parse(server).expect("a Postgres URL");
    url.set_path(&name);
    url.into()
}

/// Nobody throws an external server away, so databases that earlier test runs left there go after a
/// day. Their names begin with the time, and therefore sort by it.
async fn drop_leftovers(server: &str) {
    let day_ago = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
    let day_ago = day_ago
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_secs();
    let oldest = Uuid::new_v7(Timestamp::from_unix(NoContext, day_ago, 0));
    let mut connection = connect(server).await;
    let leftovers: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname BETWEEN $1 AND $2")
            .bind(database_name(Uuid::nil()))
            .bind(database_name(oldest))
            .fetch_all(&mut connection)
            .await
            .expect("pg_database can be read");
    for name in leftovers {
        // A neighbour may have been faster, or a session is still open: not our story.
        let _ = connection
            .execute(AssertSqlSafe(format!("DROP DATABASE {name}")))
            .await;
    }
}

fn database_name(id: Uuid) -> String {
    format!("drift_test_{}", id.simple())
}

async fn connect(server: &str) -> PgConnection {
    let connection = PgConnection::connect(server).await;
    connection.unwrap_or_else(|error| panic!("cannot connect to the Postgres server: {error}"))
}
