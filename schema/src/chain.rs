//! The hash chain over a workspace's log. Each link covers the one before and everything of its event except
//! the payload itself, of which it covers only the SHA-256: so a payload can be erased and the chain still
//! proves that nothing else was touched.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::time::Micros;
use crate::words::Workspace;

pub type Link = [u8; 32];

/// What a log starts from; ties it to its workspace.
pub fn genesis(workspace: &Workspace) -> Link {
    let mut hash = Sha256::new();
    hash.update(b"drift-log/1 ");
    hash.update(workspace.as_str().as_bytes());
    hash.finalize().into()
}

pub fn payload_hash(payload: &str) -> Link {
    Sha256::digest(payload.as_bytes()).into()
}

/// The columns of one event that a link covers.
#[derive(Debug, Clone, Copy)]
pub struct Covered<'a> {
    pub position: i64,
    pub recorded_at: Micros,
    pub kind: &'a str,
    pub version: i32,
    pub report_id: Option<Uuid>,
    pub payload_hash: &'a Link,
}

pub fn link(before: &Link, event: Covered<'_>) -> Link {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(event.position.to_be_bytes());
    hash.update(event.recorded_at.0.to_be_bytes());
    hash.update((event.kind.len() as u64).to_be_bytes());
    hash.update(event.kind.as_bytes());
    hash.update(event.version.to_be_bytes());
    match event.report_id {
        Some(id) => {
            hash.update([1]);
            hash.update(id.as_bytes());
        }
        None => hash.update([0]),
    }
    hash.update(event.payload_hash);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_covered_column_moves_the_link() {
        let payload = payload_hash("{}");
        let other = payload_hash("{ }");
        let base = Covered {
            position: 1,
            recorded_at: Micros(2),
            kind: "a",
            version: 1,
            report_id: None,
            payload_hash: &payload,
        };
        let start = genesis(&Workspace::default_one());
        let links = [
            link(&start, base),
            link(&payload, base),
            link(
                &start,
                Covered {
                    position: 2,
                    ..base
                },
            ),
            link(
                &start,
                Covered {
                    recorded_at: Micros(3),
                    ..base
                },
            ),
            link(&start, Covered { kind: "b", ..base }),
            link(&start, Covered { version: 2, ..base }),
            link(
                &start,
                Covered {
                    report_id: Some(Uuid::nil()),
                    ..base
                },
            ),
            link(
                &start,
                Covered {
                    payload_hash: &other,
                    ..base
                },
            ),
        ];
        for (i, a) in links.iter().enumerate() {
            assert!(links[i + 1..].iter().all(|b| a != b), "column {i}");
        }
    }

    #[test]
    fn the_rule_of_version_one_never_changes() {
        let payload = payload_hash("{}");
        let covered = Covered {
            position: 7,
            recorded_at: Micros(1_700_000_000_000_000),
            kind: "report-received",
            version: 1,
            report_id: Some(Uuid::from_u128(5)),
            payload_hash: &payload,
        };
        assert_eq!(
            hex::encode(link(&genesis(&Workspace::default_one()), covered)),
            "e0ac298e11f34544688ba0992276f1d330d095364c1bfb387c9dfa661e956a59"
        );
    }
}
