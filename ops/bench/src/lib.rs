//! Benchmarks that print each number beside a limit measured in the same run. README.md says what they mean.

pub mod answer;
pub mod bare;
pub mod corpus;
pub mod database;
pub mod histogram;
pub mod limits;
pub mod load;
pub mod options;
pub mod pace;
pub mod plain_read;
pub mod process;
pub mod random;
pub mod report;
pub mod runs;
pub mod seed;
pub mod server;
pub mod slow_disk;
pub mod stand_in;
pub mod traffic;

use anyhow::{Result, bail};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::{Common, What};
use crate::report::{Findings, Table};
use crate::runs::{batch, claim, client, digest, flat, ingest, log, pages, scraper, size, tick};

/// What was found, and none where there is nothing to print: a server that has ended, a seeded store, or another
/// process that did the work and has printed it.
pub fn run(what: What) -> Result<Option<Findings>> {
    let servers = actix_web::rt::System::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match what {
        What::HServer { listen } => servers
            .block_on(stand_in::parse_and_answer(&listen))
            .map(|()| None),
        What::TxServer { listen, url, pool } => servers
            .block_on(stand_in::transaction_per_request(&listen, &url, pool))
            .map(|()| None),
        What::Client(args) => Ok(Some(Findings {
            machine: process::machine(&args.directory()?),
            tables: client::run(&args)?,
            as_json: args.json,
        })),
        What::Flood { mebibytes, in_turn } => {
            client::write_flood(mebibytes, in_turn).map(|()| None)
        }
        What::Seed { url, size } => {
            let (events, batches) = size.or(1_000_000);
            runtime
                .block_on(seed::fill(&url, events, batches))
                .map(|()| None)
        }
        What::Ingest {
            common,
            limits_only,
            no_slow_disk,
        } => {
            let parts = ingest::Parts {
                limits_only,
                slow_disk: !no_slow_disk,
            };
            findings(
                &common,
                until_stopped(&runtime, ingest::run(&common, parts)),
            )
        }
        What::Batch { common, lines } => findings(
            &common,
            until_stopped(&runtime, batch::run(&common, lines.into())),
        ),
        What::Flat {
            common,
            size,
            verify,
        } => findings(
            &common,
            until_stopped(&runtime, flat::run(&common, size, verify)),
        ),
        What::Log { common, size } => {
            findings(&common, until_stopped(&runtime, log::run(&common, size)))
        }
        What::Tick {
            common,
            runner,
            passes,
        } => {
            let runner = match runner {
                Some(path) => path.canonicalize()?,
                None => options::built("drift-runner", "drift-runner")?,
            };
            findings(
                &common,
                until_stopped(&runtime, tick::run(&common, &runner, passes)),
            )
        }
        What::Pages {
            common,
            size,
            viewers,
        } => match size::with_room_for(viewers)? {
            true => findings(
                &common,
                until_stopped(&runtime, pages::run(&common, size, viewers)),
            ),
            false => Ok(None),
        },
        What::Claim { common, size } => {
            findings(&common, until_stopped(&runtime, claim::run(&common, size)))
        }
        What::Size { common, crowd } => match size::with_room_for(crowd)? {
            true => findings(&common, until_stopped(&runtime, size::run(&common, crowd))),
            false => Ok(None),
        },
        What::Scraper { rounds, json } => Ok(Some(Findings {
            machine: process::machine(&std::env::current_dir()?),
            tables: scraper::run(rounds.into())?,
            as_json: json,
        })),
        What::Digest {
            seconds,
            pages,
            json,
        } => Ok(Some(Findings {
            machine: process::machine(&std::env::current_dir()?),
            tables: until_stopped(&runtime, digest::run(seconds, pages.as_deref()))?,
            as_json: json,
        })),
    }
}

fn findings(common: &Common, tables: Result<Vec<Table>>) -> Result<Option<Findings>> {
    let machine = process::machine(&common.directory()?);
    Ok(Some(Findings {
        machine,
        tables: tables?,
        as_json: common.json,
    }))
}

/// A run that is told to stop is dropped, and with it go the servers that it started.
fn until_stopped<T>(runtime: &Runtime, run: impl Future<Output = Result<T>>) -> Result<T> {
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        tokio::select! {
            done = run => done,
            _ = interrupt.recv() => bail!("interrupted"),
            _ = terminate.recv() => bail!("told to stop"),
        }
    })
}
