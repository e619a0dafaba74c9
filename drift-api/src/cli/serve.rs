//! `drift-api serve`.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Done, print};
use crate::config::{Settings, Sources};
use crate::startup::Application;
use crate::telemetry;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Instead of DRIFT_LISTEN
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Check the configuration and stop
    #[arg(long)]
    check_config: bool,
}

pub(super) fn run(args: Args, mut sources: Sources) -> anyhow::Result<Done> {
    sources.flag("DRIFT_LISTEN", args.listen);
    let settings = Settings::read(&sources)?;
    if args.check_config {
        return print("The configuration is fine.\n");
    }
    let telemetry = telemetry::start(&settings.telemetry)?;
    // The HTTP workers have threads of their own; these are for the writer and the database.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let mut stops = Stops::watch()?;
        let told = CancellationToken::new();
        let served = async {
            let served = match Application::build(settings, telemetry.clone()) {
                Ok(application) => application.run_until(told.cancelled()).await,
                Err(error) => Err(error),
            };
            // Here and not after the runtime: a collector that does not answer must not hold up the impatient.
            let flushed = tokio::task::spawn_blocking(|| telemetry.shutdown());
            flushed.await.ok();
            served
        };
        let impatient = async {
            stops.next().await;
            tracing::info!("told to stop; once more stops at once");
            told.cancel();
            stops.next().await;
        };
        tokio::select! {
            served = served => served,
            () = impatient => {
                tracing::warn!("stopped at once");
                std::process::exit(1)
            }
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    served.map(|()| Done::Well)
}

/// Ctrl-C, or what a service manager sends.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn watch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
