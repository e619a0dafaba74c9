//! Removes what replays have left at a provider, with the service's own command. Whether it works is no part of the verdict.
//!
//! The command is started once. It finds what there is to remove as lines of `kind id` in `DRIFT_LEFTOVERS`, or knows by
//! itself. Exit 0 says that all of it is gone; otherwise each line `removed kind id` on its standard output counts.

use std::time::Duration;

use drift_client::scraper::Exit;
use drift_client::scrapers::Entry;
use drift_schema::run::Leftover;

use super::Stage;

/// Between tries.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];

/// What is gone of that, after some tries.
pub async fn clean_up(stage: &Stage, entry: &Entry, leftovers: &[Leftover]) -> Vec<Leftover> {
    let Some(command) = entry.cleanup.as_ref().filter(|_| !leftovers.is_empty()) else {
        return Vec::new();
    };
    let mut open = leftovers.to_vec();
    let mut gone = Vec::new();
    let mut pauses = PAUSES.iter();
    loop {
        match entry.with_command(command, &stage.environment, &stage.supervisor) {
            Ok(cleanup) => {
                let lines: String = open
                    .iter()
                    .map(|left| format!("{} {}\n", left.kind, left.id))
                    .collect();
                let run = cleanup.run_plainly(("DRIFT_LEFTOVERS", &lines)).await;
                let all = run.exit == Some(Exit::Code(0));
                let said = |left: &Leftover| {
                    run.stdout
                        .lines()
                        .any(|line| line.trim() == format!("removed {} {}", left.kind, left.id))
                };
                let (now, still) = open.into_iter().partition(|left| all || said(left));
                open = still;
                gone.extend::<Vec<_>>(now);
                if !open.is_empty() {
                    tracing::warn!(
                        left = open.len(),
                        log = run.stderr,
                        "the clean-up left something"
                    );
                }
            }
            Err(why) => tracing::warn!(why, "the clean-up could not be started"),
        }
        match pauses.next() {
            Some(pause) if !open.is_empty() => tokio::time::sleep(*pause).await,
            _ => return gone,
        }
    }
}
