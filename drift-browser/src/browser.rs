//! The browser of a run: one of our own, which ends with the run, or one that runs already and stays.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::time::timeout;

use crate::cdp::Connection;
use crate::chromium::{Chromium, Launch};
use crate::page::Page;

const ATTACH_DEADLINE: Duration = Duration::from_secs(10);

pub enum Browser {
    Ours(Box<Chromium>),
    Theirs(Connection),
}

impl Browser {
    pub async fn open(launch: &Launch, cdp_url: Option<&str>) -> anyhow::Result<Self> {
        match cdp_url {
            None => Ok(Self::Ours(Box::new(launch.start().await?))),
            Some(url) => match timeout(ATTACH_DEADLINE, attach(url)).await {
                Ok(connection) => Ok(Self::Theirs(connection?)),
                Err(_) => bail!("the browser at CDP_URL did not answer within {ATTACH_DEADLINE:?}"),
            },
        }
    }

    pub fn connection(&self) -> &Connection {
        match self {
            Self::Ours(chromium) => chromium.connection(),
            Self::Theirs(connection) => connection,
        }
    }

    /// The page of a fresh browser of ours; a new tab in somebody else's.
    pub async fn page(&self) -> anyhow::Result<Page> {
        match self {
            Self::Ours(chromium) => chromium.first_page().await,
            Self::Theirs(connection) => Page::open(connection).await,
        }
    }

    /// Ends ours. Of somebody else's only our tab goes, unless it is to stay.
    pub async fn close(self, page: &Page, keep_tab: bool) -> anyhow::Result<()> {
        match self {
            Self::Ours(chromium) => chromium.close().await,
            Self::Theirs(connection) => {
                if !keep_tab {
                    let target = serde_json::json!({"targetId": page.target()});
                    let closed = connection.call_raw("", "Target.closeTarget", target);
                    let _ = timeout(ATTACH_DEADLINE, closed).await;
                }
                Ok(())
            }
        }
    }
}

/// `ws://…` is the browser's own address; behind `http://host:port` it can be asked for.
async fn attach(url: &str) -> anyhow::Result<Connection> {
    if url.starts_with("ws://") || url.starts_with("wss://") {
        return Connection::over_socket(url).await;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ask = format!("{}/json/version", url.trim_end_matches('/'));
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.get(&ask).send().await.with_context(|| {
        format!(
            "no browser at {url}; start one with --remote-debugging-port=9222, or unset CDP_URL"
        )
    })?;
    let about: Value = answer.json().await.context("CDP_URL is no browser")?;
    let socket = about["webSocketDebuggerUrl"].as_str();
    Connection::over_socket(socket.context("CDP_URL is no browser")?).await
}
