//! The commands that look after the log: verify, rebuild, export, import, erase, retain.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use drift_schema::event::Erasure;
use drift_schema::{Day, Micros, Service, Workspace};
use serde_json::json;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};

use super::{Done, counted, print, print_json, say};
use crate::artifacts::Artifacts;
use crate::config::Settings;
use crate::retention;
use crate::store::Store;
use crate::telemetry::causes;

#[derive(clap::Args)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    what: What,
    /// Of which tenant
    #[arg(long, default_value = "default")]
    workspace: Workspace,
    /// Print JSON, for programs
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
                "{}: {} ({} erased), {}\n",
                one.workspace,
                events(one.events),
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
            "{}: {} read, {}, {} and {} about drifts and runs mended\n",
            one.workspace,
            events(one.events),
            batches(one.mended_batches),
            keys(one.mended_keys),
            rows(one.mended_lifecycle)
        );
        print(&line)?;
    }
    Ok(Done::Well)
}

pub(super) async fn export(store: &Store, out: Option<PathBuf>) -> anyhow::Result<Done> {
    match out {
        Some(path) => {
            // The log says who uses which scraper, and has the hashes of keys. An older file keeps its mode when it is opened.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let file = options
                .open(&path)
                .await
                .with_context(|| format!("cannot create {}", path.display()))?;
            file.set_permissions(Permissions::from_mode(0o600))
                .await
                .with_context(|| format!("cannot keep {} to its owner", path.display()))?;
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
            "{} in {}\n",
            events(imported.events),
            counted(imported.workspaces as u64, "workspace", "workspaces")
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
    // A mistyped name must not look like one of which nothing is left.
    match &reason {
        Erasure::Key { key } => {
            let keys = store.keys().await?;
            let is_there = keys
                .iter()
                .any(|known| known.id == *key && known.workspace == args.workspace);
            anyhow::ensure!(
                is_there,
                "there is no key {} in workspace {}: see `drift-api key list`",
                key.escape_debug(),
                args.workspace
            );
        }
        Erasure::Service { service } => anyhow::ensure!(
            store.knows_service(&args.workspace, service).await?,
            "nothing was ever reported of {service} in workspace {}",
            args.workspace
        ),
        Erasure::Age { .. } | Erasure::Count { .. } => {}
    }
    let erased = store.erase(&args.workspace, &reason, Micros::now()).await?;
    if args.json {
        print_json(&erased)
    } else {
        print(&format!(
            "{} and {} erased\n",
            payloads(erased.reports),
            batches(erased.batches)
        ))
    }
}

pub(super) async fn retain(store: &Store, settings: &Settings, json: bool) -> anyhow::Result<Done> {
    let artifacts =
        Artifacts::open(&settings.artifacts.place).context("cannot open DRIFT_ARTIFACTS_URL")?;
    let done = retention::apply(store, &artifacts, &settings.retention, Micros::now()).await?;
    if json {
        let rows: Vec<_> = done.iter().map(|(workspace, erased)| json!({"workspace": workspace, "reports": erased.reports, "batches": erased.batches, "artifacts": erased.artifacts})).collect();
        return print_json(&rows);
    }
    for (workspace, erased) in done {
        print(&format!(
            "{workspace}: {}, {} and {} forgotten\n",
            payloads(erased.reports),
            batches(erased.batches),
            counted(erased.artifacts, "piece of evidence", "pieces of evidence")
        ))?;
    }
    Ok(Done::Well)
}

fn events(number: impl Into<i128>) -> String {
    counted(number, "event", "events")
}

fn batches(number: impl Into<i128>) -> String {
    counted(number, "batch", "batches")
}

fn keys(number: impl Into<i128>) -> String {
    counted(number, "key", "keys")
}

fn rows(number: impl Into<i128>) -> String {
    counted(number, "row", "rows")
}

fn payloads(number: impl Into<i128>) -> String {
    counted(number, "payload", "payloads")
}
