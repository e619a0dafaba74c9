//! The page as text, and the digest of its shape. The mask goes over every name and text before anything is kept.

use std::borrow::Cow;

use drift_schema::tree::Digested;
use drift_schema::words::Digest;

use super::{Masked, Masker};
use serde_json::json;

use crate::capture::capture;
use crate::cdp::Error;
use crate::page::Page;

/// What a page looked like, without what may not be shown.
pub struct Snapshot {
    pub tree: Masked<String>,
    pub dom_digest: Digest,
}

/// A tree longer than this is cut: a line of the protocol has to hold it.
const LONGEST_TREE: usize = 1 << 20;

pub async fn snapshot(page: &Page, masker: &Masker) -> Result<Snapshot, Error> {
    let captured = capture(page).await;
    // Or it would tell of every change to every element from now on.
    page.tell("DOM.disable", json!({})).await?;
    let captured = captured?;
    let mask = for_any_text(|text| masker.hide(text));
    let digested = Digested::of(&captured, &mask);
    // A secret that a page cut into several elements is whole again only here; one that was cut in two would not be known.
    let mut tree = masker.hide(&digested.snapshot).into_owned();
    if tree.len() > LONGEST_TREE {
        tree.truncate(tree.floor_char_boundary(LONGEST_TREE));
    }
    Ok(Snapshot {
        tree: Masked(tree),
        dom_digest: digested.record.shape_sha256,
    })
}

/// Tells the compiler that what comes out lives as long as what went in.
fn for_any_text<F: for<'t> Fn(&'t str) -> Cow<'t, str>>(mask: F) -> F {
    mask
}
