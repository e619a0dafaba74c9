//! The server that all these stories knock at, and the check at their end that none of it left a trace.

use std::sync::{Arc, Mutex};

use harness::raw::{Answer, Connection, Request};
use harness::server::Site;
use harness::{Engine, Server, report};
use serde_json::{Value, json};

/// Stands in every value that must not be seen again; the number where only digits will do.
pub const CANARY: &str = "canary";
pub const CANARY_NUMBER: u64 = 770_077_077;

pub const GIGABYTE: u64 = 1 << 30;

pub struct Door {
    pub server: Server,
    pub ingest: String,
    pub read: String,
    seen: Arc<Mutex<Vec<Answer>>>,
}

impl Door {
    pub async fn on(engine: Engine) -> Self {
        Self::at(Site::new(engine).await).await
    }

    pub async fn at(site: Site) -> Self {
        let server = site
            .with("DRIFT_LOG", "info,drift_api=debug,actix_server=warn")
            .start()
            .await;
        let door = Self {
            ingest: server.create_key("ingest").await,
            read: server.create_key("read").await,
            server,
            seen: Arc::default(),
        };
        // From here on the server knows both keys, and waits for nothing before it looks at a request.
        let known = "/drift/known?service=openai&step=signup-form";
        for key in [&door.ingest, &door.read] {
            door.server.get(key, known).await;
        }
        door
    }

    /// A connection whose answers are searched for canaries at the end.
    pub async fn knock(&self) -> Knock {
        Knock {
            connection: Connection::to(&self.server).await,
            key: self.ingest.clone(),
            seen: self.seen.clone(),
        }
    }

    /// A report as bytes in an honest request.
    pub fn honest(&self) -> Vec<u8> {
        let body = report("openai", "signup-form").to_string();
        self.post().body(body)
    }

    /// The head of an honest request, but for the length.
    pub fn post(&self) -> Request {
        Request::post("/drift/report").key(&self.ingest).json()
    }

    /// The most memory that the server ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.server.pid());
        let status = std::fs::read_to_string(path).expect("/proc");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kilobytes.expect("VmHWM") * 1024
    }

    /// The end of a story: so many reports are stored and no more, what was refused is nowhere, and the log of events
    /// is whole.
    pub async fn close(self, stored: usize) {
        let Self {
            server, read, seen, ..
        } = self;
        let (mut events, mut next, mut head) = (Vec::new(), 0, 1);
        while next < head {
            let path = format!("/drift/events?limit=1000&after={next}");
            let page = server.get(&read, &path).await;
            events.extend(page["events"].as_array().expect("events").clone());
            next = page["next"].as_i64().expect("a position");
            head = page["head"].as_i64().expect("a position");
        }
        let reports = events
            .iter()
            .filter(|event| event["type"] == "report-received");
        assert_eq!(reports.count(), stored, "reports in the log");
        let batches = server.get(&read, "/drift/batches?limit=1000").await;
        let counts = batches["batches"].as_array().expect("batches").iter();
        let counted: i64 = counts.filter_map(|batch| batch["count"].as_i64()).sum();
        assert_eq!(counted, stored as i64, "{batches}");

        let mut places = vec![
            ("the events", json!(events).to_string()),
            ("the batches", batches.to_string()),
            ("the metrics", server.metrics().await),
        ];
        places.push(("the log", server.finish().await));
        for answer in seen.lock().expect("unpoisoned").iter() {
            let body = String::from_utf8_lossy(&answer.body);
            assert!(answer.status < 500, "{}{body}", answer.head);
            places.push(("an answer", format!("{}{body}", answer.head)));
        }
        let number = CANARY_NUMBER.to_string();
        for (place, text) in places {
            let lower = text.to_lowercase();
            assert!(
                !lower.contains(CANARY) && !lower.contains(&number),
                "a value is in {place}: {text}"
            );
        }
    }
}

/// One connection. Opens another when the server has hung up.
pub struct Knock {
    pub connection: Connection,
    key: String,
    seen: Arc<Mutex<Vec<Answer>>>,
}

impl Knock {
    /// The verdict on a body that is sent as one report with an honest head.
    pub async fn report(&mut self, body: impl AsRef<[u8]>) -> String {
        let head = Request::post("/drift/report").key(&self.key).json();
        self.ask(&head.body(body)).await.verdict()
    }

    /// As `report`, of many lines. What was refused is read as `3 invalid_field service`.
    pub async fn lines(&mut self, body: impl AsRef<[u8]>) -> Lines {
        let head = Request::post("/drift/reports").key(&self.key);
        let head = head.with("content-type: application/x-ndjson");
        let answer = self.ask(&head.body(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.verdict());
        Lines::of(&answer.json())
    }

    pub async fn ask(&mut self, request: &[u8]) -> Answer {
        self.connection.write(request).await;
        self.answer().await
    }

    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer")
    }

    pub async fn try_answer(&mut self) -> Option<Answer> {
        let answer = self.connection.answer().await;
        self.seen.lock().expect("unpoisoned").extend(answer.clone());
        answer
    }
}

/// What became of an NDJSON body.
#[derive(Debug, PartialEq)]
pub struct Lines {
    pub accepted: u64,
    pub duplicates: u64,
    pub rejected: Vec<String>,
}

impl Lines {
    fn of(json: &Value) -> Self {
        let rejected = json["rejected"].as_array().expect("rejected").iter();
        Self {
            accepted: json["accepted"].as_u64().expect("a number"),
            duplicates: json["duplicates"].as_u64().expect("a number"),
            rejected: rejected
                .map(|line| {
                    let code = line["code"].as_str().expect("a code");
                    let text = format!("{} {code}", line["line"]);
                    match line["field"].as_str() {
                        Some(field) => format!("{text} {field}"),
                        None => text,
                    }
                })
                .collect(),
        }
    }
}

/// Every field of a report: its path, whether it may be missing, and whether the second net looks at it.
pub const FIELDS: &[(&str, bool, bool)] = &[
    ("report_id", true, false),
    ("service", false, true),
    ("tripwire", false, false),
    ("tripwire.kind", false, false),
    ("tripwire.step", false, true),
    ("dom_digest", false, false),
    ("url_host", false, true),
    ("scraper_version", false, true),
    ("screenshot_ref", true, false),
];

/// A lawful report with every field.
pub fn whole() -> Value {
    let mut whole = report("openai", "signup-form");
    whole["screenshot_ref"] = json!("cd".repeat(32));
    whole
}

/// The field at a path such as `tripwire.step`.
pub fn field<'a>(report: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(report, |at, name| &mut at[name])
}

/// A lawful report but for one field.
pub fn with(path: &str, value: impl Into<Value>) -> String {
    let mut report = whole();
    *field(&mut report, path) = value.into();
    report.to_string()
}

/// A lawful report without one field.
pub fn without(path: &str) -> String {
    let mut report = whole();
    let (parent, name) = match path.split_once('.') {
        Some((parent, name)) => (&mut report[parent], name),
        None => (&mut report, path),
    };
    parent.as_object_mut().expect("an object").remove(name);
    report.to_string()
}
