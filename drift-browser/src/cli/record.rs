//! `drift-scraper record`: watches a person use a page, and writes what it saw as a flow. A first draft: the person says
//! afterwards what each step expects.

use std::path::PathBuf;

use anyhow::Context as _;

use super::{Done, interrupted, print, say};
use crate::browser::Browser;
use crate::record::Recording;
use crate::settings::Settings;

#[derive(clap::Args)]
pub struct Args {
    url: String,
    /// Where the draft goes, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Without a window; for a page that acts by itself, or a test
    #[arg(long)]
    headless: bool,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<Done> {
    let mut launch = settings.launch();
    launch.headed = !args.headless;
    let browser = Browser::open(&launch, settings.cdp_url.as_deref())
        .await
        .context("cannot open a window; without a screen, start a browser with --remote-debugging-port and set CDP_URL")?;
    let page = browser.page().await?;
    let mut recording = Recording::begin(&page, &args.url).await?;
    say("recording; close the tab or press Ctrl-C when you are done");
    tokio::select! {
        () = recording.listen() => {}
        () = interrupted() => {}
    }
    let draft = recording.draft();
    // The draft is what counts; a browser that was closed already need not be closed.
    let _ = browser.close(&page, false).await;
    match args.out {
        Some(file) => {
            std::fs::write(&file, draft)
                .with_context(|| format!("cannot write {}", file.display()))?;
            say(&format!(
                "wrote {}; now say what each step expects, and try it",
                file.display()
            ));
            Ok(Done::Well)
        }
        None => print(&draft),
    }
}
