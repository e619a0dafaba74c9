//! What people decide: each event with all its fields, and with the least of them.

use drift_schema::Event;
use serde_json::{Value, json};

pub fn today() -> Vec<(&'static str, Event)> {
    let about = |more: Value| {
        let mut payload =
            json!({"service": "openai", "step": "signup-form", "by": "github:octocat"});
        payload
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        payload
    };
    let payloads = [
        ("replay-asked.1", about(json!({}))),
        ("replay-dropped.1", about(json!({}))),
        (
            "drift-muted.1",
            about(
                json!({"until": "2026-02-28T12:00:00.000001Z", "version": "1.5.0-rc.1", "reports": 100, "counted": 7}),
            ),
        ),
        ("drift-muted.1.least", about(json!({"counted": 0}))),
        ("drift-unmuted.1", about(json!({}))),
        (
            "drift-unmuted.1.least",
            json!({"service": "openai", "step": "signup-form"}),
        ),
        (
            "fix-declared.1",
            about(json!({"fixed_in": "1.5.0", "waiting": ["2026-02-27", "2026-02-28"]})),
        ),
        ("fix-declared.1.least", about(json!({"fixed_in": "1.5.0"}))),
        ("fix-withdrawn.1", about(json!({"waiting": ["2026-02-28"]}))),
        ("fix-withdrawn.1.least", about(json!({}))),
        ("step-renamed.1", about(json!({"to": "sign-up"}))),
        ("step-rename-undone.1", about(json!({}))),
    ];
    let read = |(name, payload): (&'static str, Value)| {
        let kind = name.split('.').next().unwrap();
        let event = Event::decode(kind, 1, &payload.to_string());
        (
            name,
            event.unwrap_or_else(|error| panic!("{name}: {error}")),
        )
    };
    payloads.map(read).into_iter().collect()
}
