//! `drift-api key …`. Works on the database, also beside a running server, which notices within seconds.

use std::time::Duration;

use anyhow::Context as _;
use drift_schema::{Micros, Scope, Workspace};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Done, print, print_json, say};
use crate::keys::Fresh;
use crate::store::{KeyRow, NewKey, Store};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a key; it is shown this once
    #[command(after_help = "Example: drift-api key create --scope ingest --name laptops")]
    Create {
        /// ingest, read, runner or admin; may be given several times
        #[arg(long = "scope", required = true, value_delimiter = ',')]
        scopes: Vec<Scope>,
        /// What it is for
        #[arg(long)]
        name: String,
        /// The tenant that it belongs to
        #[arg(long, default_value = "default")]
        workspace: Workspace,
        /// Reports per second, instead of DRIFT_RATE_PER_KEY
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        rate: Option<u32>,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// List keys, revoked ones included
    #[command(after_help = "Example: drift-api key list --json")]
    List {
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Stop a key
    #[command(after_help = "Example: drift-api key revoke 0123456789ab")]
    Revoke {
        /// As `key list` has it
        id: String,
    },
    /// Make a successor with the same rights, and stop the old key after an overlap
    #[command(after_help = "Example: drift-api key rotate 0123456789ab --overlap 7d")]
    Rotate {
        /// As `key list` has it
        id: String,
        /// How long the old key goes on working
        #[arg(long, default_value = "24h", value_parser = crate::config::duration)]
        overlap: Duration,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: Command, store: &Store) -> anyhow::Result<Done> {
    // A key may be made before the server's first start.
    if matches!(command, Command::Create { .. }) {
        store
            .migrate()
            .await
            .context("cannot migrate the database")?;
    }
    let now = Micros::now();
    match command {
        Command::Create {
            scopes,
            name,
            workspace,
            rate,
            json,
        } => {
            let fresh = Fresh::draw()?;
            let is_first = store.keys().await?.is_empty();
            let new = NewKey {
                id: fresh.id.clone(),
                name,
                scopes: scopes.clone(),
                hash: fresh.hash.clone(),
                rate,
                by: None,
            };
            store.create_key(&workspace, new, now).await?;
            if is_first {
                say(
                    "the first key of this database: a server that is running on another one does not know it",
                );
            }
            show(&fresh, &scopes, json)
        }
        Command::List { json } => {
            let keys = store.keys().await?;
            if json {
                print_json(&keys)
            } else {
                print(&table(&keys))
            }
        }
        Command::Revoke { id } => {
            store.revoke_key(&id, now, now).await?;
            print(&format!(
                "{id} is revoked; servers notice within seconds.\n"
            ))
        }
        Command::Rotate { id, overlap, json } => {
            let fresh = Fresh::draw()?;
            let overlap = i64::try_from(overlap.as_micros()).unwrap_or(i64::MAX);
            let until = Micros(now.0.saturating_add(overlap));
            let scopes = store
                .rotate_key(&id, fresh.id.clone(), fresh.hash.clone(), until, now)
                .await?;
            show(&fresh, &scopes, json)
        }
    }
}

/// The key alone on a line, so that a script can take it as it is.
fn show(fresh: &Fresh, scopes: &[Scope], json: bool) -> anyhow::Result<Done> {
    let key = fresh.key.expose_secret();
    if json {
        print_json(&json!({"id": fresh.id, "key": key, "scopes": scopes}))
    } else {
        print(&format!("{key}\n"))
    }
}

fn table(keys: &[KeyRow]) -> String {
    let mut text = format!(
        "{:<12}  {:<12}  {:<16}  {:<27}  {:<27}  NAME\n",
        "ID", "WORKSPACE", "SCOPES", "LAST USED", "REVOKED"
    );
    for key in keys {
        let scopes = key
            .scopes
            .iter()
            .map(|scope| scope.as_str())
            .collect::<Vec<_>>()
            .join(",");
        let time =
            |time: Option<Micros>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
        text += &format!(
            "{:<12}  {:<12}  {scopes:<16}  {:<27}  {:<27}  {}\n",
            key.id,
            key.workspace.as_str(),
            time(key.last_used_at),
            time(key.revoked_at),
            key.name.escape_debug()
        );
    }
    text
}
