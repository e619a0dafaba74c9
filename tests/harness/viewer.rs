//! Somebody who watches the log live: a client of `text/event-stream`.

use reqwest::Response;
use serde_json::Value;

use crate::Server;

/// One event as it came.
#[derive(Debug)]
pub struct Shown {
    /// Of the stream, which a client sends back as `Last-Event-ID`.
    pub id: i64,
    pub kind: String,
    pub data: Value,
}

pub struct Viewer {
    answer: Response,
    unread: String,
}

impl Viewer {
    pub async fn open(server: &Server, key: &str, path: &str, last_seen: Option<i64>) -> Self {
        let request = server.client.get(server.url(path)).bearer_auth(key);
        let mut request = request.header("accept", "text/event-stream");
        if let Some(id) = last_seen {
            request = request.header("last-event-id", id.to_string());
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self {
            answer,
            unread: String::new(),
        }
    }

    /// The next event; none at the end of the stream.
    pub async fn next(&mut self) -> Option<Shown> {
        loop {
            let block = self.block().await?;
            if !block.starts_with(':') {
                return Some(read(&block));
            }
        }
    }

    /// The next block of lines, a comment too; none at the end of the stream.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return Some(block);
            }
            match self.answer.chunk().await.expect("an end in good order") {
                Some(bytes) => self.unread += std::str::from_utf8(&bytes).expect("UTF-8"),
                None => {
                    assert_eq!(self.unread, "", "cut in the middle");
                    return None;
                }
            }
        }
    }
}

fn read(block: &str) -> Shown {
    let field = |name: &str| {
        let value = |line| str::strip_prefix(line, name)?.strip_prefix(": ");
        let found = block.lines().find_map(value);
        found.unwrap_or_else(|| panic!("no {name} in {block}"))
    };
    Shown {
        id: field("id").parse().expect("a position"),
        kind: field("event").to_owned(),
        data: serde_json::from_str(field("data")).expect("JSON"),
    }
}
