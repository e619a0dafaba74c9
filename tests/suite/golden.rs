//! What was ever written must be readable for ever: one golden file for each event in each version, with the text
//! as it is stored and the link that the chain has after it.

mod lifecycle;
mod triage;

use std::collections::BTreeSet;
use std::path::PathBuf;

use drift_schema::chain::{self, Covered};
use drift_schema::event::{
    BatchesExpired, Erasure, KeyCreated, KeyRevoked, ReportReceived, ReportsErased, Residue,
};
use drift_schema::{Day, Digest, Event, Micros, Report, Scope, Service, Step, Workspace};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    kind: String,
    version: i32,
    report_id: Option<Uuid>,
    /// As it is stored, to the byte.
    payload: String,
    /// In hexadecimal, of this event as the seventh, after the genesis of the default workspace, at 2023-11-14T22:13:20Z.
    link: String,
}

impl Golden {
    fn of(event: &Event) -> Self {
        let report_id =
            matches!(event, Event::ReportReceived(_)).then_some(Uuid::from_u128(0x0199));
        let mut golden = Self {
            kind: event.kind().to_owned(),
            version: event.version(),
            report_id,
            payload: event.encode().unwrap(),
            link: String::new(),
        };
        golden.link = golden.computed_link();
        golden
    }

    fn computed_link(&self) -> String {
        let covered = Covered {
            position: 7,
            recorded_at: Micros(1_700_000_000_000_000),
            kind: &self.kind,
            version: self.version,
            report_id: self.report_id,
            payload_hash: &chain::payload_hash(&self.payload),
        };
        hex::encode(chain::link(
            &chain::genesis(&Workspace::default_one()),
            covered,
        ))
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schema/golden")
}

fn read(file: &str) -> Option<Golden> {
    let text = std::fs::read_to_string(folder().join(file)).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}")))
}

fn report(screenshot: bool) -> ReportReceived {
    let mut report = json!({
        "service": "openai",
        "tripwire": {"kind": "unexpected-nav", "step": "signup-form"},
        "dom_digest": "ab".repeat(32),
        "url_host": "platform.example.com",
        "scraper_version": "1.4.2-rc.1+build.5",
    });
    if screenshot {
        report["screenshot_ref"] = json!("cd".repeat(32));
    }
    let report = Report::parse(report.to_string().as_bytes()).unwrap();
    ReportReceived::new(report, "k1".to_owned(), 0x1234_5678_9abc_def0)
}

/// The newest version of each kind, all of its fields, and the least of them.
fn today() -> Vec<(&'static str, Event)> {
    let day: Day = "2026-02-28".parse().unwrap();
    let erased = |reason, residue| {
        Event::ReportsErased(ReportsErased {
            reason,
            reports: 3,
            residue,
        })
    };
    let residue = Residue {
        service: Service::parse("openai").unwrap(),
        step: Step::parse("signup-form").unwrap(),
        day,
        count: 12,
        first_seen: Micros(1_772_236_800_000_000),
        last_seen: Micros(1_772_323_199_999_999),
        last_position: 41,
        fresh: true,
    };
    let key = |rate, scopes: &[Scope]| {
        Event::KeyCreated(KeyCreated {
            key: "0123456789ab".to_owned(),
            name: "the \"field\" team \u{1f41e}".to_owned(),
            scopes: scopes.to_vec(),
            hash: Digest::parse(&"0f".repeat(32)).unwrap(),
            rate,
            by: rate.map(|_| "github:octocat".to_owned()),
        })
    };
    vec![
        ("report-received.1", Event::ReportReceived(report(true))),
        (
            "report-received.1.least",
            Event::ReportReceived(report(false)),
        ),
        (
            "reports-erased.1.key",
            erased(
                Erasure::Key {
                    key: "k1".to_owned(),
                },
                vec![residue],
            ),
        ),
        (
            "reports-erased.1.service",
            erased(
                Erasure::Service {
                    service: Service::parse("openai").unwrap(),
                },
                vec![],
            ),
        ),
        (
            "reports-erased.1.age",
            erased(
                Erasure::Age {
                    before: Micros(1_700_000_000_000_001),
                },
                vec![],
            ),
        ),
        (
            "reports-erased.1.count",
            erased(Erasure::Count { keep: 1_000 }, vec![]),
        ),
        (
            "batches-expired.1",
            Event::BatchesExpired(BatchesExpired { before: day }),
        ),
        (
            "key-created.2",
            key(
                Some(50),
                &[Scope::Ingest, Scope::Read, Scope::Runner, Scope::Admin],
            ),
        ),
        ("key-created.2.least", key(None, &[Scope::Ingest])),
        (
            "key-revoked.2",
            Event::KeyRevoked(KeyRevoked {
                key: "0123456789ab".to_owned(),
                at: Micros(1_700_000_000_000_000),
                by: Some("ba9876543210".to_owned()),
            }),
        ),
        (
            "key-revoked.2.least",
            Event::KeyRevoked(KeyRevoked {
                key: "0123456789ab".to_owned(),
                at: Micros(1_700_000_000_000_000),
                by: None,
            }),
        ),
    ]
}

#[test]
fn every_event_that_was_ever_written_reads_and_keeps_its_link() {
    let mut seen = BTreeSet::new();
    for file in std::fs::read_dir(folder()).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let golden = read(&file).unwrap();
        assert!(
            file.starts_with(&format!("{}.{}.", golden.kind, golden.version)),
            "{file} says it is {} {}",
            golden.kind,
            golden.version
        );
        let event = Event::decode(&golden.kind, golden.version, &golden.payload)
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(event.kind(), golden.kind, "{file}");
        assert_eq!(golden.computed_link(), golden.link, "{file}");
        seen.insert((golden.kind, golden.version));
    }
    for (kind, newest) in Event::KINDS {
        for version in 1..=*newest {
            assert!(
                seen.contains(&((*kind).to_owned(), version)),
                "no golden file of {kind} {version}"
            );
        }
    }
}

/// A golden file that is missing is written with `UPDATE_GENERATED=1`; one that is there never is.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a switch of this test, not of the product"
)]
fn what_is_written_today_is_what_the_golden_files_say() {
    for (name, event) in today()
        .into_iter()
        .chain(lifecycle::today())
        .chain(triage::today())
    {
        let file = format!("{name}.json");
        let golden = Golden::of(&event);
        let text = serde_json::to_string_pretty(&golden).unwrap();
        match read(&file) {
            Some(old) => assert_eq!(
                old, golden,
                "{file}: a payload changed; that is a new version, with a file of its own"
            ),
            None if std::env::var_os("UPDATE_GENERATED").is_some() => {
                std::fs::write(folder().join(&file), text).unwrap();
            }
            None => panic!("a new event needs schema/golden/{file}:\n{text}"),
        }
        assert_eq!(
            Event::decode(&golden.kind, golden.version, &golden.payload).unwrap(),
            event,
            "{file}"
        );
    }
}

#[test]
fn what_is_not_an_event_does_not_read() {
    let golden = Golden::of(&Event::ReportReceived(report(true)));
    let read = |kind: &str, version, payload: &str| {
        Event::decode(kind, version, payload).map_err(|error| error.to_string())
    };
    read(&golden.kind, 1, &golden.payload).unwrap();
    for (kind, version, payload) in [
        ("report-received", 2, &*golden.payload),
        ("report-received", 0, &golden.payload),
        ("Report-Received", 1, &golden.payload),
        ("key-revoked", 1, &golden.payload),
        (
            "report-received",
            1,
            &golden.payload.replacen('{', "{\"extra\":1,", 1),
        ),
        (
            "report-received",
            1,
            &golden.payload.replace("openai", "No Service"),
        ),
        (
            "report-received",
            1,
            &golden.payload[..golden.payload.len() - 1],
        ),
        ("report-received", 1, &(golden.payload.clone() + "{}")),
        ("report-received", 1, "null"),
        ("report-received", 1, ""),
    ] {
        let error = read(kind, version, payload).unwrap_err();
        assert!(!error.contains("No Service"), "{error}");
    }
}
