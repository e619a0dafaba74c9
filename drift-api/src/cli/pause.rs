//! `drift-api pause` and `resume`: the kill switch, for whoever is at the database itself.

use drift_schema::action::ServiceAction;
use drift_schema::{Micros, Service, Workspace};

use super::{Done, print, say};
use crate::lifecycle::drift::triage::Refused;
use crate::store::Store;

/// Who did it, as the log has it.
const BY: &str = "cli";

#[derive(clap::Args)]
pub(super) struct Args {
    /// Only this one, instead of all
    #[arg(long)]
    service: Option<Service>,
    /// Of which tenant
    #[arg(long, default_value = "default")]
    workspace: Workspace,
}

pub(super) async fn run(store: &Store, args: Args, action: ServiceAction) -> anyhow::Result<Done> {
    let Args { service, workspace } = args;
    let whose = service
        .as_ref()
        .map_or_else(|| "all services".to_owned(), ToString::to_string);
    let is_pause = action == ServiceAction::Pause {};
    let acted = store
        .act_on_service(&workspace, service, action, BY.to_owned(), Micros::now())
        .await?;
    match acted {
        Ok(()) if is_pause => print(&format!("Replays of {whose} are paused.\n")),
        Ok(()) => print(&format!("Replays of {whose} go on.\n")),
        // Whoever asks for what is so already has what they want.
        Err(refused @ (Refused::PausedAlready | Refused::NotPaused)) => {
            say(&format!("{whose}: {refused}"));
            Ok(Done::Well)
        }
        Err(refused) => Err(refused.into()),
    }
}
