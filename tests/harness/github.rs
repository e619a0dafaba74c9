//! A GitHub with state behind a real socket: issues, comments, labels, and files on branches. An unknown route fails the test,
//! and so does whatever GitHub itself would not take.

mod people;
mod routes;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::http::Message;

pub use people::{CLIENT_ID, CLIENT_SECRET, Person};

pub const REPOSITORY: &str = "octo-org/scrapers";
pub const TOKEN: &str = "ghs_tests-only";

pub struct FakeGithub {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Clone, Default)]
pub struct Issue {
    pub number: u64,
    pub title: String,
    pub body: String,
    pub open: bool,
    pub labels: Vec<String>,
    pub comments: Vec<String>,
    pub closed_at: Option<String>,
    pub is_pull_request: bool,
    /// Nobody may comment.
    pub locked: bool,
    /// Deleted issues answer 410.
    pub deleted: bool,
    /// Another number, where it was transferred to.
    pub moved_to: Option<u64>,
}

/// What GitHub says instead of doing it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Of the path, after the method: `POST /repos/octo-org/scrapers/issues`.
    pub request: &'static str,
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub message: &'static str,
    /// How many more times.
    pub times: usize,
}

#[derive(Default)]
pub struct State {
    pub issues: Vec<Issue>,
    pub labels: Vec<String>,
    /// By `branch:path`.
    pub files: Vec<(String, Vec<u8>)>,
    pub branches: Vec<String>,
    pub refusals: Vec<Refusal>,
    /// Somebody has switched issues off in the settings of the repository.
    pub issues_off: bool,
    /// Connections are closed as they come.
    pub down: bool,
    /// Every request, as `POST /path`.
    pub requests: Vec<String>,
    /// Requests that GitHub would not understand.
    pub strange: Vec<String>,
    /// How many issues a page has at most, whatever was asked for.
    pub page: usize,
    /// Tokens handed out to an App.
    pub logins: usize,
    /// Who may sign in elsewhere.
    pub people: Vec<Person>,
    agreed: Vec<people::Agreed>,
    objects: usize,
}

impl State {
    /// By a person, in the browser.
    pub fn issue(&mut self, number: u64) -> &mut Issue {
        self.issues
            .iter_mut()
            .find(|issue| issue.number == number)
            .expect("the issue is there")
    }

    pub fn close(&mut self, number: u64) {
        let issue = self.issue(number);
        issue.open = false;
        issue.closed_at = Some(chrono::Utc::now().to_rfc3339());
    }

    pub fn reopen(&mut self, number: u64) {
        let issue = self.issue(number);
        (issue.open, issue.closed_at) = (true, None);
    }

    fn writes(&self) -> usize {
        self.requests
            .iter()
            .filter(|request| !request.starts_with("GET "))
            .count()
    }
}

impl FakeGithub {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let state = Arc::new(Mutex::new(State {
            page: 100,
            ..State::default()
        }));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, state.clone(), format!("http://{address}")));
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("unpoisoned")
    }

    /// Issues that are no pull requests and not deleted.
    pub fn issues(&self) -> Vec<Issue> {
        let state = self.state();
        let there = state
            .issues
            .iter()
            .filter(|issue| !issue.is_pull_request && !issue.deleted);
        there.cloned().collect()
    }

    pub fn only_issue(&self) -> Issue {
        let mut issues = self.issues();
        assert_eq!(issues.len(), 1, "{issues:#?}");
        issues.remove(0)
    }

    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    pub fn writes(&self) -> usize {
        self.state().writes()
    }

    /// For the next requests of this kind.
    pub fn refuse(
        &self,
        times: usize,
        request: &'static str,
        status: u16,
        headers: &[(&'static str, &str)],
        message: &'static str,
    ) {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        self.state().refusals.push(Refusal {
            request,
            status,
            headers,
            message,
            times,
        });
    }
}

impl Drop for FakeGithub {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let strange = std::mem::take(&mut self.state().strange);
            assert!(
                strange.is_empty(),
                "GitHub would not understand: {strange:#?}"
            );
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, base: String) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (state, base) = (state.clone(), base.clone());
        connections.spawn(async move {
            let mut socket = BufReader::new(socket);
            while let Some(request) = Message::read(&mut socket).await {
                let answer = {
                    let mut state = state.lock().expect("unpoisoned");
                    if state.down {
                        return;
                    }
                    state
                        .requests
                        .push(format!("{} {}", request.method(), request.path()));
                    answer(&mut state, &request, &base)
                };
                if socket.get_mut().write_all(&answer.bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn answer(state: &mut State, request: &Message, base: &str) -> Message {
    if let Some(answer) = routes::answer_app(request) {
        state.logins += usize::from(request.method() == "POST");
        return answer;
    }
    if let Some(answer) = people::answer(state, request) {
        return answer;
    }
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return message(401, &[], "Bad credentials");
    }
    let name = format!("{} {}", request.method(), request.path());
    let planned = state
        .refusals
        .iter_mut()
        .find(|it| it.times > 0 && name.starts_with(it.request));
    if let Some(refusal) = planned {
        refusal.times -= 1;
        let headers: Vec<(&str, String)> = refusal.headers.clone();
        return message(refusal.status, &headers, refusal.message);
    }
    match routes::answer(state, request, base) {
        Some(answer) => with_etag(request, answer),
        None => {
            state.strange.push(name);
            message(500, &[], "the fake does not know this")
        }
    }
}

fn message(status: u16, headers: &[(&str, String)], message: &str) -> Message {
    Message::answer(
        status,
        headers,
        json!({"message": message}).to_string().as_bytes(),
    )
}

fn json_answer(status: u16, body: &Value) -> Message {
    Message::answer(
        status,
        &[("content-type", "application/json".to_owned())],
        body.to_string().as_bytes(),
    )
}

fn with_etag(request: &Message, mut answer: Message) -> Message {
    use sha2::Digest as _;
    if request.method() != "GET" || !answer.first.contains(" 200 ") {
        return answer;
    }
    let etag = format!("\"{}\"", hex::encode(sha2::Sha256::digest(&answer.body)));
    if request.header("if-none-match") == Some(&etag) {
        return Message::answer(304, &[("etag", etag)], b"");
    }
    answer.headers.push(("etag".to_owned(), etag));
    answer
}
