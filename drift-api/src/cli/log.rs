//! The commands that look after the log: verify, rebuild, export, import, erase, retain.

use std::path::PathBuf;

use anyhow::Context as _;
use drift_schema::event::Erasure;
use drift_schema::{Day, Micros, Service, Workspace};
use serde_json::json;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};

use super::{Done, print, print_json, say};
use crate::config::Settings;
use crate::store::Store;
use crate::telemetry::causes;

#[derive(clap::Args)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    what: What,
    #[arg(long, default_value = "default")]
    workspace: Workspace,
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Reports that came with this key
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Reports of this service, and its counters
    #[arg(long)]
    service: Option<Service>,
    /// Reports received before this day (UTC)
    #[arg(long, value_name = "DAY")]
    before: Option<Day>,
}

pub(super) async fn verify(store: &Store, json: bool) -> anyhow::Result<Done> {
    let verified = store.verify().await?;
    // For the page about the log. Who may only read has still verified.
    if let Err(error) = store.note_verification(&verified, Micros::now()).await {
        say(&format!(
            "the result is not kept for the pages: {}",
            causes(&error)
        ));
    }
    let clean = verified.iter().all(crate::store::Verified::is_clean);
    if json {
        print_json(&json!({"clean": clean, "workspaces": verified}))?;
    } else {
        for one in &verified {
            let line = format!(
                "{}: {} events ({} erased), {}\n",
                one.workspace,
                one.events,
                one.erased,
                one.found()
            );
            print(&line)?;
        }
        print(if clean { "clean\n" } else { "NOT CLEAN\n" })?;
    }
    Ok(if clean { Done::Well } else { Done::Badly })
}

pub(super) async fn rebuild(store: &Store, json: bool) -> anyhow::Result<Done> {
    let rebuilt = store.rebuild(Micros::now()).await?;
    if json {
        return print_json(&rebuilt);
    }
    for one in &rebuilt {
        let line = format!(
            "{}: {} events read, {} batches, {} keys and {} rows about drifts and runs mended\n",
            one.workspace, one.events, one.mended_batches, one.mended_keys, one.mended_lifecycle
        );
        print(&line)?;
    }
    Ok(Done::Well)
}

pub(super) async fn export(store: &Store, out: Option<PathBuf>) -> anyhow::Result<Done> {
    match out {
        Some(path) => {
            let file = File::create(&path)
                .await
                .with_context(|| format!("cannot create {}", path.display()))?;
            let mut file = BufWriter::new(file);
            store.export(&mut file).await?;
            file.flush().await?;
            file.get_ref().sync_all().await?;
        }
        None => {
            store.export(&mut tokio::io::stdout()).await?;
        }
    }
    Ok(Done::Well)
}

pub(super) async fn import(
    store: &Store,
    from: Option<PathBuf>,
    json: bool,
) -> anyhow::Result<Done> {
    store
        .migrate()
        .await
        .context("cannot migrate the database")?;
    let imported = match from {
        Some(path) => {
            let file = File::open(&path)
                .await
                .with_context(|| format!("cannot open {}", path.display()))?;
            store.import(BufReader::new(file)).await?
        }
        None => store.import(BufReader::new(tokio::io::stdin())).await?,
    };
    if json {
        print_json(&imported)
    } else {
        print(&format!(
            "{} events in {} workspaces\n",
            imported.events, imported.workspaces
        ))
    }
}

pub(super) async fn erase(store: &Store, args: EraseArgs) -> anyhow::Result<Done> {
    let reason = match args.what {
        What { key: Some(key), .. } => Erasure::Key { key },
        What {
            service: Some(service),
            ..
        } => Erasure::Service { service },
        What { before, .. } => Erasure::Age {
            before: before.context("--before needs a day")?.start(),
        },
    };
    let erased = store.erase(&args.workspace, &reason, Micros::now()).await?;
    if args.json {
        print_json(&erased)
    } else {
        print(&format!(
            "{} payloads and {} batches erased\n",
            erased.reports, erased.batches
        ))
    }
}

pub(super) async fn retain(store: &Store, settings: &Settings, json: bool) -> anyhow::Result<Done> {
    let done = store.retain(&settings.retention, Micros::now()).await?;
    if json {
        let rows: Vec<_> = done.iter().map(|(workspace, erased)| json!({"workspace": workspace, "reports": erased.reports, "batches": erased.batches})).collect();
        return print_json(&rows);
    }
    for (workspace, erased) in done {
        print(&format!(
            "{workspace}: {} payloads and {} batches forgotten\n",
            erased.reports, erased.batches
        ))?;
    }
    Ok(Done::Well)
}
