//! What there is to tell.

use drift_schema::run::{ClaimedDrift, Proof};
use drift_schema::tree::Difference;
use drift_schema::{Digest, Micros, Service};

/// Everything that an issue tells about a drift.
#[derive(Clone)]
pub struct Story<'a> {
    pub service: &'a Service,
    pub drift: &'a ClaimedDrift,
    pub proof: Option<&'a Proof>,
    pub picture: Option<Picture>,
    /// The latest that a client sent along.
    pub reported_picture: Option<Picture>,
    pub tree: Option<String>,
    pub tree_link: Option<String>,
    /// Against the last good run.
    pub changes: Option<Difference>,
    /// Where people decide about it.
    pub page: Option<String>,
    /// The scraper's command, for people.
    pub command: Option<&'a str>,
    /// An issue that is gone, in whose place this one comes.
    pub follows: Option<u64>,
    pub now: Micros,
}

/// How a picture is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// A signed link to our own server. Expires.
    Link {
        digest: Digest,
        url: String,
    },
    /// A file beside the issue.
    Inline {
        digest: Digest,
        target: String,
    },
    Missing {
        digest: Digest,
        why: String,
    },
}

impl Picture {
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Link { digest, .. }
            | Self::Inline { digest, .. }
            | Self::Missing { digest, .. } => digest,
        }
    }
}
