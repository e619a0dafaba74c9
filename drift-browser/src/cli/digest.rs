//! `drift-scraper digest`: the record of one page, as a report would have it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::timeout;

use super::{Done, print};
use crate::browser::Browser;
use crate::settings::Settings;
use crate::tab::Tab;

const DEADLINE: Duration = Duration::from_secs(60);

pub async fn run(page: &str, hash: bool, settings: &Settings) -> anyhow::Result<Done> {
    let _ = (page, hash, settings, DEADLINE);
    bail!("not yet")
}
