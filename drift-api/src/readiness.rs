//! Where the process is in its life: starting, serving, stopping.

use std::sync::atomic::{AtomicU8, Ordering};

use drift_schema::Code;

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const STOPPING: u8 = 2;

#[derive(Default)]
pub(crate) struct Readiness(AtomicU8);

impl Readiness {
    pub(crate) fn serving(&self) {
        // A server that was told to stop while it started stays stopping.
        let _ = self
            .0
            .compare_exchange(STARTING, SERVING, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn stopping(&self) {
        self.0.store(STOPPING, Ordering::Release);
    }

    pub(crate) fn why_not(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Acquire) {
            STARTING => Some("starting: waiting for the database"),
            STOPPING => Some("stopping"),
            _ => None,
        }
    }

    /// Before the tables are there nothing can be looked up. While stopping, what is in flight is still served.
    pub(crate) fn check(&self) -> Result<(), Code> {
        if self.0.load(Ordering::Acquire) == STARTING {
            Err(Code::Unavailable)
        } else {
            Ok(())
        }
    }
}
