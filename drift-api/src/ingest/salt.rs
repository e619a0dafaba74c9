//! Salts for payloads: unguessable, and cheaper than asking the system for each.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A secret of this process, and a counter, hashed.
pub(super) struct Salts {
    secret: [u8; 32],
    drawn: AtomicU64,
}

impl Salts {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)
            .map_err(|error| anyhow::anyhow!("no randomness from the system: {error}"))?;
        Ok(Self {
            secret,
            drawn: AtomicU64::new(0),
        })
    }

    pub(super) fn draw(&self, report_id: Uuid) -> u64 {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let hash = Sha256::new()
            .chain_update(self.secret)
            .chain_update(report_id.as_bytes())
            .chain_update(number.to_be_bytes())
            .finalize();
        hash.iter()
            .take(8)
            .fold(0, |salt, byte| salt << 8 | u64::from(*byte))
    }
}
