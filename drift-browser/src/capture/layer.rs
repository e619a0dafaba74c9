//! What lies behind a consent layer that makes the rest of the page inert. The layer is lifted for the moment in which the
//! tree is taken, and put back; the page's own scripts stand still meanwhile and hear nothing of it.

use drift_schema::tree::Capture;
use serde_json::{Value, json};

use super::take;
use crate::cdp::Error;
use crate::page::Page;

const SCRIPT: &str = include_str!("layer.js");
const WORLD: &str = "drift-layer";

/// The page without these layers, by their `backendNodeId`; none when nothing was hidden by one.
pub(super) async fn behind(page: &Page, layers: &[i64]) -> Result<Option<Capture>, Error> {
    let tree: Value = page.call("Page.getFrameTree", json!({})).await?;
    let params = json!({"frameId": tree["frameTree"]["frame"]["id"], "worldName": WORLD});
    let world: Value = page.call("Page.createIsolatedWorld", params).await?;
    let world = &world["executionContextId"];
    let run = |expression: &str| {
        let params = json!({"contextId": world, "expression": expression, "returnByValue": true});
        page.call::<Value>("Runtime.evaluate", params)
    };
    run(SCRIPT).await?;
    scripts(page, false).await?;
    let behind = async {
        let mut lifted = 0;
        for layer in layers {
            let params = json!({"backendNodeId": layer, "executionContextId": world});
            let node: Value = match page.call("DOM.resolveNode", params).await {
                Ok(node) => node,
                // In a frame, or gone since.
                Err(Error::Refused { .. }) => continue,
                Err(error) => return Err(error),
            };
            let params = json!({
                "functionDeclaration": "function() { return __driftLayer.lift(this) }",
                "objectId": node["object"]["objectId"], "returnByValue": true,
            });
            let done: Value = page.call("Runtime.callFunctionOn", params).await?;
            lifted += done["result"]["value"].as_u64().unwrap_or_default();
        }
        match lifted {
            0 => Ok(None),
            _ => take(page).await.map(Some),
        }
    };
    let behind = behind.await;
    // Whatever happened, the page gets back what is its own.
    let put_back = run("__driftLayer.putBack()").await;
    scripts(page, true).await?;
    put_back?;
    behind
}

async fn scripts(page: &Page, on: bool) -> Result<(), Error> {
    let params = json!({"value": !on});
    page.tell("Emulation.setScriptExecutionDisabled", params)
        .await
}
