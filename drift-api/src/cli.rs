//! The commands. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

mod key;
mod log;
mod pause;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use drift_schema::action::ServiceAction;

use crate::config::{self, Problems, Settings, Sources};
use crate::store::{DatabaseUrl, Store};

/// The drift tracker's backend: takes reports of pages that changed shape, and keeps them.
#[derive(Parser)]
#[command(
    name = "drift-api",
    version,
    after_help = "Example: drift-api serve\n\nSettings come from flags, then the environment, then a file; `drift-api check-config --example` lists them."
)]
struct Cli {
    /// File of NAME=value lines, as printed by `check-config --example`
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Instead of DRIFT_DATABASE_URL
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    #[command(
        after_help = "Example: drift-api serve --listen 127.0.0.1:8080\n\nWith no configuration at all: embedded SQLite under ./drift-data, on 127.0.0.1:8080."
    )]
    Serve(serve::Args),
    /// Bring the database up to date, behind a lock
    #[command(after_help = "Example: drift-api migrate --database-url postgres://drift@db/drift")]
    Migrate,
    /// Check the configuration, and say everything that is wrong with it
    #[command(after_help = "Example: drift-api check-config --config drift.env")]
    CheckConfig {
        /// Print every setting with its default instead
        #[arg(long)]
        example: bool,
    },
    /// Create, list, rotate and revoke keys
    #[command(subcommand)]
    Key(key::Command),
    /// Switch replays off, of one service or of all; runners do the rest of their work
    #[command(
        after_help = "Example: drift-api pause --service openai\n\nWorks beside a running server, at once. Reports go on being counted."
    )]
    Pause(pause::Args),
    /// Switch replays on again
    #[command(after_help = "Example: drift-api resume --service openai")]
    Resume(pause::Args),
    /// Check the log's chain, and that the tables are what the log says
    #[command(
        after_help = "Example: drift-api verify --json\n\nExits with 1 if something is wrong. Changes nothing and holds up nobody; the page about the log shows how it ended."
    )]
    Verify {
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Make the tables what the log says they are, beside a running server
    #[command(after_help = "Example: drift-api rebuild")]
    Rebuild {
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Write the log as NDJSON
    #[command(after_help = "Example: drift-api export --out drift.ndjson")]
    Export {
        /// Instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Read an export into an empty store, of either database
    #[command(
        after_help = "Example: drift-api import drift.ndjson --database-url postgres://drift@db/drift"
    )]
    Import {
        /// Instead of standard input
        #[arg(value_name = "FILE")]
        from: Option<PathBuf>,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Erase the payloads of reports, by key, service or age
    #[command(
        after_help = "Example: drift-api erase --key 0123456789ab\n\nThe chain stays verifiable: each payload gives way to its hash."
    )]
    Erase(log::EraseArgs),
    /// Apply the retention settings now
    #[command(after_help = "Example: drift-api retain --json\n\nA running server does this daily.")]
    Retain {
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI document
    #[command(after_help = "Example: drift-api openapi > openapi.json")]
    Openapi,
}

/// What a command ends with when it is not an error of ours to explain.
enum Done {
    Well,
    /// It ran, and the answer is no.
    Badly,
}

pub fn main() -> ExitCode {
    // Two libraries that speak TLS must agree on one provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Cli::parse()) {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Badly) => ExitCode::from(1),
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::from(if error.is::<Problems>() { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Done> {
    let mut sources = Sources::from_process();
    if let Some(path) = &cli.config {
        sources.read_file(path);
    }
    sources.flag("DRIFT_DATABASE_URL", cli.database_url);
    match cli.command {
        Command::Serve(args) => serve::run(args, sources),
        Command::CheckConfig { example: true } => print(&config::example()),
        Command::CheckConfig { example: false } => {
            Settings::read(&sources)?;
            print("The configuration is fine.\n")
        }
        Command::Openapi => print(&(crate::http::openapi_json()? + "\n")),
        Command::Migrate => with_store(&sources, async |store, _| {
            store.migrate().await.context("cannot migrate")?;
            print("The database is up to date.\n")
        }),
        // A key may be made before the server's first start.
        Command::Key(command @ key::Command::Create { .. }) => {
            with_store(&sources, async |store, _| key::run(command, &store).await)
        }
        Command::Key(command) => {
            with_tables(&sources, async |store, _| key::run(command, &store).await)
        }
        Command::Pause(args) => with_tables(&sources, async |store, _| {
            pause::run(&store, args, ServiceAction::Pause {}).await
        }),
        Command::Resume(args) => with_tables(&sources, async |store, _| {
            pause::run(&store, args, ServiceAction::Resume {}).await
        }),
        Command::Verify { json } => {
            with_tables(&sources, async |store, _| log::verify(&store, json).await)
        }
        Command::Rebuild { json } => {
            with_tables(&sources, async |store, _| log::rebuild(&store, json).await)
        }
        Command::Export { out } => {
            with_tables(&sources, async |store, _| log::export(&store, out).await)
        }
        Command::Import { from, json } => with_store(&sources, async |store, _| {
            log::import(&store, from, json).await
        }),
        Command::Erase(args) => {
            with_tables(&sources, async |store, _| log::erase(&store, args).await)
        }
        Command::Retain { json } => with_tables(&sources, async |store, settings| {
            log::retain(&store, &settings, json).await
        }),
    }
}

/// Runs a command on a database that is there and up to date: a mistyped path must not look like an empty store.
fn with_tables<F: AsyncFnOnce(Store, Settings) -> anyhow::Result<Done>>(
    sources: &Sources,
    command: F,
) -> anyhow::Result<Done> {
    if let DatabaseUrl::Sqlite(path) = &Settings::read(sources)?.database {
        anyhow::ensure!(
            path.exists(),
            "there is no database at {}: check DRIFT_DATABASE_URL, or make one with `drift-api migrate`",
            path.display()
        );
    }
    with_store(sources, async |store, settings| {
        anyhow::ensure!(
            store.is_migrated().await?,
            "the database is not up to date: run `drift-api migrate`"
        );
        command(store, settings).await
    })
}

/// Runs a command on the configured database, which may be in use by servers.
fn with_store<F: AsyncFnOnce(Store, Settings) -> anyhow::Result<Done>>(
    sources: &Sources,
    command: F,
) -> anyhow::Result<Done> {
    let settings = Settings::read(sources)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = Store::open(&settings.database)?;
        let done = command(store.clone(), settings).await;
        store.close().await;
        done
    })
}

/// Standard output, where a broken pipe is the reader's business.
fn print(text: &str) -> anyhow::Result<Done> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(Done::Well),
    }
}

/// A number with its noun.
fn counted(number: impl Into<i128>, one: &str, many: &str) -> String {
    match number.into() {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<Done> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where a command says what is not its output"
)]
fn say(text: &str) {
    eprintln!("drift-api: {text}");
}
