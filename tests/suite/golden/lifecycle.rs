//! The events in the life of a drift: each with all its fields, and with the least of them where some may be missing.

use drift_schema::Event;
use serde_json::{Value, json};

const RUN: &str = "01a1fe0f-cec9-7253-99ea-7b3bfbf1b9eb";

pub fn today() -> Vec<(&'static str, Event)> {
    let about = |more: Value| {
        let mut payload = json!({"run": RUN, "service": "openai", "step": "signup-form"});
        payload
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        payload
    };
    let issue = json!({"tracker": "github", "number": 12, "url": "https://example.com/issues/12", "state": "open"});
    let resource = json!({"kind": "account", "id": "acct_1"});
    let proof = json!({
        "at": "2026-02-28T12:00:00.000001Z", "kind": "unexpected-nav", "url_host": "platform.example.com", "dom_digest": "ab".repeat(32),
        "scraper_version": "1.4.2", "screenshot": "cd".repeat(32), "tree": "ef".repeat(32), "tries": 2, "tripped": 2,
        "missing": ["the tree: the store was full"],
    });
    let least_proof =
        json!({"at": "2026-02-28T12:00:00.000001Z", "kind": "timeout", "tries": 1, "tripped": 1});
    let payloads = [
        (
            "run-claimed.1",
            json!({"run": RUN, "service": "openai", "runner": "cron", "by_hand": true,
            "tasks": [{"step": "signup-form", "task": "replay"}, {"step": "login", "task": "bump"}]}),
        ),
        (
            "run-claimed.1.least",
            json!({"run": RUN, "service": "openai", "runner": "", "tasks": []}),
        ),
        ("run-expired.1", json!({"run": RUN, "service": "openai"})),
        (
            "run-finished.1",
            json!({"run": RUN, "service": "openai", "ending": "partly", "log_tail": "one line\n",
            "steps": [{"step": "login", "millis": 1_200}], "cleaned": [resource]}),
        ),
        (
            "run-finished.1.least",
            json!({"run": RUN, "service": "openai", "ending": "done"}),
        ),
        (
            "step-passed.1",
            about(json!({"tree": "ef".repeat(32), "scraper_version": "1.4.2"})),
        ),
        ("step-passed.1.least", about(json!({}))),
        (
            "resource-left.1",
            json!({"run": RUN, "service": "openai", "resource": resource}),
        ),
        (
            "drift-judged.1.confirmed",
            about(
                json!({"verdict": "confirmed", "proof": proof, "scraper_version": "1.4.2", "newest_reported": "1.4.3"}),
            ),
        ),
        (
            "drift-judged.1.proof",
            about(json!({"verdict": "confirmed", "proof": least_proof})),
        ),
        (
            "drift-judged.1.auth",
            about(json!({"verdict": "auth", "code": "bad_credentials"})),
        ),
        (
            "drift-judged.1.least",
            about(json!({"verdict": "not_reproduced"})),
        ),
        ("fix-verified.1", about(json!({"fixed_in": "1.5.0"}))),
        ("fix-verified.1.least", about(json!({}))),
        ("issue-requested.1", about(json!({"task": "open"}))),
        (
            "issue-written.1",
            about(json!({"task": "reopen", "issue": issue})),
        ),
        (
            "issue-changed.1.closed",
            json!({"service": "openai", "step": "signup-form", "change": {"to": "closed"}}),
        ),
        (
            "issue-changed.1.reopened",
            json!({"service": "openai", "step": "signup-form", "change": {"to": "reopened"}}),
        ),
        (
            "issue-changed.1.gone",
            json!({"service": "openai", "step": "signup-form", "change": {"to": "gone"}}),
        ),
        (
            "issue-changed.1.moved",
            json!({"service": "openai", "step": "signup-form", "change": {"to": "moved", "number": 3, "url": "https://example.com/other/issues/3"}}),
        ),
        (
            "replays-paused.1",
            json!({"service": "openai", "by": "0123456789ab"}),
        ),
        ("replays-paused.1.all", json!({"by": "0123456789ab"})),
        (
            "replays-resumed.1",
            json!({"service": "openai", "by": "0123456789ab"}),
        ),
        ("replays-resumed.1.all", json!({"by": "0123456789ab"})),
        (
            "artifact-stored.1",
            json!({"sha256": "cd".repeat(32), "media_type": "image/png", "size": 1_234, "by": "0123456789ab"}),
        ),
        (
            "artifacts-expired.1",
            json!({"artifacts": ["cd".repeat(32), "ef".repeat(32)]}),
        ),
    ];
    payloads
        .into_iter()
        .map(|(name, payload)| {
            let (kind, _) = name.split_once('.').unwrap();
            let event = Event::decode(kind, 1, &payload.to_string());
            (
                name,
                event.unwrap_or_else(|error| panic!("{name}: {error:?}")),
            )
        })
        .collect()
}
