//! `drift-scraper cleanup`: removes at the provider what earlier runs created, with the login that they left.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::time::timeout;

use super::{Done, interrupted, print, say};
use crate::browser::Browser;
use crate::engine::{Engine, Stop};
use crate::flow::Flow;
use crate::lines::{Lines, Nowhere};
use crate::map::{self, Mapped, Mapping};
use crate::settings::Settings;
use crate::state::{Folder, Made, Resource};
use crate::tab::Tab;
use crate::values::Values;

#[derive(clap::Args)]
pub struct Args {
    flow: PathBuf,
    /// Answer an address from a local site; then nothing leaves the machine
    #[arg(long = "map", value_name = "ORIGIN=http://HOST:PORT")]
    mappings: Vec<Mapping>,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<Done> {
    let flow = match Flow::read(&args.flow) {
        Ok(flow) => flow,
        Err(faults) => {
            say(&faults.to_string());
            return Ok(Done::Misused);
        }
    };
    tokio::select! {
        done = all(&flow, &args, settings) => done,
        () = interrupted() => {
            say("interrupted; what was not removed yet is kept for the next cleanup");
            Ok(Done::Badly)
        }
    }
}

async fn all(flow: &Flow, args: &Args, settings: &Settings) -> anyhow::Result<Done> {
    let folder = Folder::at(settings.state.clone());
    let ledgers = folder.ledgers(&flow.service);
    if ledgers.is_empty() {
        return print(&format!("{}: nothing to remove\n", flow.service));
    }
    let mut left = false;
    for mut ledger in ledgers {
        if !ledger.take()? {
            say("what one run created is left alone: the run goes on, or another cleanup is at it");
            continue;
        }
        // Another clean-up was faster.
        if !ledger.exists() {
            ledger.forget()?;
            continue;
        }
        let mut made = match ledger.read() {
            Ok(made) => made,
            // One that cannot be read must not keep the others.
            Err(error) => {
                left = true;
                say(&format!("{error:#}; remove by hand what it was for"));
                continue;
            }
        };
        let removed = one_run(flow, args, settings, &made).await?;
        for resource in &removed {
            print(&format!("removed {} {}\n", resource.kind, resource.id))?;
        }
        made.resources
            .retain(|resource| !removed.contains(resource));
        for resource in &made.resources {
            left = true;
            say(&format!("not removed: {} {}", resource.kind, resource.id));
        }
        ledger.settle(&made)?;
    }
    Ok(if left { Done::Badly } else { Done::Well })
}

/// Removes what one run made, the last thing first: a key goes before the account that has it.
async fn one_run(
    flow: &Flow,
    args: &Args,
    settings: &Settings,
    made: &Made,
) -> anyhow::Result<Vec<Resource>> {
    let mut launch = settings.launch();
    if !args.mappings.is_empty() {
        launch.more_arguments.push(map::NOTHING_LEAVES.to_owned());
    }
    let browser = Browser::open(&launch, settings.cdp_url.as_deref()).await?;
    let page = browser.page().await?;
    let tab = Tab::take(page.clone()).await?;
    made.session.put_into(&tab).await?;
    let _mapped = match &args.mappings[..] {
        [] => None,
        mappings => Some(Mapped::begin(&page, mappings).await?),
    };
    // Everything that the run knew; nothing is drawn or asked for anew.
    let mut values = Values::empty();
    for (name, value) in &made.values {
        values.put(name, value.clone(), true);
    }
    let mut lines = Nowhere;
    let lines: &mut dyn Lines = &mut lines;
    let mut engine = Engine::new(flow, tab, values, lines, 0);
    let mut removed = Vec::new();
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    for resource in made.resources.iter().rev() {
        let Some(cleanup) = flow.cleanup.iter().find(|one| one.removes == resource.kind) else {
            say(&format!(
                "the flow has no [[cleanup]] that removes `{}`",
                resource.kind
            ));
            continue;
        };
        engine
            .values
            .put("resource.kind", resource.kind.to_string(), false);
        engine.values.put("resource.id", resource.id.clone(), false);
        let mut gone = true;
        for step in &cleanup.steps {
            let done = timeout(step.deadline * 2, engine.step(step)).await;
            let why = match done {
                Ok(Ok(())) => continue,
                Ok(Err(Stop::Tripwire { why, .. })) => format!("the page changed: {why}"),
                Ok(Err(Stop::Failed { code, why })) => format!("{code}: {why}"),
                Err(_) => "nothing answered in time".to_owned(),
            };
            let why = engine.masker().hide(&why).into_owned();
            failed.insert(format!("{} `{}`", resource.kind, step.name), why);
            gone = false;
            break;
        }
        if gone {
            removed.push(resource.clone());
        }
    }
    for (what, why) in failed {
        say(&format!("{what}: {why}"));
    }
    browser.close(&page, false).await?;
    Ok(removed)
}
