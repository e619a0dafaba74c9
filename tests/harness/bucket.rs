//! A bucket as S3 speaks it, as far as evidence needs it: objects behind a real socket, created once, signed requests
//! only, and a switch that makes it unwell.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[derive(Default)]
struct Contents {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    is_unwell: AtomicBool,
}

pub struct Bucket {
    address: SocketAddr,
    contents: Arc<Contents>,
}

impl Bucket {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let contents = Arc::new(Contents::default());
        thread::spawn({
            let contents = contents.clone();
            // Ends with the test process; an idle listener harms nobody.
            move || {
                for stream in listener.incoming().flatten() {
                    let contents = contents.clone();
                    thread::spawn(move || while serve(&stream, &contents).is_ok() {});
                }
            }
        });
        Self { address, contents }
    }

    /// The usual variables, for a process that is to keep its evidence here.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "an-id".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "a-secret".to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
        ]
    }

    pub fn be_unwell(&self, is_unwell: bool) {
        self.contents.is_unwell.store(is_unwell, Ordering::SeqCst);
    }

    /// Paths of all objects.
    pub fn names(&self) -> Vec<String> {
        let objects = self.contents.objects.lock();
        let objects = objects.unwrap_or_else(PoisonError::into_inner);
        objects.keys().cloned().collect()
    }
}

fn serve(stream: &TcpStream, contents: &Contents) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next(), words.next().unwrap_or_default());
    let (mut length, mut is_signed, mut only_new) = (0, false, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => length = value.parse().unwrap_or(0),
            ("authorization", value) => is_signed = value.starts_with("AWS4-HMAC-SHA256 "),
            ("if-none-match", "*") => only_new = true,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut objects = contents
        .objects
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let (status, body) = match method.as_deref() {
        _ if contents.is_unwell.load(Ordering::SeqCst) => ("403 Forbidden", Vec::new()),
        _ if !is_signed => ("401 Unauthorized", Vec::new()),
        Some("PUT") if only_new && objects.contains_key(&path) => {
            ("412 Precondition Failed", Vec::new())
        }
        Some("PUT") => {
            objects.insert(path, body);
            ("200 OK", Vec::new())
        }
        Some("GET" | "HEAD") => match objects.get(&path) {
            Some(found) => ("200 OK", found.clone()),
            None => ("404 Not Found", Vec::new()),
        },
        _ => ("405 Method Not Allowed", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"1\"\r\nlast-modified: Sat, 21 Nov 2026 12:00:00 GMT\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    if method.as_deref() == Some("HEAD") {
        return Ok(());
    }
    stream.write_all(&body)
}
