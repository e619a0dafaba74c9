//! The command line, and what follows from it: which programs to measure and where the databases lie.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::random::IdVersion;

/// Measures the drift tracker against limits that are measured in the same run.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example: cargo run --release -p drift-bench -- ingest --database sqlite --seconds 10"
)]
pub struct Options {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// One report per request: rate, latency, one hot drift, a slow disk
    Ingest {
        #[command(flatten)]
        common: Common,
        /// Stop after H, D, L and the bare commit: needs no drift-api
        #[arg(long)]
        limits_only: bool,
        /// Leave out the runs on a slow disk
        #[arg(long)]
        no_slow_disk: bool,
    },
    /// A thousand reports per request
    Batch {
        #[command(flatten)]
        common: Common,
        /// Reports per request
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
        lines: u16,
    },
    /// A full store against an empty one
    Flat {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        size: Size,
        /// Run `verify` over the full store at the end
        #[arg(long)]
        verify: bool,
    },
    /// verify and rebuild against a plain read of the log
    Log {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        size: Size,
    },
    /// The pages for people on a large store, and a crowd that watches the log
    Pages {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        size: Size,
        /// People who watch the log
        #[arg(long, default_value_t = 1_000)]
        viewers: usize,
    },
    /// Memory, and the time from start to ready
    Size {
        #[command(flatten)]
        common: Common,
        /// Open connections under full load
        #[arg(long, default_value_t = 10_000)]
        crowd: usize,
    },
    /// A pass of the runner: with nothing to do, and with five hundred fresh drifts
    Tick {
        #[command(flatten)]
        common: Common,
        /// The drift-runner to measure [default: the one beside this program]
        #[arg(long)]
        runner: Option<PathBuf>,
        /// How often the empty pass runs
        #[arg(long, default_value_t = 40)]
        passes: usize,
    },
    /// Handing out the work of a service with a million batches in the store
    Claim {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        size: Size,
    },
    /// What agentkeys costs its caller: a flood, one tripwire, an unreachable backend
    Client(ClientArgs),
    /// A scraper that writes so many MiB of progress (started by `client`)
    #[command(hide = true)]
    Flood {
        mebibytes: u64,
        #[arg(long)]
        in_turn: bool,
    },
    /// The digest of a page, from a browser's answers to the record, and beside fetching them from Chromium
    Digest {
        /// Length of the whole run
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        /// Folder of saved pages (*.html) to fetch [default: those of the tests]
        #[arg(long)]
        pages: Option<PathBuf>,
        /// Print JSON instead of tables
        #[arg(long)]
        json: bool,
    },
    /// From the start of drift-scraper to its tripwire, and its memory
    Scraper {
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
        rounds: u16,
        /// Print JSON instead of tables
        #[arg(long)]
        json: bool,
    },
    /// Fills the store behind --url with a valid log and stops
    Seed {
        /// Of a migrated, empty store
        #[arg(long)]
        url: String,
        #[command(flatten)]
        size: Size,
    },
    /// The server that parses, validates and answers without storing (started by the others)
    #[command(hide = true)]
    HServer {
        #[command(flatten)]
        listen: Listen,
    },
    /// The server with one transaction per request (started by the others)
    #[command(hide = true)]
    TxServer {
        #[command(flatten)]
        listen: Listen,
        #[arg(long)]
        url: String,
        #[arg(long)]
        pool: u32,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// Size of the flood
    #[arg(long, default_value_t = 2_000)]
    pub mebibytes: u64,
    /// How often each command runs (a quarter of it where a scraper works for half a second)
    #[arg(long, default_value_t = 40)]
    pub rounds: usize,
    /// The agentkeys to measure [default: the one beside this program]
    #[arg(long)]
    pub agentkeys: Option<PathBuf>,
    /// Where homes lie; must be on a real disk [default: the target directory]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

impl ClientArgs {
    pub fn program(&self) -> Result<PathBuf> {
        match &self.agentkeys {
            Some(path) => Ok(path
                .canonicalize()
                .with_context(|| format!("no {}", path.display()))?),
            None => built("drift-client", "agentkeys"),
        }
    }

    pub fn directory(&self) -> Result<PathBuf> {
        bench_directory(self.dir.as_ref())
    }
}

#[derive(Debug, Clone, Args)]
pub struct Listen {
    #[arg(long)]
    pub listen: std::net::SocketAddr,
    /// Worker threads [default: one per core, as actix has it]
    #[arg(long)]
    pub workers: Option<usize>,
}

impl Listen {
    pub fn workers(&self) -> usize {
        self.workers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

#[derive(Debug, Clone, Copy, Args)]
pub struct Size {
    /// Reports in the seeded log [default: 10,000,000 for flat and pages, 1,000,000 for log]
    #[arg(long)]
    pub events: Option<u64>,
    /// Batches that they add up to [default: a tenth of the events]
    #[arg(long)]
    pub batches: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Databases {
    Sqlite,
    Postgres,
    Both,
}

#[derive(Debug, Clone, Args)]
pub struct Common {
    #[arg(long, value_enum, default_value = "both")]
    pub database: Databases,
    /// Length of each measurement
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Repeat the main measurements in turn and take the median of each
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
    /// Keep-alive connections [default: 64; 4 for batch]
    #[arg(long)]
    pub connections: Option<usize>,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Version of the report ids
    #[arg(long, value_enum, default_value = "v7")]
    pub ids: IdVersion,
    /// Connections of the one-transaction-per-request variant to Postgres
    #[arg(long, default_value_t = 16)]
    pub pool: u32,
    /// The server to measure [default: the drift-api beside this program]
    #[arg(long)]
    pub server: Option<PathBuf>,
    /// Where databases and logs lie; must be on a real disk [default: the target directory]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

impl Common {
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    pub fn warm_up(&self) -> Duration {
        (self.duration() / 4).min(Duration::from_secs(2))
    }

    pub fn server(&self) -> Result<PathBuf> {
        match &self.server {
            Some(path) => Ok(path
                .canonicalize()
                .with_context(|| format!("no {}", path.display()))?),
            None => built("drift-api", "drift-api"),
        }
    }

    /// A directory on the disk that is to be measured.
    pub fn directory(&self) -> Result<PathBuf> {
        bench_directory(self.dir.as_ref())
    }
}

impl Size {
    pub fn or(self, default: u64) -> (u64, u64) {
        let events = self.events.unwrap_or(default);
        (events, self.batches.unwrap_or((events / 10).max(1)))
    }
}

fn bench_directory(given: Option<&PathBuf>) -> Result<PathBuf> {
    let directory = match given {
        Some(directory) => directory.clone(),
        None => programs()?
            .parent()
            .context("no target directory")?
            .join("bench"),
    };
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory.canonicalize()?)
}

/// Where cargo put this program and its siblings.
fn programs() -> Result<PathBuf> {
    Ok(std::env::current_exe()?
        .parent()
        .context("this program is nowhere")?
        .to_owned())
}

/// A sibling that cargo has built in this profile.
pub fn built(package: &str, program: &str) -> Result<PathBuf> {
    let path = programs()?.join(program);
    if !path.is_file() {
        bail!("{program} is not built: cargo build --release -p {package}");
    }
    Ok(path)
}

/// As `built`; for a mere launcher a debug build does as well.
pub fn built_somehow(package: &str, program: &str) -> Result<PathBuf> {
    let debug = programs()?.with_file_name("debug").join(program);
    built(package, program).or_else(|error| {
        if debug.is_file() {
            Ok(debug)
        } else {
            Err(error)
        }
    })
}
