//! A provider of keys: `/v1/models` takes the keys that it knows.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::agentkeys::Machine;
use crate::fake_http::{FakeHttp, Reply};

pub struct Provider {
    pub http: FakeHttp,
    keys: Arc<Mutex<BTreeSet<String>>>,
}

impl Provider {
    /// That takes these keys.
    pub async fn with(keys: &[&str]) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let keys = Arc::new(Mutex::new(keys));
        let known = keys.clone();
        let http = FakeHttp::start(move |request| {
            let known: &Mutex<BTreeSet<String>> = &known;
            let key = request.header("authorization");
            let key = key.and_then(|value| value.strip_prefix("Bearer "));
            let good = key.is_some_and(|key| known.lock().expect("unpoisoned").contains(key));
            match (request.path.as_str(), good) {
                ("/v1/models" | "/api/v1/models", true) => {
                    Reply::json(200, &json!({"data": [{"id": "model-1"}]}))
                }
                ("/v1/models" | "/api/v1/models", false) => {
                    Reply::json(401, &json!({"error": "invalid key"}))
                }
                _ => Reply::status(404),
            }
        })
        .await;
        Self { http, keys }
    }

    pub fn revoke(&self, key: &str) {
        self.keys.lock().expect("unpoisoned").remove(key);
    }

    /// The machine asks this provider in place of OpenAI.
    pub fn for_machine(&self, machine: Machine) -> Machine {
        machine.with("AGENTKEYS_OPENAI_BASE_URL", &self.http.url())
    }
}
