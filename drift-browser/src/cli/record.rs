//! `drift-scraper record`: not yet
use super::Done;
use crate::settings::Settings;
#[derive(clap::Args)]
pub struct Args {
    flow: std::path::PathBuf,
}
pub async fn run(_args: Args, _settings: &Settings) -> anyhow::Result<Done> {
    anyhow::bail!("not yet")
}
