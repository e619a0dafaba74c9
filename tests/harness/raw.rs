//! HTTP by hand, for requests that no honest client would send: one connection, bytes in, answers out.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::Server;

/// Longer than any deadline of the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bytes of a request. Nothing is checked: lines go out as they are.
#[derive(Clone)]
pub struct Request(Vec<u8>);

impl Request {
    /// Begins with this line, as in `GET /healthz HTTP/1.1`, and a `Host`.
    pub fn new(line: &str) -> Self {
        Self(format!("{line}\r\nhost: drift.example\r\n").into_bytes())
    }

    pub fn get(target: &str) -> Self {
        Self::new(&format!("GET {target} HTTP/1.1"))
    }

    pub fn post(target: &str) -> Self {
        Self::new(&format!("POST {target} HTTP/1.1"))
    }

    /// One more line of the head.
    pub fn with(mut self, line: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(line.as_ref());
        self.0.extend_from_slice(b"\r\n");
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.with(format!("authorization: Bearer {key}"))
    }

    pub fn json(self) -> Self {
        self.with("content-type: application/json")
    }

    /// Ends the head.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"\r\n");
        self.0
    }

    /// Ends the head with the length of a body, and adds the body.
    pub fn body(self, body: impl AsRef<[u8]>) -> Vec<u8> {
        let body = body.as_ref();
        let mut bytes = self.with(format!("content-length: {}", body.len())).end();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Ends the head, and adds the body in chunks of this size.
    pub fn chunked(self, body: &[u8], size: usize) -> Vec<u8> {
        let mut bytes = self.with("transfer-encoding: chunked").end();
        for part in body.chunks(size) {
            bytes.extend(chunk(part));
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }
}

/// One chunk of a chunked body.
pub fn chunk(part: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", part.len());
    [size.as_bytes(), part, b"\r\n"].concat()
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {}{text}", self.head))
    }

    /// `422 invalid_field tripwire.step`: the status and, of a refusal, the code and the field if it names one. A
    /// refusal that is no whole problem document fails here.
    pub fn verdict(&self) -> String {
        if self.status < 400 || self.body.is_empty() {
            return self.status.to_string();
        }
        let media_type = self.header("content-type");
        assert_eq!(
            media_type,
            Some("application/problem+json"),
            "{}",
            self.head
        );
        let problem = self.json();
        let code = problem["code"].as_str().expect("a code");
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"], format!("/docs/problems#{code}"));
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        match problem["field"].as_str() {
            Some(field) => format!("{} {code} {field}", self.status),
            None => format!("{} {code}", self.status),
        }
    }

    /// Whether the server said that it will close the connection.
    pub fn hangs_up(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub async fn to(server: &Server) -> Self {
        let stream = TcpStream::connect(&server.address).await;
        let stream = stream.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// One that has next to no room for answers that are not read.
    pub async fn cramped(server: &Server) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a socket");
        let address = server.address.parse().expect("an address");
        let stream = socket.connect(address).await;
        Self {
            stream: stream.expect("the server listens"),
            unread: Vec::new(),
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).await.expect("the server reads");
    }

    /// For a server that may hang up in the middle.
    pub async fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = tokio::time::timeout(PATIENCE, self.stream.write_all(bytes));
        written.await.expect("the server reads or hangs up")
    }

    /// Says that nothing more will come, and goes on reading.
    pub async fn stop_writing(&mut self) {
        self.stream.shutdown().await.expect("a socket");
    }

    /// The next answer, or none when the connection ends before it.
    pub async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((answer, length)) = read_answer(&self.unread) {
                self.unread.drain(..length);
                return Some(answer);
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.unread));
            match read.await.expect("the server answers or hangs up") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub async fn ask(&mut self, request: &[u8]) -> Answer {
        self.write(request).await;
        self.answer().await.expect("an answer")
    }

    /// Waits for the server to hang up.
    pub async fn ended(&mut self) {
        if let Some(answer) = self.answer().await {
            panic!("one answer too many: {}", answer.head);
        }
    }

    /// Writes the same bytes again and again, and never reads, until the server hangs up.
    pub async fn shout(&mut self, bytes: &[u8]) {
        while self.try_write(bytes).await.is_ok() {}
    }

    /// Writes the same bytes again and again until the server hangs up or `most` are written, and reads what comes
    /// back meanwhile. How many were written.
    pub async fn flood(&mut self, bytes: &[u8], most: u64) -> u64 {
        let (mut from, mut to) = self.stream.split();
        let unread = &mut self.unread;
        let write = async {
            let mut written = 0;
            while written < most && to.write_all(bytes).await.is_ok() {
                written += bytes.len() as u64;
                // Fast for a client, and still no strain on the machine.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            written
        };
        let read = async { while from.read_buf(unread).await.is_ok_and(|read| read > 0) {} };
        let both = async { tokio::join!(write, read).0 };
        let both = tokio::time::timeout(PATIENCE, both).await;
        both.expect("the server hangs up")
    }
}

/// The first answer in the bytes and its length, once it is whole.
fn read_answer(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
    let mut answer = Answer {
        status: status.unwrap_or_else(|| panic!("not an answer: {head}")),
        head,
        body: Vec::new(),
    };
    let bodyless = answer.status < 200 || answer.status == 204 || answer.status == 304;
    let length = answer
        .header("content-length")
        .map(|text| text.parse::<usize>().expect("a length"))
        .filter(|_| !bodyless)
        .unwrap_or(0);
    answer.body = bytes.get(end..end + length)?.to_vec();
    Some((answer, end + length))
}
