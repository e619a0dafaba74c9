//! Requests as bytes. All of them are made before the clock starts; between two sends only the report ids are
//! patched in place, so that the generator leaves the two cores to the server.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use uuid::Uuid;

use crate::answer::Answer;
use crate::corpus::Corpus;
use crate::random::{IdVersion, Ids, Random};

/// One connection's endless supply of requests. A connection works on a clone of its own.
pub trait Traffic: Clone + Send + 'static {
    /// Makes this clone differ from the one of every other connection.
    fn begin(&mut self, connection: u64);

    /// Leaves the next request in `out`, which still holds the one before.
    fn next(&mut self, out: &mut Vec<u8>);

    /// How many reports (or answers) this counts for; none when it is not what was asked for.
    fn worth(&self, answer: &Answer<'_>) -> Option<u64>;
}

/// Bytes of a request, and where report ids stand in them.
#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    ids_at: Vec<usize>,
}

impl Template {
    fn new(head: &str, body: &str) -> Self {
        let bytes = format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes();
        let nil = Uuid::nil().to_string();
        let text = String::from_utf8_lossy(&bytes);
        let ids_at = text.match_indices(&nil).map(|(at, _)| at).collect();
        Self { ids_at, bytes }
    }

    fn patch(&self, out: &mut [u8], ids: &mut Ids) {
        for &at in &self.ids_at {
            ids.draw().hyphenated().encode_lower(&mut out[at..at + 36]);
        }
    }
}

fn head(method: &str, path: &str, address: SocketAddr, key: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n")
}

/// `POST /drift/report`, one report each.
#[derive(Debug, Clone)]
pub struct Reports {
    templates: Arc<[Template]>,
    random: Random,
    ids: Ids,
}

impl Reports {
    pub fn new(corpus: &Corpus, address: SocketAddr, key: &str, version: IdVersion) -> Self {
        let head =
            head("POST", "/drift/report", address, key) + "content-type: application/json\r\n";
        let templates = corpus
            .samples
            .iter()
            .map(|sample| Template::new(&head, &sample.body))
            .collect();
        Self {
            templates,
            random: Random::stream(0),
            ids: Ids::new(version, Random::stream(1)),
        }
    }
}

impl Traffic for Reports {
    fn begin(&mut self, connection: u64) {
        self.random = Random::stream(2 * connection);
        self.ids = Ids::new(self.ids.version(), Random::stream(2 * connection + 1));
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        let template = &self.templates[self.random.below(self.templates.len())];
        out.clear();
        out.extend_from_slice(&template.bytes);
        template.patch(out, &mut self.ids);
    }

    fn worth(&self, answer: &Answer<'_>) -> Option<u64> {
        (answer.status == 202).then_some(1)
    }
}

/// `POST /drift/reports`: NDJSON bodies of many lines.
#[derive(Debug, Clone)]
pub struct Bodies {
    template: Arc<Template>,
    lines: u64,
    /// What the answer says when every line was taken.
    all_taken: Arc<str>,
    ids: Ids,
}

impl Bodies {
    pub fn new(
        corpus: &Corpus,
        lines: usize,
        address: SocketAddr,
        key: &str,
        version: IdVersion,
    ) -> Self {
        let head =
            head("POST", "/drift/reports", address, key) + "content-type: application/x-ndjson\r\n";
        let mut random = Random::stream(0);
        let mut body = String::new();
        for _ in 0..lines {
            body += &corpus.samples[random.below(corpus.samples.len())].body;
            body.push('\n');
        }
        Self {
            template: Arc::new(Template::new(&head, &body)),
            lines: lines as u64,
            all_taken: format!("\"accepted\":{lines},\"duplicates\":0,").into(),
            ids: Ids::new(version, random),
        }
    }
}

impl Traffic for Bodies {
    fn begin(&mut self, connection: u64) {
        self.ids = Ids::new(self.ids.version(), Random::stream(connection));
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        if out.is_empty() {
            out.extend_from_slice(&self.template.bytes);
        }
        self.template.patch(out, &mut self.ids);
    }

    fn worth(&self, answer: &Answer<'_>) -> Option<u64> {
        let body = std::str::from_utf8(answer.body).ok()?;
        (answer.status == 200 && body.contains(&*self.all_taken)).then_some(self.lines)
    }
}

/// `GET`s of a list of paths, in turn.
#[derive(Debug, Clone)]
pub struct Gets {
    requests: Arc<[Vec<u8>]>,
    turn: usize,
}

impl Gets {
    pub fn new(paths: impl IntoIterator<Item = String>, address: SocketAddr, key: &str) -> Self {
        let requests = paths
            .into_iter()
            .map(|path| (head("GET", &path, address, key) + "\r\n").into_bytes());
        Self {
            requests: requests.collect(),
            turn: 0,
        }
    }
}

impl Traffic for Gets {
    fn begin(&mut self, connection: u64) {
        self.turn = connection as usize * 7919;
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.requests[self.turn % self.requests.len()]);
        self.turn += 1;
    }

    fn worth(&self, answer: &Answer<'_>) -> Option<u64> {
        (answer.status == 200).then_some(1)
    }
}

/// One `GET` on a connection of its own; its status and body.
pub fn get_once(path: &str, address: SocketAddr, key: &str) -> Result<(u16, Vec<u8>)> {
    let request = head("GET", path, address, key) + "connection: close\r\n\r\n";
    once(address, &request)
}

pub fn post_once(path: &str, address: SocketAddr, key: &str, json: &str) -> Result<(u16, Vec<u8>)> {
    let request = format!(
        "{}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{json}",
        head("POST", path, address, key),
        json.len()
    );
    once(address, &request)
}

/// On a connection of its own.
fn once(address: SocketAddr, request: &str) -> Result<(u16, Vec<u8>)> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60)))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let answer = Answer::read(&bytes)
        .ok()
        .flatten()
        .context("no whole answer")?
        .0;
    Ok((answer.status, answer.body.to_owned()))
}
