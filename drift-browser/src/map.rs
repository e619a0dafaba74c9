//! Real addresses, answered from a local site: requests to a mapped origin are taken out before they leave, asked of the
//! local site, and its answer is given to the page as if it came from there. So a flow runs against
//! `https://platform.openai.com` on a machine without a network.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cdp::Events;
use crate::page::Page;

/// Chromium's own resolver finds nothing but this machine while a mapping is in force.
pub const NOTHING_LEAVES: &str = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1";

/// The longest answer that is handed on.
const LONGEST_ANSWER: usize = 32 << 20;

/// `https://platform.openai.com=http://127.0.0.1:8090`
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Without a stroke at its end.
    from: String,
    to: String,
}

impl std::str::FromStr for Mapping {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let both = text.split_once('=').filter(|(from, to)| {
            let is_origin = |url: &str, least: usize| {
                let url = url.trim_end_matches('/');
                url.split_once("://").is_some_and(|(scheme, host)| {
                    matches!(scheme, "http" | "https") && host.len() > least && !host.contains('/')
                })
            };
            is_origin(from, 0) && to.starts_with("http://") && is_origin(to, 0)
        });
        let (from, to) = both.ok_or(
            "expected ORIGIN=http://HOST:PORT, as in https://a.example=http://127.0.0.1:8090",
        )?;
        let bare = |url: &str| url.trim_end_matches('/').to_owned();
        Ok(Self {
            from: bare(from),
            to: bare(to),
        })
    }
}

/// Answers for as long as it is held.
pub struct Mapped {
    _tasks: JoinSet<()>,
}

impl Mapped {
    pub async fn begin(page: &Page, mappings: &[Mapping]) -> anyhow::Result<Self> {
        // reqwest is built without a provider of its own, and asks for one even where there is no TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")?;
        let patterns: Vec<Value> = mappings
            .iter()
            .map(|mapping| json!({"urlPattern": format!("{}/*", mapping.from)}))
            .collect();
        let events = page.events();
        page.tell("Fetch.enable", json!({"patterns": patterns}))
            .await?;
        let local = Arc::new(Local {
            page: page.clone(),
            client,
            mappings: mappings.to_vec(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(answer_all(local, events));
        Ok(Self { _tasks: tasks })
    }
}

async fn answer_all(local: Arc<Local>, mut events: Events) {
    let mut answers = JoinSet::new();
    while let Some(event) = events.recv().await {
        if event.method == "Fetch.requestPaused" {
            let local = local.clone();
            answers.spawn(async move { local.answer(event.params).await });
        }
        while answers.try_join_next().is_some() {}
    }
}

struct Local {
    page: Page,
    client: reqwest::Client,
    mappings: Vec<Mapping>,
}

impl Local {
    async fn answer(&self, paused: Value) {
        let id = &paused["requestId"];
        let done = match self.ask(&paused).await {
            Ok(answer) => self.page.tell("Fetch.fulfillRequest", answer).await,
            Err(error) => {
                tracing::debug!(%error, "a mapped request failed");
                let failed = json!({"requestId": id, "errorReason": "ConnectionRefused"});
                self.page.tell("Fetch.failRequest", failed).await
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, "nobody waits for a mapped answer any more");
        }
    }

    async fn ask(&self, paused: &Value) -> anyhow::Result<Value> {
        let request = &paused["request"];
        let url = request["url"].as_str().unwrap_or_default();
        let found = self.mappings.iter().find_map(|mapping| {
            let path = url.strip_prefix(mapping.from.as_str())?;
            path.starts_with('/').then_some((mapping, path))
        });
        let Some((mapping, path)) = found else {
            bail!("no mapping for {url}");
        };
        let method = request["method"].as_str().unwrap_or("GET").parse()?;
        let mut ask = self.client.request(method, format!("{}{path}", mapping.to));
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            ask = ask.header(name, value.as_str().unwrap_or_default());
        }
        // The browser adds cookies later than this, to requests that really leave.
        let cookies: Value = self
            .page
            .call("Network.getCookies", json!({"urls": [url]}))
            .await?;
        let cookies: Vec<String> = cookies["cookies"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cookie| {
                let part = |name: &str| cookie[name].as_str().unwrap_or_default().to_owned();
                format!("{}={}", part("name"), part("value"))
            })
            .collect();
        if !cookies.is_empty() {
            ask = ask.header("cookie", cookies.join("; "));
        }
        if let Some(body) = request["postData"].as_str() {
            ask = ask.body(body.to_owned());
        }
        let host = mapping.from.split("://").nth(1).unwrap_or_default();
        ask = ask.header("x-forwarded-host", host);
        let answer = ask.send().await?;
        let status = answer.status().as_u16();
        let headers: Vec<Value> = answer
            .headers()
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "content-length" | "transfer-encoding"))
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                json!({"name": name.as_str(), "value": value})
            })
            .collect();
        let body = answer.bytes().await?;
        if body.len() > LONGEST_ANSWER {
            bail!("an answer of {} bytes", body.len());
        }
        Ok(json!({
            "requestId": paused["requestId"], "responseCode": status,
            "responseHeaders": headers, "body": STANDARD.encode(&body),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_an_origin_and_a_local_site() {
        for good in [
            "https://a.example=http://127.0.0.1:80",
            "https://a.example/=http://127.0.0.1:80/",
        ] {
            let mapping: Mapping = good.parse().unwrap();
            assert_eq!(mapping.from, "https://a.example");
            assert_eq!(mapping.to, "http://127.0.0.1:80");
        }
        for bad in [
            "",
            "a.example=http://127.0.0.1",
            "https://a.example=https://127.0.0.1",
            "https://a.example/x=http://127.0.0.1",
            "https://a.example",
        ] {
            assert!(bad.parse::<Mapping>().is_err(), "{bad}");
        }
    }
}
