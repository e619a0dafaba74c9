//! One page as `drift_schema::tree` takes it: the accessibility trees of its frames and its document, as the browser
//! answers them. What they mean is decided there, by rules that need no browser.

mod layer;

use drift_schema::tree::{AxTree, Capture, Document, Frame, hiding_layers};
use serde_json::{Value, json};

use crate::cdp::Error;
use crate::page::Page;

/// Takes the page as it is now. Waiting until it has settled is the caller's part.
pub async fn capture(page: &Page) -> Result<Capture, Error> {
    page.tell("DOM.enable", json!({})).await?;
    let mut captured = take(page).await?;
    let layers = hiding_layers(&captured);
    if !layers.is_empty() {
        captured.behind = layer::behind(page, &layers).await?.map(Box::new);
    }
    Ok(captured)
}

async fn take(page: &Page) -> Result<Capture, Error> {
    // The flat form: the other one nests as deeply as the page does, and JSON parsers have limits.
    let dom = page.call(
        "DOM.getFlattenedDocument",
        json!({"depth": -1, "pierce": true}),
    );
    let ax = page.call("Accessibility.getFullAXTree", json!({}));
    let tree = page.call("Page.getFrameTree", json!({}));
    let (dom, ax, tree): (Document, AxTree, Value) = (dom.await?, ax.await?, tree.await?);
    let mut frames = Vec::new();
    for frame_id in children(&tree["frameTree"]) {
        let ax = page.call("Accessibility.getFullAXTree", json!({"frameId": frame_id}));
        match ax.await {
            Ok(ax) => frames.push(Frame { frame_id, ax }),
            // Gone since, or of another process: the document says that a frame was there.
            Err(Error::Refused { .. } | Error::Answer { .. }) => {}
            Err(Error::Closed) => return Err(Error::Closed),
        }
    }
    Ok(Capture {
        ax,
        dom,
        frames,
        ..Capture::default()
    })
}

/// The ids of all frames below the page's own.
fn children(tree: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![tree];
    while let Some(next) = waiting.pop() {
        for child in next["childFrames"].as_array().into_iter().flatten() {
            found.extend(child["frame"]["id"].as_str().map(str::to_owned));
            waiting.push(child);
        }
    }
    found
}
