//! The commands. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 the page has changed.

mod audit;
mod progress;
mod provision;
mod report;
mod telemetry;

use std::panic::PanicHookInfo;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use drift_schema::{Service, TripwireKind};

use crate::config::{Environment, Problems, Settings, VARIABLES};
use crate::mcp;
use crate::scraper::{Supervisor, supervise_if_asked};

const EXAMPLES: &str = "\
Examples:
  agentkeys provision openai
  agentkeys provision openai --force --json
  agentkeys telemetry status

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 the page has changed (a tripwire)";

/// Gets API keys by scraper, and stays calm when a page has changed.
#[derive(Parser)]
#[command(name = "agentkeys", version, after_help = format!("{EXAMPLES}\n\n{VARIABLES}"))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Get a key for a service: the stored one if it still works, else a new one by its scraper
    #[command(
        after_help = "Example: agentkeys provision openai\n\nThe masked key goes to standard output, progress to standard error.\nExit codes: 0 there is a key, 1 failed, 2 wrong usage or configuration, 3 the page has changed: see the message and the fallback file."
    )]
    Provision {
        service: Service,
        /// Make a new key even if the stored one works
        #[arg(long)]
        force: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Report a changed page by hand or from a script, if telemetry is on
    #[command(
        after_help = "Example: agentkeys report --service openai --step signup-form --kind selector-missing \\\n           --digest \"$(sha256sum < page.txt | cut -d ' ' -f 1)\" --url https://platform.openai.com/signup\n\nExits with 0 also when telemetry is off (then nothing is sent) or the backend is away (then it is queued)."
    )]
    Report(report::Args),
    /// Reports of changed pages: what waits, what was sent, what would be
    #[command(subcommand)]
    Telemetry(telemetry::Command),
    /// Show what was done on this machine
    #[command(after_help = "Example: agentkeys audit --service openai --last 20")]
    Audit(audit::Args),
    /// Serve the MCP tools agentkeys.provision and agentkeys.drift_known on standard input and output
    #[command(
        after_help = "Example, in an MCP client's configuration: {\"command\": \"agentkeys\", \"args\": [\"mcp\"]}"
    )]
    Mcp,
    /// Print completions for a shell
    #[command(
        after_help = "Example: agentkeys completions bash > /etc/bash_completion.d/agentkeys"
    )]
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    #[command(after_help = "Example: agentkeys man > /usr/local/share/man/man1/agentkeys.1")]
    Man,
}

pub fn main() -> ExitCode {
    // Before anything else: a supervisor has no business of its own.
    if let Some(code) = supervise_if_asked() {
        return code;
    }
    std::panic::set_hook(Box::new(say_panic));
    let cli = Cli::parse();
    match std::panic::catch_unwind(|| run(cli)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            say(&format!("{error:#}"));
            ExitCode::from(if error.is::<Problems>() { 2 } else { 1 })
        }
        // The hook has told it.
        Err(_) => ExitCode::from(1),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "agentkeys", &mut text);
            return print(&String::from_utf8_lossy(&text));
        }
        Command::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            return print(&String::from_utf8_lossy(&text));
        }
        _ => {}
    }
    let settings = Settings::read(Environment::of_process())?;
    let supervisor = Supervisor::this_program().context("cannot find this program")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let done = runtime.block_on(async {
        match cli.command {
            Command::Provision {
                service,
                force,
                json,
            } => provision::run(settings, supervisor, &service, force, json).await,
            Command::Report(args) => report::run(&settings, &supervisor, args).await,
            Command::Telemetry(command) => telemetry::run(&settings, &supervisor, command).await,
            Command::Audit(args) => audit::run(&settings, &args),
            Command::Mcp => mcp::serve(settings, supervisor).await,
            Command::Completions { .. } | Command::Man => Ok(ExitCode::SUCCESS),
        }
    });
    // A thread that still exports has its own limit; nobody waits for it here.
    runtime.shutdown_background();
    done
}

/// Standard output, where a broken pipe is the reader's business.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    let mut stdout = std::io::stdout();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<ExitCode> {
    print(&(serde_json::to_string(value)? + "\n"))
}

/// As the protocol writes it.
fn kind_name(kind: TripwireKind) -> &'static str {
    match kind {
        TripwireKind::SelectorMissing => "selector-missing",
        TripwireKind::UnexpectedNav => "unexpected-nav",
        TripwireKind::Timeout => "timeout",
    }
}

/// Standard error, for people.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "agentkeys: {text}");
}

/// Where it happened, and nothing of what was at hand: that could be a key.
fn say_panic(info: &PanicHookInfo<'_>) {
    say(&panic_text(info.location().map(ToString::to_string)));
}

fn panic_text(place: Option<String>) -> String {
    format!(
        "an error of agentkeys itself, at {}. What was stored is whole; please report this line.",
        place.as_deref().unwrap_or("an unknown place")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_panic_is_told_without_its_words() {
        let told = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let ear = told.clone();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            *ear.lock().unwrap() = panic_text(info.location().map(ToString::to_string));
        }));
        let key = "sk-or-v1-do-not-tell";
        let panicked = std::panic::catch_unwind(|| panic!("bad key {key}"));
        std::panic::set_hook(before);
        assert!(panicked.is_err());
        let told = told.lock().unwrap();
        assert!(told.contains("cli.rs") && !told.contains("sk-or"), "{told}");
    }
}
