//! Reports as clients send them.

use serde_json::{Value, json};
use uuid::Uuid;

/// A lawful report with an id of its own.
pub fn report(service: &str, step: &str) -> Value {
    json!({
        "report_id": Uuid::now_v7(),
        "service": service,
        "tripwire": {"kind": "selector-missing", "step": step},
        "dom_digest": "ab".repeat(32),
        "url_host": "platform.example.com",
        "scraper_version": "1.4.2",
    })
}
