//! The commands. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use drift_client::config::{Environment, Problems};
use drift_client::scraper::{Supervisor, supervise_if_asked};
use drift_client::scrapers::Scrapers;
use drift_schema::run::{IssueState, IssueToAsk, Work};
use drift_schema::{Micros, Service};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::config::{Flags, Settings, TrackerSettings, variables};
use crate::doctor::{self, Health};
use crate::replay::Stage;
use crate::telemetry::{Metrics, Telemetry};
use crate::tick::{Due, Runner, Summary, Wanted, due, words};
use crate::tracker::github::Github;
use crate::tracker::local::Local;
use crate::tracker::{Board, Tracker};
use crate::{daemon, telemetry};

/// Replays what was reported, and keeps one issue for each page that changed.
#[derive(Parser)]
#[command(
    name = "drift-runner",
    version,
    after_help = format!("Example: drift-runner tick\n\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration\n\n{}", variables())
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One pass: replay what was reported, and tell it in issues. Nothing reported: one request, and done
    #[command(after_help = "Example: drift-runner tick --json\n\n\
            With --json a summary with one entry for each drift that was claimed.\n\
            Exits with 0 when all that could be done was done; what is withheld (paused, budget, cool-down, no scraper) or was judged\n\
            without an issue (blocked, auth, infra) is said and is no failure. Exits with 1 when something waits for the next pass because\n\
            a call failed: the line or `error` beside it says which and why.")]
    Tick {
        /// Only this service
        #[arg(long)]
        service: Option<Service>,
        #[command(flatten)]
        pass: Pass,
    },
    /// The same pass again and again, as DRIFT_SCHEDULE says; SIGTERM finishes the one that runs
    #[command(after_help = "Example: DRIFT_SCHEDULE='0 17 * * * *' drift-runner daemon")]
    Daemon,
    /// What a pass would do. Changes nothing
    #[command(after_help = "Example: drift-runner check --json | jq .due\n\n\
            `due` says whether a pass would find something to do: work, or an open issue of which no webhook would tell that it was closed.\n\
            `withheld`, `budget` and `allowed` of a service, why its replays are not.")]
    Check {
        /// Only this service
        #[arg(long)]
        service: Option<Service>,
        #[arg(long)]
        json: bool,
    },
    /// Replay by hand, reported or not, within the budget
    #[command(
        after_help = "Example: drift-runner replay --service openai\n         drift-runner replay --all --json"
    )]
    Replay {
        #[arg(long, required_unless_present = "all")]
        service: Option<Service>,
        /// Every service of scrapers.toml
        #[arg(long, conflicts_with = "service")]
        all: bool,
        #[command(flatten)]
        pass: Pass,
    },
    /// Check backend, key, scrapers, browser and the rights at GitHub; say what is missing
    #[command(
        after_help = "Example: drift-runner doctor\n\nReads only. Exits with 1 if something is missing."
    )]
    Doctor {
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Pass {
    #[arg(long)]
    json: bool,
    /// Services side by side, instead of DRIFT_CONCURRENCY
    #[arg(long)]
    concurrency: Option<usize>,
}

/// What a command ends with when it is not an error of ours to explain.
#[derive(Clone, Copy)]
enum Done {
    Well,
    /// It ran, and something was left undone, which it has said.
    Badly,
}

pub fn main() -> ExitCode {
    // Before anything else: a supervisor of a scraper has no business of its own.
    if let Some(code) = supervise_if_asked() {
        return code;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Cli::parse().command) {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Badly) => ExitCode::from(1),
        Err(error) => {
            say_error(&error);
            ExitCode::from(if error.is::<Problems>() { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> anyhow::Result<Done> {
    let environment = Environment::of_process();
    let concurrency = match &command {
        Command::Tick { pass, .. } | Command::Replay { pass, .. } => pass.concurrency,
        _ => None,
    };
    let without_tracker = matches!(command, Command::Check { .. });
    let flags = Flags {
        concurrency,
        without_tracker,
    };
    let settings = Settings::read(&environment, &flags)?;
    let telemetry = telemetry::start(&settings.log, settings.log_json, &settings.otel)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let Telemetry { metrics, exporters } = telemetry;
    let done = runtime.block_on(async {
        let api = Api::new(
            settings.api.clone(),
            settings.key.clone(),
            settings.patience,
        )?;
        match command {
            Command::Check { service, json } => {
                let mut work = api.work().await?;
                if let Some(service) = service {
                    work = Wanted::Only(service).of(work);
                }
                check(work, &Scrapers::read(&settings.scrapers)?, json)
            }
            Command::Doctor { json } => examine(&settings, &environment, &api, json).await,
            Command::Tick { service, pass } => {
                let wanted = service.map_or(Wanted::Reported, Wanted::Only);
                tick(
                    &runner(&settings, environment, api, metrics)?,
                    &wanted,
                    pass.json,
                )
                .await
            }
            Command::Replay {
                service,
                all: _,
                pass,
            } => {
                let runner = runner(&settings, environment, api, metrics)?;
                let services = match service {
                    Some(service) if runner.scrapers.get(&service).is_none() => {
                        return Err(Problems::one(format!(
                            "{} has no scraper for {service}",
                            settings.scrapers.display()
                        ))
                        .into());
                    }
                    Some(service) => vec![service],
                    None => runner
                        .scrapers
                        .iter()
                        .map(|(service, _)| service.clone())
                        .collect(),
                };
                tick(&runner, &Wanted::ByHand(services), pass.json).await
            }
            Command::Daemon => {
                let runner = runner(&settings, environment, api, metrics)?;
                let running = daemon::run(&runner, &settings.schedule, settings.jitter);
                until_stopped(&runner.stop, running)
                    .await?
                    .map(|()| Done::Well)
            }
        }
    });
    runtime.shutdown_background();
    exporters.shutdown();
    done
}

fn runner(
    settings: &Settings,
    environment: Environment,
    api: Api,
    metrics: Metrics,
) -> anyhow::Result<Runner> {
    let board: Box<dyn Board> = match &settings.tracker {
        TrackerSettings::Local(folder) => Box::new(Local::at(folder)),
        TrackerSettings::Github(github) => Box::new(Github::new(github.clone())?),
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = settings
        .name
        .clone()
        .unwrap_or_else(|| format!("{}:{}", host.trim(), std::process::id()));
    Ok(Runner {
        api,
        pages: settings.pages.clone(),
        tracker: Tracker::new(board),
        scrapers: Scrapers::read(&settings.scrapers)?,
        stage: Stage {
            environment,
            supervisor: Supervisor::this_program().context("cannot find this program")?,
        },
        limits: settings.limits.clone(),
        name,
        metrics,
        stop: CancellationToken::new(),
    })
}

/// Runs something that SIGTERM or Ctrl-C tells to stop; a second one stops at once.
async fn until_stopped<T>(
    stop: &CancellationToken,
    running: impl Future<Output = T>,
) -> anyhow::Result<T> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let mut impatient = std::pin::pin!(async {
        for told in [
            "told to stop: what runs is finished, once more stops at once",
            "stopped at once",
        ] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("{told}");
            stop.cancel();
        }
    });
    tokio::select! {
        done = running => Ok(done),
        // What was left is taken up when the leases end.
        () = &mut impatient => anyhow::bail!("stopped at once; another pass takes over when the leases end"),
    }
}

async fn tick(runner: &Runner, wanted: &Wanted, json: bool) -> anyhow::Result<Done> {
    let summary: Summary = until_stopped(&runner.stop, runner.tick(wanted)).await??;
    if json {
        print_json(&summary)?;
    } else {
        print(&summary.lines())?;
    }
    Ok(if summary.has_failed() {
        Done::Badly
    } else {
        Done::Well
    })
}

#[derive(Serialize)]
struct Checked {
    /// Whether a pass would find something to do now.
    due: bool,
    as_of: Micros,
    services: Vec<Due>,
    ask: Vec<IssueToAsk>,
}

fn check(work: Work, scrapers: &Scrapers, json: bool) -> anyhow::Result<Done> {
    let Work {
        as_of,
        services,
        ask,
        is_daily,
    } = work;
    let services = services.into_iter();
    let services: Vec<Due> = services.map(|work| due(work, scrapers, as_of)).collect();
    if json {
        let work = services.iter().any(|service| service.due);
        // Of a closed one it is news that somebody reopened it, and that has time.
        let open = |ask: &IssueToAsk| ask.issue.state == IssueState::Open;
        print_json(&Checked {
            due: work || is_daily || ask.iter().any(open),
            as_of,
            services,
            ask,
        })?;
        return Ok(Done::Well);
    }
    let mut text = String::new();
    for Due { allowed, work, .. } in &services {
        let service = &work.service;
        for drift in &work.drifts {
            let task = serde_json::to_value(drift.task)?;
            text += &format!(
                "{service} {}: {}, {}\n",
                drift.step,
                task.as_str().unwrap_or_default(),
                plural(drift.reports, "report")
            );
        }
        if let Some(withheld) = &work.withheld {
            text += &format!("{service}: replays are withheld, {}\n", words(withheld));
        }
        if let (Some(allowed), 1..) = (allowed, work.budget.today) {
            let (today, most) = (work.budget.today, allowed.per_day);
            text += &format!("{service}: {today} of {most} replays of today are used\n");
        }
    }
    if !ask.is_empty() {
        let issues = plural(ask.len() as i64, "issue");
        text += &format!("{issues} to be asked about\n");
    }
    print(if text.is_empty() {
        "Nothing to do.\n"
    } else {
        &text
    })?;
    Ok(Done::Well)
}

fn plural(number: i64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {one}{s}")
}

async fn examine(
    settings: &Settings,
    environment: &Environment,
    api: &Api,
    json: bool,
) -> anyhow::Result<Done> {
    let checks = doctor::examine(settings, environment, api).await;
    let ill = checks.iter().any(|check| check.health == Health::Ill);
    if json {
        print_json(&checks)?;
    } else {
        for check in &checks {
            let mark = match check.health {
                Health::Well => "ok  ",
                Health::Doubtful => "?   ",
                Health::Ill => "FAIL",
            };
            print(&format!("{mark} {}: {}\n", check.what, check.says))?;
        }
    }
    Ok(if ill { Done::Badly } else { Done::Well })
}

/// Standard output, where a broken pipe is the reader's business.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where a command says why it failed"
)]
fn say_error(error: &anyhow::Error) {
    eprintln!("drift-runner: {error:#}");
}
