//! What a browser hands over, as it came: the answers of `Accessibility.getFullAXTree` and of
//! `DOM.getFlattenedDocument` (or `DOM.getDocument`), and the accessibility trees of child frames.
//!
//! Nothing in them is trusted. Unknown roles, missing parents, ids that stand twice, circles and answers of another
//! type are read for what they still say; none is an error.

pub(super) mod listen;

use serde::{Deserialize, Serialize};

use super::ax::AxTree;
use super::dom::Document;

/// One page at one moment.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Capture {
    /// The answer of `Accessibility.getFullAXTree` for the main frame.
    pub ax: AxTree,
    /// The answer of `DOM.getFlattenedDocument {depth: -1, pierce: true}`, which a page cannot nest too deeply for a
    /// JSON parser; that of `DOM.getDocument` is understood too.
    pub dom: Document,
    pub frames: Vec<Frame>,
    /// What only the caller can know; added to what the document tells.
    pub invisible: Invisible,
    /// The same page without the consent layer that makes the rest of it inert, where there is one.
    pub behind: Option<Box<Capture>>,
}

/// The accessibility tree of a child frame. Frames of other origins have none in this process.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Frame {
    pub frame_id: String,
    pub ax: AxTree,
}

/// How many parts of the page no accessibility tree shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Invisible {
    pub canvases: u32,
    pub closed_shadow_roots: u32,
    pub foreign_frames: u32,
}
