//! A tab as the engine sees it: frames with a world of our own in each, elements found and acted on by real input. `watch`
//! listens to what happens by itself.

mod find;
mod input;
pub mod watch;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cdp::Error;
use crate::page::Page;
pub use find::Found;
pub use input::{Blocked, Point};
use watch::Watch;

const SCRIPT: &str = include_str!("tab/page.js");

/// A page that does not answer goes before what it holds does.
const RELEASE_DEADLINE: Duration = Duration::from_secs(1);

/// A frame inside of a page says anything within this, or is left alone for a while.
const FRAME_DEADLINE: Duration = Duration::from_millis(500);
const MUTE_FOR: Duration = Duration::from_secs(5);

/// The name under which our world is known to the browser.
const WORLD: &str = "drift";

pub struct Tab {
    pub page: Page,
    pub watch: Watch,
    pub main_frame: String,
    /// The world of each frame, for as long as the frame's document lives.
    worlds: HashMap<String, u64>,
    /// Frames that did not answer, and until when they are not asked again.
    mute: HashMap<String, Instant>,
}

/// Something in the page, held by us.
#[derive(Debug, Clone)]
pub struct Element {
    pub object: String,
    pub frame: String,
    pub world: u64,
}

/// How much a document is at rest.
#[derive(Debug, Clone, Deserialize)]
pub struct Rest {
    /// Milliseconds since the last change.
    pub quiet: f64,
    pub complete: bool,
    pub url: String,
}

impl Tab {
    pub async fn take(page: Page) -> anyhow::Result<Self> {
        let tree: Value = page.call("Page.getFrameTree", json!({})).await?;
        let main_frame = tree["frameTree"]["frame"]["id"].as_str();
        let main_frame = main_frame.context("a page without a frame")?.to_owned();
        let watch = Watch::start(&page, &main_frame);
        for (domain, params) in [
            ("Page.enable", json!({})),
            ("Network.enable", json!({})),
            ("Inspector.enable", json!({})),
        ] {
            page.tell(domain, params).await?;
        }
        let browser = page.connection();
        browser
            .call_raw("", "Target.setDiscoverTargets", json!({"discover": true}))
            .await?;
        let downloads = json!({"behavior": "deny", "eventsEnabled": true});
        browser
            .call_raw("", "Browser.setDownloadBehavior", downloads)
            .await?;
        Ok(Self {
            page,
            watch,
            main_frame,
            worlds: HashMap::new(),
            mute: HashMap::new(),
        })
    }

    /// All frames, the main one first.
    pub async fn frames(&self) -> Result<Vec<String>, Error> {
        fn gather(tree: &Value, frames: &mut Vec<String>) {
            if let Some(id) = tree["frame"]["id"].as_str() {
                frames.push(id.to_owned());
            }
            for child in tree["childFrames"].as_array().into_iter().flatten() {
                gather(child, frames);
            }
        }
        let tree: Value = self.page.call("Page.getFrameTree", json!({})).await?;
        let mut frames = Vec::new();
        gather(&tree["frameTree"], &mut frames);
        Ok(frames)
    }

    /// Our world in a frame, made when it is not there.
    async fn world(&mut self, frame: &str) -> Result<u64, Error> {
        if let Some(&world) = self.worlds.get(frame) {
            return Ok(world);
        }
        let params = json!({"frameId": frame, "worldName": WORLD});
        let made: Value = self.page.call("Page.createIsolatedWorld", params).await?;
        let world = made["executionContextId"].as_u64().unwrap_or_default();
        let params = json!({"contextId": world, "expression": SCRIPT, "returnByValue": false});
        let ran: Value = self.page.call("Runtime.evaluate", params).await?;
        if ran["exceptionDetails"].is_object() {
            tracing::error!(details = %ran["exceptionDetails"], "the page script failed");
        }
        self.worlds.insert(frame.to_owned(), world);
        Ok(world)
    }

    /// Runs an expression in our world of a frame. A frame inside of the page that does not answer, because it never
    /// loads or hangs, must not keep us from the rest.
    pub async fn evaluate(
        &mut self,
        frame: &str,
        expression: &str,
        by_value: bool,
    ) -> Result<(Value, u64), Error> {
        if frame == self.main_frame {
            return self.run(frame, expression, by_value).await;
        }
        let silent = || Error::Refused {
            method: "Runtime.evaluate",
            message: "the frame does not answer".to_owned(),
        };
        if self
            .mute
            .get(frame)
            .is_some_and(|until| Instant::now() < *until)
        {
            return Err(silent());
        }
        match timeout(FRAME_DEADLINE, self.run(frame, expression, by_value)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.mute
                    .insert(frame.to_owned(), Instant::now() + MUTE_FOR);
                Err(silent())
            }
        }
    }

    /// Once more where the document has changed under us.
    async fn run(
        &mut self,
        frame: &str,
        expression: &str,
        by_value: bool,
    ) -> Result<(Value, u64), Error> {
        for fresh in [false, true] {
            if fresh {
                self.worlds.remove(frame);
            }
            let world = self.world(frame).await;
            let world = match world {
                Ok(world) => world,
                Err(Error::Refused { .. }) if !fresh => continue,
                Err(error) => return Err(error),
            };
            let params = json!({
                "contextId": world, "expression": expression, "returnByValue": by_value,
                "awaitPromise": true, "objectGroup": WORLD,
            });
            let answer: Result<Value, Error> = self.page.call("Runtime.evaluate", params).await;
            match answer {
                Err(Error::Refused { .. }) if !fresh => {}
                Err(error) => return Err(error),
                Ok(answer) => {
                    return result("Runtime.evaluate", answer).map(|value| (value, world));
                }
            }
        }
        Err(Error::Refused {
            method: "Runtime.evaluate",
            message: "the frame went away".to_owned(),
        })
    }

    pub async fn ask<T: DeserializeOwned>(
        &mut self,
        frame: &str,
        expression: &str,
    ) -> Result<T, Error> {
        let (value, _) = self.evaluate(frame, expression, true).await?;
        typed("Runtime.evaluate", value["value"].clone())
    }

    /// Calls one of our functions with an element as its first argument.
    pub async fn on<T: DeserializeOwned>(
        &self,
        element: &Element,
        function: &str,
        more: &[Value],
    ) -> Result<T, Error> {
        let mut arguments = vec![json!({"objectId": element.object})];
        arguments.extend_from_slice(more);
        let params = json!({
            "functionDeclaration": format!("function(...all) {{ return __drift.{function}(...all) }}"),
            "objectId": element.object, "arguments": arguments,
            "returnByValue": true, "awaitPromise": true,
        });
        let answer = self.page.call("Runtime.callFunctionOn", params).await?;
        let value = result("Runtime.callFunctionOn", answer)?;
        typed("Runtime.callFunctionOn", value["value"].clone())
    }

    /// How much the whole page is at rest: the least of its frames. A frame that cannot be asked does not count.
    pub async fn rest(&mut self) -> Result<Rest, Error> {
        let main = self.main_frame.clone();
        let mut rest: Rest = self.ask(&main, "__drift.rest()").await?;
        for frame in self.frames().await? {
            if frame != main
                && let Ok(inner) = self.ask::<Rest>(&frame, "__drift.rest()").await
            {
                rest.quiet = rest.quiet.min(inner.quiet);
            }
        }
        Ok(rest)
    }

    pub async fn url(&mut self) -> Result<String, Error> {
        let main = self.main_frame.clone();
        self.ask(&main, "location.href").await
    }

    /// Whether the page answers; one that does not, because it is busy or never stays, is stopped first.
    pub async fn comes_to_a_stand(&mut self, at_most: Duration) -> bool {
        if matches!(timeout(at_most, self.url()).await, Ok(Ok(_))) {
            return true;
        }
        // These three are heard in the middle of a script.
        for (order, params) in [
            (
                "Emulation.setScriptExecutionDisabled",
                json!({"value": true}),
            ),
            ("Runtime.terminateExecution", json!({})),
            ("Page.stopLoading", json!({})),
        ] {
            let _ = timeout(at_most, self.page.tell(order, params)).await;
        }
        matches!(timeout(at_most, self.url()).await, Ok(Ok(_)))
    }

    /// Lets go of everything that was found.
    pub async fn release(&self) {
        let group = json!({"objectGroup": WORLD});
        let released = self.page.tell("Runtime.releaseObjectGroup", group);
        let _ = timeout(RELEASE_DEADLINE, released).await;
    }
}

/// The `result` of an evaluation; an exception in the page is a refusal.
fn result(method: &'static str, mut answer: Value) -> Result<Value, Error> {
    if let Some(thrown) = answer.get("exceptionDetails") {
        let message = thrown["exception"]["description"].as_str();
        let message = message.or(thrown["text"].as_str()).unwrap_or_default();
        return Err(Error::Refused {
            method,
            message: message.lines().next().unwrap_or_default().to_owned(),
        });
    }
    Ok(answer["result"].take())
}

fn typed<T: DeserializeOwned>(method: &'static str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|source| Error::Answer { method, source })
}
