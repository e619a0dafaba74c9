//! `drift-scraper digest`: what one page looks like: its record, as a report would have it, or its snapshot.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use drift_schema::tree::{Digested, unmasked};
use tokio::time::timeout;

use super::{Done, print};
use crate::browser::Browser;
use crate::capture::capture;
use crate::page::Page;
use crate::settings::Settings;

/// To load, and then to come to rest.
const DEADLINE: Duration = Duration::from_secs(30);
const SETTLE_DEADLINE: Duration = Duration::from_secs(5);

/// What of the digest is printed.
pub enum Show {
    /// All but the snapshot, as JSON.
    Record,
    /// The `dom_digest`.
    Hash,
    /// The page as a person reads it.
    Snapshot,
}

pub async fn run(page: &str, show: Show, settings: &Settings) -> anyhow::Result<Done> {
    let url = address(page)?;
    let browser = Browser::open(&settings.launch(), settings.cdp_url.as_deref()).await?;
    let tab = browser.page().await?;
    let digested = digest(&tab, &url).await;
    browser.close(&tab, false).await?;
    let digested = digested?;
    let text = match show {
        Show::Record => serde_json::to_string_pretty(&digested.record)?,
        Show::Hash => digested.record.shape_sha256.as_str().to_owned(),
        Show::Snapshot => digested.snapshot,
    };
    print(&(text + "\n"))
}

async fn digest(page: &Page, url: &str) -> anyhow::Result<Digested> {
    let loaded = timeout(DEADLINE, page.load(url)).await;
    // A page that never ends to load still has a shape.
    if let Ok(loaded) = loaded {
        loaded?;
    }
    page.settle(SETTLE_DEADLINE).await?;
    let captured = timeout(DEADLINE, capture(page)).await;
    let captured = captured.context("the page does not answer")??;
    Ok(Digested::of(&captured, &unmasked))
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
