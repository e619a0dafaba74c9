//! A real `drift-api serve` process on a free port, on either database. At the end of its story the log is verified.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::{eventually, postgres};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A folder, a database and settings: what outlives one server process.
#[derive(Clone)]
pub struct Site {
    pub folder: Arc<TempDir>,
    pub database_url: String,
    settings: Vec<(String, String)>,
}

impl Site {
    pub async fn new(engine: Engine) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let database_url = match engine {
            Engine::Sqlite => format!("sqlite://{}", folder.path().join("data/drift.db").display()),
            Engine::Postgres => postgres::fresh_database().await,
        };
        Self::at(folder, database_url)
    }

    pub fn at(folder: Arc<TempDir>, database_url: String) -> Self {
        Self {
            folder,
            database_url,
            settings: Vec::new(),
        }
    }

    /// One more environment variable for every process at this site.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `drift-api` with arguments, to be run as the test likes.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("DRIFT_DATABASE_URL", &self.database_url)
            .env("DRIFT_LISTEN", "127.0.0.1:0")
            .env("DRIFT_LOG", "info,actix_server=warn")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true);
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).stdin(Stdio::null()).output();
        output.await.expect("drift-api runs")
    }

    /// Standard output of a command that must succeed.
    pub async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "drift-api {arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub async fn create_key(&self, scope: &str) -> String {
        let key = self
            .ok(&["key", "create", "--scope", scope, "--name", scope])
            .await;
        key.trim_end().to_owned()
    }

    /// Chain whole, and every table what the log says.
    pub async fn assert_clean(&self) {
        let output = self.run(&["verify", "--json"]).await;
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "not clean: {text}{errors}");
    }

    /// Starts a server and waits until it is ready.
    pub async fn start(&self) -> Server {
        let server = self.start_without_waiting().await;
        server.ready().await;
        server
    }

    /// Starts a server and waits only until it listens.
    pub async fn start_without_waiting(&self) -> Server {
        self.serve(self.command(&["serve"])).await
    }

    /// The same with a command of the test's own making.
    pub async fn serve(&self, mut command: Command) -> Server {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("drift-api starts");
        let log = Log::default();
        let mut readers = JoinSet::new();
        readers.spawn(log.clone().keep(child.stderr.take().expect("piped")));
        readers.spawn(log.clone().keep(child.stdout.take().expect("piped")));
        let address = eventually("the server listens", async || {
            if let Some(status) = child.try_wait().expect("a child") {
                panic!("the server ended with {status}: {}", log.text());
            }
            let text = log.text();
            // In one of the two formats of the log.
            let places = ["listening address=", "\"listening\",\"address\":\""];
            let rest = places.iter().find_map(|place| text.split(place).nth(1))?;
            Some(rest.split(['"', '\n']).next()?.to_owned())
        })
        .await;
        Server {
            site: self.clone(),
            base: format!("http://{address}"),
            address,
            child,
            log,
            _readers: readers,
            client: client(),
        }
    }
}

/// A running server. Killed when dropped; end it with `finish` to have the log verified.
pub struct Server {
    pub site: Site,
    /// `127.0.0.1:PORT`
    pub address: String,
    pub base: String,
    pub client: reqwest::Client,
    child: Child,
    log: Log,
    _readers: JoinSet<()>,
}

impl Server {
    /// On a new, empty database.
    pub async fn on(engine: Engine) -> Self {
        Site::new(engine).await.start().await
    }

    /// The same, with a key for each of these scopes.
    pub async fn with_keys<const N: usize>(
        engine: Engine,
        scopes: [&str; N],
    ) -> (Self, [String; N]) {
        let server = Self::on(engine).await;
        let mut keys = [const { String::new() }; N];
        for (key, scope) in keys.iter_mut().zip(scopes) {
            *key = server.create_key(scope).await;
        }
        (server, keys)
    }

    /// What a client is told to report with.
    pub fn dsn(&self, key: &str) -> String {
        format!("http://{key}@{}/", self.address)
    }

    pub async fn ready(&self) {
        eventually("the server is ready", async || {
            let answer = self.client.get(self.url("/readyz")).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub async fn create_key(&self, scope: &str) -> String {
        self.site.create_key(scope).await
    }

    pub fn post(&self, path: &str, key: &str, body: &Value) -> RequestBuilder {
        let request = self.client.post(self.url(path));
        request.bearer_auth(key).json(body)
    }

    /// Sends one report and answers whatever came back.
    pub async fn send(&self, key: &str, report: &Value) -> Response {
        let sent = self.post("/drift/report", key, report).send().await;
        sent.expect("an answer")
    }

    /// Sends one report that must be accepted.
    pub async fn report(&self, key: &str, report: &Value) -> Value {
        let answer = self.send(key, report).await;
        let status = answer.status();
        let body = answer.json::<Value>().await.expect("JSON");
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        body
    }

    pub async fn send_lines(&self, key: &str, lines: &str) -> Response {
        let request = self.client.post(self.url("/drift/reports"));
        let request = request
            .bearer_auth(key)
            .header("content-type", "application/x-ndjson");
        let sent = request.body(lines.to_owned()).send().await;
        sent.expect("an answer")
    }

    /// The JSON of a GET that must succeed.
    pub async fn get(&self, key: &str, path: &str) -> Value {
        let request = self.client.get(self.url(path)).bearer_auth(key);
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let body = answer.json::<Value>().await.expect("JSON");
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    pub async fn metrics(&self) -> String {
        let answer = self.client.get(self.url("/metrics")).send().await;
        answer.expect("metrics").text().await.expect("text")
    }

    /// What the server wrote to its standard output and error so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("still running")
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("/proc");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kilobytes.expect("VmRSS") * 1024
    }

    /// SIGKILL: what a crash looks like. Answers the site, where another can be started.
    pub async fn kill(mut self) -> Site {
        self.child.kill().await.expect("killed");
        self.site.clone()
    }

    /// Sends a signal by name, as in `TERM`.
    pub async fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &line]).status().await;
        assert!(status.expect("sh").success());
    }

    /// Waits for the process to end by itself; its exit code and all that it wrote.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait());
        let status = status.await.expect("the server ends").expect("a status");
        while self._readers.join_next().await.is_some() {}
        (status.code(), self.log.text())
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(self) -> Site {
        let site = self.site.clone();
        self.signal("TERM").await;
        let (code, log) = self.ended().await;
        assert_eq!(code, Some(0), "{log}");
        site
    }

    /// The end of a story: stops, and checks that the log is whole and that nothing failed unseen. All that the server
    /// wrote.
    pub async fn finish(self) -> String {
        let log = self.log.clone();
        let site = self.stop().await;
        site.assert_clean().await;
        let text = log.text();
        // What actix says of a connection that comes in the moment in which it stops.
        let told = text.replace("ERROR actix_server::accept: No workers", "");
        for bad in [" ERROR ", "\"level\":\"ERROR\"", "panicked"] {
            assert!(!told.contains(bad), "{bad} in the server's log:\n{text}");
        }
        text
    }
}

/// A client that neither reuses broken connections for long nor follows redirects.
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client")
}

/// Beside the test binary, which cargo puts one folder further down.
fn program() -> PathBuf {
    let suite = std::env::current_exe().expect("a path");
    let folder = suite
        .parent()
        .and_then(Path::parent)
        .expect("target/…/deps");
    folder.join("drift-api-under-test")
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    async fn keep(self, from: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut text = self.0.lock().expect("unpoisoned");
            text.push_str(&line);
            text.push('\n');
        }
    }

    fn text(&self) -> String {
        self.0.lock().expect("unpoisoned").clone()
    }
}
