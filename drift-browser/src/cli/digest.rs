//! `drift-scraper digest`: the record of one page, as a report would have it.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use drift_schema::tree::{Digested, unmasked};
use serde_json::Value;
use tokio::time::timeout;

use super::{Done, print};
use crate::browser::Browser;
use crate::capture::capture;
use crate::page::Page;
use crate::settings::Settings;

/// To load, and then to come to rest.
const DEADLINE: Duration = Duration::from_secs(30);
const SETTLE_DEADLINE: Duration = Duration::from_secs(5);

pub async fn run(page: &str, hash: bool, settings: &Settings) -> anyhow::Result<Done> {
    let url = address(page)?;
    let browser = Browser::open(&settings.launch(), settings.cdp_url.as_deref()).await?;
    let tab = browser.page().await?;
    let record = record(&tab, &url).await;
    browser.close(&tab, false).await?;
    let record = record?;
    if hash {
        return print(&format!(
            "{}\n",
            record["shape_sha256"].as_str().unwrap_or_default()
        ));
    }
    print(&(serde_json::to_string_pretty(&record)? + "\n"))
}

async fn record(page: &Page, url: &str) -> anyhow::Result<Value> {
    let loaded = timeout(DEADLINE, page.load(url)).await;
    // A page that never ends to load still has a shape.
    if let Ok(loaded) = loaded {
        loaded?;
    }
    page.settle(SETTLE_DEADLINE).await?;
    let captured = timeout(DEADLINE, capture(page)).await;
    let captured = captured.context("the page does not answer")??;
    let digested = Digested::of(&captured, &unmasked);
    Ok(serde_json::to_value(&digested.record)?)
}

/// An address as it is; anything else is a file.
fn address(page: &str) -> anyhow::Result<String> {
    let schemes = ["http://", "https://", "file://", "data:", "about:"];
    if schemes.iter().any(|scheme| page.starts_with(scheme)) {
        return Ok(page.to_owned());
    }
    let file = Path::new(page)
        .canonicalize()
        .with_context(|| format!("{page} is neither an address (https://…) nor a file"))?;
    let mut url = String::from("file://");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                url.push(char::from(*byte));
            }
            byte => url += &format!("%{byte:02X}"),
        }
    }
    Ok(url)
}
