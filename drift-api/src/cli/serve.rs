//! `drift-api serve`.

use tokio::signal::unix::{Signal, SignalKind, signal};

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
        .worker_threads(2)
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let (mut terminate, mut interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let application = Application::build(settings, telemetry.clone())?;
        let told = async {
            either(&mut terminate, &mut interrupt).await;
            tracing::info!("told to stop; once more stops at once");
        };
        // The signals are borrowed by `told` until it resolves; the second time is watched for on a stream of its own.
        let impatient = async {
            let (mut terminate, mut interrupt) = (
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            );
            either(&mut terminate, &mut interrupt).await;
            either(&mut terminate, &mut interrupt).await;
            Ok::<_, std::io::Error>(())
        };
        tokio::select! {
            done = application.run_until(told) => done,
            done = impatient => {
                done?;
                tracing::warn!("stopped at once");
                std::process::exit(1);
            }
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    telemetry.shutdown();
    served.map(|()| Done::Well)
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
