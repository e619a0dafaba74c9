//! The record of a page: everything that is compared later, in one JSON document.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::page::{Node, Page};
use super::shape::Shape;
use super::signature::Signature;
use super::volatile::VolatileMask;
use super::{Capture, Invisible, Mask, label::Label, outline, prune, snapshot, words};
use crate::words::Digest;

/// The rules' version. A rule that gives another text for the same page makes it 2.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of the rules; records of different versions are not compared.
    pub v: u32,
    /// Of the lists of words that the rules use.
    pub words: u32,
    pub shape: String,
    /// The `dom_digest` of a report: SHA-256 over `drift-digest/1 shape`, a line feed, the shape, a line feed.
    pub shape_sha256: Digest,
    /// The same over the shape without labels and the word `skeleton`: equal where only labels changed.
    pub skeleton_sha256: Digest,
    /// The same over the whole snapshot and the word `full`: equal where nothing changed.
    pub full_sha256: Digest,
    pub minhash: Signature,
    /// What lay over the page and is no part of its shape.
    pub overlays: Vec<Overlay>,
    pub invisible: Invisible,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volatile_mask: Option<VolatileMask>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// `consent`, so far.
    pub kind: String,
    /// Its role; none for an element without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Its name as a shape would show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Overlay {
    pub(super) fn consent(node: &Node<'_>) -> Self {
        Self {
            kind: "consent".to_owned(),
            role: node.role().map(|role| role.word().to_owned()),
            label: Label::of(&node.name).map(|label| label.print()),
        }
    }
}

/// A record, and the snapshot that is stored beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digested {
    pub record: Record,
    /// The page as a person reads it, names and texts included.
    pub snapshot: String,
}

impl Digested {
    pub fn of(capture: &Capture, mask: Mask<'_>) -> Self {
        let page = Page::read(capture, mask);
        let snapshot = snapshot::print(&page, mask);
        let prune::Pruned { out, overlays, .. } = prune::prune(&page);
        // What lies over a page is no part of its shape, and hides none of it either.
        let behind = capture.behind.as_deref().map(|behind| {
            let page = Page::read(behind, mask);
            let out = prune::prune(&page).out;
            (page, out)
        });
        let (shown, out) = match &behind {
            Some((page, out)) => (page, out),
            None => (&page, &out),
        };
        let shape = Shape::of(shown, out);
        let outline = shape.outline();
        let text = outline::print(&outline);
        let record = Record {
            v: VERSION,
            words: words::VERSION,
            shape_sha256: hash("shape", &text),
            skeleton_sha256: hash("skeleton", &outline::print(&shape.skeleton())),
            full_sha256: hash("full", &snapshot),
            minhash: Signature::of(&outline),
            shape: text,
            overlays,
            invisible: page.invisible,
            volatile_mask: None,
        };
        Self { record, snapshot }
    }
}

fn hash(what: &str, text: &str) -> Digest {
    let mut hash = Sha256::new();
    hash.update(format!("drift-digest/{VERSION} {what}\n"));
    hash.update(text);
    hash.update("\n");
    Digest::from_bytes(hash.finalize().into())
}
