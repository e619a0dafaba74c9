//! The commands. Exit codes: 0 done (a tripwire too: it is a handoff), 1 failed, 2 wrong usage, flow or configuration.

mod check;
mod cleanup;
mod digest;
mod record;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// Drives a real Chromium through flows that are data, and says when a page changed its shape.
#[derive(Parser)]
#[command(
    name = "drift-scraper",
    version,
    after_help = "Example: drift-scraper run flows/openai.toml\n\n\
        Environment: DRIFT_CHROMIUM (program), DRIFT_NO_SANDBOX=1, CDP_URL (a running browser, http://127.0.0.1:9222),\n\
        DRIFT_STATE (folder for what a later run needs), DRIFT_LOG (warn); and the variables that a flow names, each\n\
        also as NAME_FILE."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a flow; one JSON object per line on standard output, the last one says how it ended
    #[command(
        after_help = "Example: drift-scraper run flows/openai.toml --until signup-form\n\n\
            The last line is `success` with the key, `tripwire` (the page changed; exit 0) or `error` with a code.\n\
            A flow without a key, or one that --until stopped, ends with the error code `done` and exit 0."
    )]
    Run(run::Args),
    /// Check a flow file without a browser; every fault with its line and column
    #[command(after_help = "Example: drift-scraper check flows/openai.toml")]
    Check {
        #[arg(required = true)]
        flows: Vec<PathBuf>,
        /// One JSON object for programs
        #[arg(long)]
        json: bool,
    },
    /// Print the digest record of a page as JSON
    #[command(after_help = "Example: drift-scraper digest https://example.com --hash")]
    Digest {
        /// An address, or an HTML file
        page: String,
        /// Only the shape's hash, the `dom_digest` of a report
        #[arg(long, conflicts_with = "snapshot")]
        hash: bool,
        /// The whole page as text, for a person to read
        #[arg(long)]
        snapshot: bool,
    },
    /// Remove at the provider what earlier runs of a flow created
    #[command(after_help = "Example: drift-scraper cleanup flows/openai.toml")]
    Cleanup(cleanup::Args),
    /// Watch a person use a page, and write a first draft of a flow
    #[command(
        after_help = "Example: drift-scraper record https://example.com/signup --out flows/example.toml\n\n\
            Opens a window, or a tab in the browser at CDP_URL. Close it, or press Ctrl-C, when you are done."
    )]
    Record(record::Args),
}

/// How a command ends when there is no error to explain.
pub(crate) enum Done {
    Well,
    /// It ran, and the answer is no.
    Badly,
    /// Nothing ran: what we were given is wrong.
    Misused,
}

pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let settings = Settings::from_process();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&settings.log).unwrap_or_default())
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match run(cli.command, &settings) {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Badly) => ExitCode::from(1),
        Ok(Done::Misused) => ExitCode::from(2),
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::from(1)
        }
    }
}

fn run(command: Command, settings: &Settings) -> anyhow::Result<Done> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match command {
        Command::Check { flows, json } => check::run(&flows, json),
        Command::Run(args) => runtime.block_on(run::run(args, settings)),
        Command::Digest {
            page,
            hash,
            snapshot,
        } => {
            let show = match (hash, snapshot) {
                (true, _) => digest::Show::Hash,
                (_, true) => digest::Show::Snapshot,
                _ => digest::Show::Record,
            };
            runtime.block_on(digest::run(&page, show, settings))
        }
        Command::Cleanup(args) => runtime.block_on(cleanup::run(args, settings)),
        Command::Record(args) => runtime.block_on(record::run(args, settings)),
    }
}

/// Standard output, where a broken pipe is the reader's business.
fn print(text: &str) -> anyhow::Result<Done> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Done::Well),
    }
}

#[expect(clippy::print_stderr, reason = "the one place that talks to a person")]
fn say(text: &str) {
    for line in text.lines() {
        eprintln!("drift-scraper: {line}");
    }
}

/// Ctrl-C or SIGTERM: whoever started us wants us gone.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
