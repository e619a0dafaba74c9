//! One page: calls in its session, its events, and a first navigation. What a flow needs beyond (frames, input,
//! waiting) stands on top of this.

use std::sync::Arc;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cdp::{Connection, Error, Events};

/// A tab and the session that talks to it; clones share both.
#[derive(Clone)]
pub struct Page {
    connection: Connection,
    session: Arc<str>,
    target: Arc<str>,
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
        self.connection.call(&self.session, method, params).await
    }

    /// The same where the answer says nothing.
    pub async fn tell(&self, method: &'static str, params: Value) -> Result<(), Error> {
        let answer = self.connection.call_raw(&self.session, method, params);
        answer.await.map(drop)
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
}
