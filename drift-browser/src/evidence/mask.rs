//! The mask over a page, in every frame and every shadow root, closed ones too. While it is on, the page's own scripts
//! stand still, so nothing changes between masking and the picture.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Masker, nested};
use crate::cdp::Error;
use crate::flow::Locator;
use crate::page::Page;
use crate::tab::{Element, Tab};

const SCRIPT: &str = include_str!("mask.js");

pub struct Mask<'a> {
    tab: &'a mut Tab,
    wanted: Value,
    frames: Vec<String>,
    closed_roots: Vec<Element>,
}

impl<'a> Mask<'a> {
    pub async fn put_on(
        tab: &'a mut Tab,
        masker: &Masker,
        secret_elements: &[Locator],
    ) -> Result<Mask<'a>, Error> {
        let mut secret = Vec::new();
        for locator in secret_elements {
            // Worlds must be there before scripts stop: a promise would wait for ever.
            secret.extend(tab.find(locator).await?.0);
        }
        let frames = tab.frames().await?;
        for frame in &frames {
            let _ = tab.evaluate(frame, "0", true).await;
        }
        tab.page
            .tell(
                "Emulation.setScriptExecutionDisabled",
                json!({"value": true}),
            )
            .await?;
        let mut mask = Self {
            tab,
            wanted: masker.for_page(),
            frames,
            closed_roots: Vec::new(),
        };
        let put_on = mask.apply(&secret).await;
        if let Err(error) = put_on {
            mask.take_off().await;
            return Err(error);
        }
        Ok(mask)
    }

    async fn apply(&mut self, secret: &[Element]) -> Result<(), Error> {
        self.closed_roots = closed_roots(self.tab, &self.frames).await?;
        for element in secret {
            self.tab.evaluate(&element.frame, SCRIPT, true).await?;
            self.tab.on::<Value>(element, "hide", &[]).await?;
        }
        self.cover().await?;
        Ok(())
    }

    pub(super) fn page(&self) -> &Page {
        &self.tab.page
    }

    /// Goes over everything once more. Whether nothing was bare.
    pub(super) async fn still_whole(&mut self) -> Result<bool, Error> {
        Ok(self.cover().await? == 0)
    }

    /// Covers what has to be covered in every frame; how much was bare before.
    async fn cover(&mut self) -> Result<u64, Error> {
        let mut bare = 0;
        let frames = self.tab.frames().await?;
        for frame in &frames {
            // A frame that cannot be masked stays hidden as a whole.
            let Ok(covered) = self.cover_frame(frame).await else {
                if *frame == self.tab.main_frame {
                    return Err(Error::Refused {
                        method: "Runtime.evaluate",
                        message: "the page cannot be masked".to_owned(),
                    });
                }
                continue;
            };
            bare += covered;
            if *frame != self.tab.main_frame {
                self.show_frame(frame).await;
            }
        }
        self.frames = frames;
        Ok(bare)
    }

    async fn cover_frame(&mut self, frame: &str) -> Result<u64, Error> {
        self.tab.evaluate(frame, SCRIPT, true).await?;
        let expression = format!("__drift.cover(document, {})", self.wanted);
        let mut bare: u64 = self.tab.ask(frame, &expression).await?;
        for root in self.closed_roots.iter().filter(|root| root.frame == *frame) {
            let wanted = json!({"value": self.wanted});
            bare += self.tab.on::<u64>(root, "cover", &[wanted]).await?;
        }
        Ok(bare)
    }

    /// A frame whose inside is masked may be seen again. Done by the browser, not by the frame.
    async fn show_frame(&mut self, frame: &str) {
        let shown = async {
            let owner: Value = self
                .tab
                .page
                .call("DOM.getFrameOwner", json!({"frameId": frame}))
                .await?;
            for parent in self.frames.clone() {
                let (_, world) = self.tab.evaluate(&parent, "0", true).await?;
                let params =
                    json!({"backendNodeId": owner["backendNodeId"], "executionContextId": world});
                let resolved = self.tab.page.call::<Value>("DOM.resolveNode", params).await;
                if let Ok(resolved) = resolved
                    && let Some(object) = resolved["object"]["objectId"].as_str()
                {
                    let element = Element {
                        object: object.to_owned(),
                        frame: parent,
                        world,
                    };
                    return self.tab.on::<Value>(&element, "show", &[]).await.map(drop);
                }
            }
            Ok(())
        };
        let shown: Result<(), Error> = shown.await;
        if let Err(error) = shown {
            tracing::debug!(%error, "a frame stays hidden in the picture");
        }
    }

    pub(super) async fn take_off(self) {
        for frame in &self.frames {
            let _ = self
                .tab
                .evaluate(frame, "globalThis.__drift?.uncover?.()", true)
                .await;
        }
        let on = json!({"value": false});
        let _ = self
            .tab
            .page
            .tell("Emulation.setScriptExecutionDisabled", on)
            .await;
    }
}

/// Shadow roots that no script can reach, but the browser can.
async fn closed_roots(tab: &mut Tab, frames: &[String]) -> Result<Vec<Element>, Error> {
    let params = json!({"depth": -1, "pierce": true});
    let document = tab.page.call::<Box<RawValue>>("DOM.getDocument", params);
    let document = document.await?;
    let mut roots = Vec::new();
    for node in nested::closed_roots(document.get()) {
        for frame in frames {
            let (_, world) = tab.evaluate(frame, "0", true).await?;
            let params = json!({"backendNodeId": node, "executionContextId": world});
            let resolved = tab.page.call::<Value>("DOM.resolveNode", params).await;
            if let Ok(resolved) = resolved
                && let Some(object) = resolved["object"]["objectId"].as_str()
            {
                roots.push(Element {
                    object: object.to_owned(),
                    frame: frame.clone(),
                    world,
                });
                break;
            }
        }
    }
    tab.page.tell("DOM.disable", json!({})).await?;
    Ok(roots)
}
