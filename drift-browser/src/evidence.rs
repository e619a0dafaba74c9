//! What a tripwire shows, safe to publish: a picture in which everything personal was blacked out before it was taken, and
//! a text of which the same is true. Both come as `Masked`, which nothing outside of this module can make.

mod mask;
pub mod masker;
mod nested;
mod tree;

use base64::Engine as _;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cdp::Error;
use crate::flow::Locator;
use crate::tab::Tab;
pub use mask::Mask;
pub use masker::Masker;
pub use tree::{Snapshot, snapshot};

/// Proof that a mask lay over it, or went through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Masked<T>(T);

impl<T> Masked<T> {
    pub fn into_inner(self) -> T {
        self.0
    }

    pub fn get(&self) -> &T {
        &self.0
    }
}

/// A PNG, in base64 as the browser gives it.
pub type Picture = Masked<String>;

/// A picture in a report is for looking at; the store takes 10 MiB, an issue page wants less.
const LARGEST_PICTURE: usize = 4 << 20;

/// The longest part of a page that is pictured.
const LONGEST_PAGE: f64 = 6000.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// What a person would see without scrolling.
    Viewport,
    FullPage,
}

/// Puts the mask on, takes the picture, looks whether the mask was still whole, and takes it off. None when the page
/// shows something new each time: better no picture than one that nobody vouches for.
pub async fn picture(
    tab: &mut Tab,
    masker: &Masker,
    secret_elements: &[Locator],
    area: Area,
) -> Result<Option<Picture>, Error> {
    const ROUNDS: usize = 3;
    let mut mask = Mask::put_on(tab, masker, secret_elements).await?;
    let mut picture = None;
    for _ in 0..ROUNDS {
        let taken = shoot(&mask, area).await?;
        if mask.still_whole().await? {
            picture = Some(taken);
            break;
        }
    }
    mask.take_off().await;
    Ok(picture)
}

/// Only a page that wears its mask can be pictured.
async fn shoot(mask: &Mask<'_>, area: Area) -> Result<Picture, Error> {
    let metrics: Value = mask.page().call("Page.getLayoutMetrics", json!({})).await?;
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let (view, content) = (&metrics["cssVisualViewport"], &metrics["cssContentSize"]);
    let (width, height) = match area {
        Area::Viewport => (number(&view["clientWidth"]), number(&view["clientHeight"])),
        Area::FullPage => (
            number(&content["width"]),
            number(&content["height"]).min(LONGEST_PAGE),
        ),
    };
    let (x, y) = match area {
        Area::Viewport => (number(&view["pageX"]), number(&view["pageY"])),
        Area::FullPage => (0.0, 0.0),
    };
    let mut smallest = String::new();
    // Smaller until it fits; at an eighth nothing is too large.
    for scale in [1.0, 0.5, 0.25, 0.125] {
        let params = json!({
            "format": "png",
            "captureBeyondViewport": area == Area::FullPage,
            "clip": {"x": x, "y": y, "width": width.max(1.0), "height": height.max(1.0), "scale": scale},
        });
        smallest = mask.page().masked_screenshot(params).await?;
        if smallest.len() / 4 * 3 <= LARGEST_PICTURE {
            break;
        }
    }
    Ok(Masked(smallest))
}

impl Picture {
    /// The bytes of the PNG.
    pub fn png(&self) -> Vec<u8> {
        // The browser's own encoding.
        base64::engine::general_purpose::STANDARD
            .decode(&self.0)
            .unwrap_or_default()
    }
}
