//! One page: calls in its session, its events, and a first navigation. What a flow needs beyond (frames, input,
//! waiting) stands on top of this.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cdp::{Connection, Error, Events};

/// A tab and the session that talks to it; clones share both.
#[derive(Clone)]
pub struct Page {
    connection: Connection,
    session: Arc<str>,
    target: Arc<str>,
}

/// Commands that show a page as it is, with everything that stands on it.
const PICTURES: [&str; 5] = [
    "Page.captureScreenshot",
    "Page.captureSnapshot",
    "Page.printToPDF",
    "Page.startScreencast",
    "HeadlessExperimental.beginFrame",
];

fn refuse_pictures(method: &'static str) -> Result<(), Error> {
    if PICTURES.contains(&method) {
        return Err(Error::Refused {
            method,
            message: "no picture without a mask: use evidence::picture".to_owned(),
        });
    }
    Ok(())
}

impl Page {
    /// Attaches to the first tab there is.
    pub async fn first(connection: &Connection) -> anyhow::Result<Self> {
        let targets: Value = connection.call("", "Target.getTargets", json!({})).await?;
        let mut targets = targets["targetInfos"].as_array().into_iter().flatten();
        let tab = targets
            .find(|target| target["type"] == "page")
            .and_then(|target| target["targetId"].as_str())
            .context("the browser has no page open")?;
        Self::attach(connection, tab).await
    }

    /// Opens a new tab.
    pub async fn open(connection: &Connection) -> anyhow::Result<Self> {
        let created: Value = connection
            .call("", "Target.createTarget", json!({"url": "about:blank"}))
            .await?;
        let target = created["targetId"].as_str().context("no targetId")?;
        Self::attach(connection, target).await
    }

    pub async fn attach(connection: &Connection, target: &str) -> anyhow::Result<Self> {
        let attached: Value = connection
            .call(
                "",
                "Target.attachToTarget",
                json!({"targetId": target, "flatten": true}),
            )
            .await?;
        let session = attached["sessionId"].as_str().context("no sessionId")?;
        Ok(Self {
            connection: connection.clone(),
            session: session.into(),
            target: target.into(),
        })
    }

    /// One CDP command in the page's session: `page.call("Accessibility.getFullAXTree", json!({}))`.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, Error> {
        refuse_pictures(method)?;
        self.connection.call(&self.session, method, params).await
    }

    /// The same where the answer says nothing.
    pub async fn tell(&self, method: &'static str, params: Value) -> Result<(), Error> {
        refuse_pictures(method)?;
        let answer = self.connection.call_raw(&self.session, method, params);
        answer.await.map(drop)
    }

    /// The one way to a picture. `evidence` calls it with the mask on; every other call that makes one is refused.
    pub(crate) async fn masked_screenshot(&self, params: Value) -> Result<String, Error> {
        let taken: Value = self
            .connection
            .call(&self.session, "Page.captureScreenshot", params)
            .await?;
        Ok(taken["data"].as_str().unwrap_or_default().to_owned())
    }

    /// What the page says from now on, of the domains that are enabled.
    pub fn events(&self) -> Events {
        self.connection.events(&self.session)
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    /// Goes to an address and waits for its `load` event; for tools that look at one page. A flow waits for what it
    /// wants to see instead.
    pub async fn load(&self, url: &str) -> anyhow::Result<()> {
        let mut events = self.events();
        self.tell("Page.enable", json!({})).await?;
        let gone: Value = self.call("Page.navigate", json!({"url": url})).await?;
        if let Some(error) = gone["errorText"].as_str().filter(|text| !text.is_empty()) {
            anyhow::bail!("cannot open {url}: {error}");
        }
        while let Some(event) = events.recv().await {
            if event.method == "Page.loadEventFired" {
                return Ok(());
            }
        }
        Err(Error::Closed.into())
    }

    /// Waits until a page that was loaded changes no more, for tools that look at one page; at most as long as told.
    pub async fn settle(&self, at_most: Duration) -> Result<(), Error> {
        // The page itself knows when it last changed; one promise waits there instead of many questions from here.
        let quiet = "new Promise(done => { let timer; const again = () => { clearTimeout(timer); timer = setTimeout(done, 500); }; \
            new MutationObserver(again).observe(document, {subtree: true, childList: true, attributes: true}); again(); })";
        let params = json!({"expression": quiet, "awaitPromise": true, "returnByValue": true});
        match timeout(at_most, self.tell("Runtime.evaluate", params)).await {
            Ok(Err(Error::Closed)) => Err(Error::Closed),
            _ => Ok(()),
        }
    }
}
