//! A runner as the API sees it, step by step, for stories about the API alone.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Server;

pub struct Runner<'a> {
    server: &'a Server,
    key: String,
    pub name: &'static str,
    pub lease_seconds: u32,
    pub budget: Value,
}

/// A run that was claimed.
#[derive(Debug, Clone)]
pub struct Held {
    pub run: String,
    pub token: i64,
    /// Step and task of each drift.
    pub tasks: Vec<(String, String)>,
    pub claimed: Value,
}

impl<'a> Runner<'a> {
    pub async fn at(server: &'a Server) -> Self {
        Self {
            key: server.create_key("runner").await,
            server,
            name: "the runner",
            lease_seconds: 60,
            budget: json!({"per_day": 100, "cooldown_seconds": 0}),
        }
    }

    pub async fn work(&self) -> Value {
        self.server.get(&self.key, "/drift/runs/work").await
    }

    /// `service step task` of all there is to do.
    pub async fn tasks(&self) -> Vec<String> {
        let work = self.work().await;
        let mut tasks = Vec::new();
        for service in work["services"].as_array().expect("services") {
            for drift in service["drifts"].as_array().expect("drifts") {
                let text = |value: &Value| value.as_str().expect("text").to_owned();
                tasks.push(format!(
                    "{} {} {}",
                    text(&service["service"]),
                    text(&drift["step"]),
                    text(&drift["task"])
                ));
            }
        }
        tasks
    }

    /// Asks for the work of a service; the whole answer.
    pub async fn ask(&self, run: Uuid, service: &str) -> (StatusCode, Value) {
        let claim = json!({
            "run": run, "service": service, "runner": self.name, "lease_seconds": self.lease_seconds, "budget": self.budget,
        });
        self.call("/drift/runs", &claim).await
    }

    /// Work that must be there.
    pub async fn claim(&self, service: &str) -> Held {
        let (status, claimed) = self.ask(Uuid::new_v4(), service).await;
        assert_eq!(status, StatusCode::OK, "{claimed}");
        Held::of(&claimed)
    }

    /// The same for somebody who wants to see the scraper run, whatever was reported.
    pub async fn claim_by_hand(&self, service: &str) -> Held {
        let claim = json!({
            "run": Uuid::new_v4(), "service": service, "runner": self.name, "lease_seconds": self.lease_seconds,
            "budget": self.budget, "by_hand": true,
        });
        let (status, claimed) = self.call("/drift/runs", &claim).await;
        assert_eq!(status, StatusCode::OK, "{claimed}");
        Held::of(&claimed)
    }

    /// Why there is no run: the reason, or `nothing`.
    pub async fn withheld(&self, service: &str) -> String {
        let (status, claimed) = self.ask(Uuid::new_v4(), service).await;
        assert_eq!(
            (status, &claimed["run"]),
            (StatusCode::OK, &Value::Null),
            "{claimed}"
        );
        let reason = claimed["withheld"]["reason"].as_str();
        reason.unwrap_or("nothing").to_owned()
    }

    /// Says something about a run; the status, and the body if there is one.
    pub async fn say(&self, held: &Held, what: &str, mut body: Value) -> (StatusCode, Value) {
        body["token"] = json!(held.token);
        self.call(&format!("/drift/runs/{}/{what}", held.run), &body)
            .await
    }

    /// A verdict; what is to be done next.
    pub async fn judge(&self, held: &Held, step: &str, verdict: &str) -> Value {
        let (status, answer) = self.say(held, "judged", judged(step, verdict)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["next"].clone()
    }

    pub async fn done(&self, held: &Held, step: &str, task: &str) {
        let body = json!({"step": step, "task": task, "issue": issue("open")});
        let (status, answer) = self.say(held, "done", body).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }

    pub async fn finish(&self, held: &Held) {
        let (status, answer) = self.say(held, "finish", json!({"ending": "done"})).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }

    /// What the tracker says of an issue.
    pub async fn observe(&self, service: &str, step_hash: &str, state: &str) {
        let body = json!({"service": service, "step_hash": step_hash, "issue": {"state": state}});
        let (status, answer) = self.call("/drift/issues/observed", &body).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }

    pub async fn call(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let sent = self.server.post(path, &self.key, body).send().await;
        let answer = sent.expect("an answer");
        let status = answer.status();
        let body = answer.bytes().await.expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

impl Held {
    pub fn of(claimed: &Value) -> Self {
        let run = &claimed["run"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert!(run.is_object(), "{claimed}");
        Self {
            run: text(&run["run"]),
            token: run["token"].as_i64().expect("a token"),
            tasks: run["drifts"]
                .as_array()
                .expect("drifts")
                .iter()
                .map(|drift| (text(&drift["step"]), text(&drift["task"])))
                .collect(),
            claimed: run.clone(),
        }
    }
}

pub fn judged(step: &str, verdict: &str) -> Value {
    let mut body = json!({"step": step, "verdict": verdict});
    if verdict == "confirmed" {
        body["proof"] = json!({
            "at": "2026-11-21T12:00:00.000000Z", "kind": "selector-missing", "dom_digest": "cd".repeat(32),
            "scraper_version": "1.4.2", "tries": 1, "tripped": 1,
        });
    }
    body
}

pub fn issue(state: &str) -> Value {
    json!({"tracker": "local", "number": 7, "url": "issues/7.md", "state": state})
}
