//! The stations of one run: the replay, what it left, the end. Verdicts and issues are in `settling.rs`. The backend hears of
//! each before the next begins, so that whoever takes over after a crash goes on from there.

use drift_client::scrapers::Entry;
use drift_schema::Step;
use drift_schema::run::{Ending, Finish, Left, Leftover, Run};
use tokio::sync::mpsc;

use super::Runner;
use crate::api::ApiError;
use crate::replay::{Replayed, clean_up};

/// The end of a run is told in one message, of which the backend takes 256 KiB: the latest steps, the end of the log, and so much
/// of what is gone.
const MOST_STEPS: usize = 500;
const CLEANED_BYTES: usize = 96 * 1024;

impl Runner {
    /// Starts the scraper once for all drifts of the run. What it leaves at the provider is journaled while it runs.
    pub(super) async fn replay(&self, run: &Run, entry: &Entry) -> Result<Replayed, ApiError> {
        let wanted: Vec<&Step> = run
            .drifts
            .iter()
            .filter(|drift| drift.task.is_replay())
            .map(|drift| &drift.step)
            .collect();
        let (told, mut left) = mpsc::unbounded_channel();
        let replaying = async {
            let tell = told;
            self.stage
                .replay(entry, &wanted, |resource| drop(tell.send(resource.clone())))
                .await
        };
        let journaling = async {
            while let Some(resource) = left.recv().await {
                let left = Left {
                    token: run.token,
                    kind: resource.kind,
                    id: resource.id,
                };
                self.api.left(run.run, &left).await?;
            }
            Ok(())
        };
        let (replayed, journaled) = tokio::join!(replaying, journaling);
        journaled.and(Ok(replayed))
    }

    /// Removes what this replay and earlier ones left. Failing is no part of the verdict: the backend keeps the list.
    pub(super) async fn clean_up(
        &self,
        run: &Run,
        entry: Option<&Entry>,
        replayed: Option<&Replayed>,
    ) -> Vec<Leftover> {
        let mut leftovers = run.leftovers.clone();
        for resource in replayed
            .map(|replayed| replayed.resources.as_slice())
            .unwrap_or_default()
        {
            let left = Leftover {
                kind: resource.kind.clone(),
                id: resource.id.clone(),
            };
            if !leftovers.contains(&left) {
                leftovers.push(left);
            }
        }
        match entry {
            Some(entry) => clean_up(&self.stage, entry, &leftovers).await,
            None => Vec::new(),
        }
    }

    pub(super) async fn finish(
        &self,
        run: &Run,
        replayed: Option<Replayed>,
        mut cleaned: Vec<Leftover>,
        all: bool,
    ) -> Result<(), ApiError> {
        let mut replayed = replayed.unwrap_or_default();
        let surplus = replayed.steps.len().saturating_sub(MOST_STEPS);
        replayed.steps.drain(..surplus);
        // What is not told is asked for again after the next replay, when it is gone already.
        let mut room = CLEANED_BYTES;
        cleaned.retain(|gone| {
            let size = gone.kind.as_str().len() + 2 * gone.id.len() + 32;
            room = room.saturating_sub(size);
            room > 0
        });
        let finish = Finish {
            token: run.token,
            ending: if all { Ending::Done } else { Ending::Partly },
            log_tail: replayed.log_tail,
            steps: replayed.steps,
            cleaned,
        };
        self.api.finish(run.run, &finish).await
    }
}
