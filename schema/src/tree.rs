//! What a page looked like, in three forms that come out of one accessibility tree: a **snapshot** that a person reads,
//! a **shape** without content whose SHA-256 is the `dom_digest` of a report, and a **signature** that tells nearly the
//! same page from another one. `diff` says what changed between two shapes. `DIGEST.md` in this crate has the rules.
//!
//! The scraper hands in what the browser answered ([`Capture`]); runner and API compare records. No I/O, no recursion
//! over what a page nests, and nothing kept that the caller's mask did not see.

mod ax;
mod capture;
mod diff;
mod dom;
mod implied;
mod label;
mod outline;
mod page;
mod prune;
mod record;
mod role;
mod shape;
mod signature;
mod snapshot;
#[cfg(test)]
mod tests;
mod text;
mod volatile;
mod words;

use std::borrow::Cow;

pub use ax::AxTree;
pub use capture::{Capture, Frame, Invisible};
pub use diff::{Difference, Edit, Hunk, Side, Target};
pub use dom::Document;
pub use record::{Digested, Overlay, Record};
pub use signature::{SAME_GROUP, Signature};
pub use volatile::VolatileMask;

/// Goes over every name and text before it is kept, to take out what must not be shown. [`unmasked`] takes out nothing.
pub type Mask<'m> = &'m dyn for<'t> Fn(&'t str) -> Cow<'t, str>;

/// The consent layers of a page that may hide the rest from the tree, by the browser's `backendNodeId`; whoever can lift
/// them takes the page without them, too ([`Capture::behind`]).
pub fn hiding_layers(capture: &Capture) -> Vec<i64> {
    if !capture.dom.may_hide() {
        return Vec::new();
    }
    prune::prune(&page::Page::read(capture, &unmasked)).layers
}

pub fn unmasked(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}
