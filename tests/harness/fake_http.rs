//! A server that answers as a story says: the provider, or a backend in trouble. Keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// One report, or one in each line.
    pub fn reports(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.body).expect("UTF-8");
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

/// What a request gets.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status, headers, body.
    Is(u16, Vec<(String, String)>, String),
    /// Nothing, and the connection stays open.
    Silence,
    /// A head, and then a byte every now and then, for ever.
    Drip,
    /// The connection ends.
    HangUp,
    /// The reply, once the story says so.
    When(Arc<Notify>, Box<Reply>),
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        let kind = ("content-type".to_owned(), "application/json".to_owned());
        Self::Is(status, vec![kind], body.to_string())
    }

    pub fn status(status: u16) -> Self {
        Self::Is(status, Vec::new(), String::new())
    }

    pub fn with(self, name: &str, value: &str) -> Self {
        match self {
            Self::Is(status, mut headers, body) => {
                headers.push((name.to_owned(), value.to_owned()));
                Self::Is(status, headers, body)
            }
            other => other,
        }
    }

    pub fn html() -> Self {
        let page = "<html><body>Please log in to this network</body></html>";
        Self::Is(200, Vec::new(), page.to_owned()).with("content-type", "text/html; charset=utf-8")
    }
}

type Answers = dyn Fn(&Request) -> Reply + Send + Sync;

pub struct FakeHttp {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
    answers: Arc<Mutex<Arc<Answers>>>,
    _server: JoinSet<()>,
}

impl FakeHttp {
    pub async fn start(answers: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let answers: Arc<Mutex<Arc<Answers>>> = Arc::new(Mutex::new(Arc::new(answers)));
        let mut server = JoinSet::new();
        server.spawn({
            let (asked, answers) = (asked.clone(), answers.clone());
            async move {
                let mut connections = JoinSet::new();
                loop {
                    let Ok((socket, _)) = listener.accept().await else {
                        continue;
                    };
                    connections.spawn(serve(socket, asked.clone(), answers.clone()));
                }
            }
        });
        Self {
            address,
            asked,
            answers,
            _server: server,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn dsn(&self) -> String {
        format!("http://drift_ingest_key@{}/", self.address)
    }

    /// From now on it answers like this.
    pub fn now(&self, answers: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.answers.lock().expect("unpoisoned") = Arc::new(answers);
    }

    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().expect("unpoisoned").clone()
    }
}

async fn serve(
    socket: TcpStream,
    asked: Arc<Mutex<Vec<Request>>>,
    answers: Arc<Mutex<Arc<Answers>>>,
) {
    let mut socket = BufReader::new(socket);
    while let Some(request) = read(&mut socket).await {
        asked.lock().expect("unpoisoned").push(request.clone());
        let answer = answers.lock().expect("unpoisoned").clone();
        let mut reply = answer(&request);
        if let Reply::When(now, then) = reply {
            now.notified().await;
            reply = *then;
        }
        match reply {
            Reply::Is(status, headers, body) => {
                let headers: String = headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}\r\n"))
                    .collect();
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{body}"
                );
                if socket.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Silence => std::future::pending().await,
            Reply::HangUp | Reply::When(..) => return,
            Reply::Drip => {
                let head = "HTTP/1.1 202 x\r\ncontent-length: 100000\r\n\r\n";
                let mut drop = socket.write_all(head.as_bytes()).await;
                // Slow on purpose: each byte starts an idle timer anew, only a timer over all of it ends this.
                while drop.is_ok() {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    drop = socket.write_all(b" ").await;
                }
                return;
            }
        }
    }
}

async fn read(socket: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    socket.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        path,
        headers,
        body: Vec::new(),
    };
    let length = request.header("content-length");
    let length = length.and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    socket.read_exact(&mut request.body).await.ok()?;
    Some(request)
}
