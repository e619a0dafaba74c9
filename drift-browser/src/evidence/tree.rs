//! The page as text, and the digest of its shape.

use drift_schema::words::Digest;

use super::{Masked, Masker};
use crate::tab::Tab;

/// What a page looked like, without what may not be shown.
pub struct Snapshot {
    pub tree: Masked<String>,
    pub dom_digest: Digest,
}

pub async fn snapshot(_tab: &mut Tab, _masker: &Masker) -> anyhow::Result<Snapshot> {
    anyhow::bail!("not yet")
}
