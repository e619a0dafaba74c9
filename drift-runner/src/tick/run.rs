//! The stations of one run: replay, verdicts, issues, the end. The backend hears of each before the next begins, so that
//! whoever takes over after a crash goes on from there.

use drift_client::scrapers::Entry;
use drift_schema::report::TripwireKind;
use drift_schema::run::{
    ClaimedDrift, Done, Ending, Finish, Judged, Left, Leftover, Observed, Passed, Proof, Run, Task,
    Verdict,
};
use drift_schema::scraper::Tripped;
use drift_schema::{Host, Micros, Step};
use tokio::sync::mpsc;

use super::evidence::Evidence;
use super::{DriftSummary, Runner};
use crate::api::ApiError;
use crate::replay::{Replayed, clean_up, version};
use crate::tracker::{Effect, Room, Story, Trouble};
use crate::verdict::{Finding, judge};

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

    /// Verdicts and issues of every drift. Whether all of them came to their end.
    pub(super) async fn settle(
        &self,
        run: &Run,
        entry: Option<&Entry>,
        replayed: Option<&Replayed>,
        room: &Room,
        told: &mut Vec<DriftSummary>,
    ) -> Result<bool, ApiError> {
        let mut evidence = Evidence::new(&self.api);
        if let (Some(replayed), Some(entry)) = (replayed, entry) {
            self.keep_baselines(run, entry, replayed, &mut evidence)
                .await?;
        }
        let mut all = true;
        for drift in &run.drifts {
            let mut summary = DriftSummary::of(&run.service, drift);
            let settled = self
                .settle_one(
                    run,
                    entry,
                    replayed,
                    drift,
                    room,
                    &mut evidence,
                    &mut summary,
                )
                .await;
            if let Err(error) = &settled {
                summary.error = Some(error.to_string());
            }
            all &= summary.error.is_none() && !summary.is_left_open();
            told.push(summary);
            settled?;
        }
        Ok(all)
    }

    /// Every step that was passed is what later failures are compared with.
    async fn keep_baselines(
        &self,
        run: &Run,
        entry: &Entry,
        replayed: &Replayed,
        evidence: &mut Evidence<'_>,
    ) -> Result<(), ApiError> {
        let scraper_version = version(entry, replayed.tripped.last());
        for (step, tree) in &replayed.passed {
            let tree = match tree {
                Some(tree) => evidence.store_tree(tree).await?.ok(),
                None => None,
            };
            let passed = Passed {
                token: run.token,
                step: step.clone(),
                tree,
                scraper_version: scraper_version.clone(),
            };
            self.api.passed(run.run, &passed).await?;
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of it is the run; the borrow of the summary forbids a struct"
    )]
    async fn settle_one(
        &self,
        run: &Run,
        entry: Option<&Entry>,
        replayed: Option<&Replayed>,
        drift: &ClaimedDrift,
        room: &Room,
        evidence: &mut Evidence<'_>,
        summary: &mut DriftSummary,
    ) -> Result<(), ApiError> {
        let (task, proof) = match (drift.task.is_replay(), entry, replayed) {
            (true, Some(entry), Some(replayed)) => {
                let finding = judge(&drift.step, &replayed.tries, entry.attempts);
                let tripped = replayed
                    .tripwire(&drift.step)
                    .filter(|_| finding.verdict == Verdict::Confirmed);
                let proof = match tripped {
                    Some(tripped) => Some(prove(entry, tripped, &finding, evidence).await?),
                    None => None,
                };
                let scraper_version = version(entry, tripped.or(replayed.tripped.last()));
                let judged = Judged {
                    token: run.token,
                    step: drift.step.clone(),
                    verdict: finding.verdict,
                    proof: proof.clone(),
                    code: finding.code.clone(),
                    scraper_version,
                };
                let judgement = self.api.judged(run.run, &judged).await?;
                summary.found(&finding, replayed.broke.as_deref());
                (judgement.next, proof)
            }
            (true, _, _) => {
                summary.error =
                    Some("there is no scraper for this service in scrapers.toml".to_owned());
                return Ok(());
            }
            (false, _, _) => (Some(drift.task), None),
        };
        let Some(task) = task else {
            return Ok(());
        };
        let proof = proof.or_else(|| drift.proof.clone());
        match self
            .act(run, entry, drift, task, proof.as_ref(), room, evidence)
            .await?
        {
            Ok(effect) => self.acted(run, drift, task, effect, summary).await,
            Err(trouble) => {
                tracing::warn!(service = %run.service, step = %drift.step, %trouble, "the issue waits for the next tick");
                summary.error = Some(trouble.to_string());
                Ok(())
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of it is the run; the borrow of the evidence forbids a struct"
    )]
    async fn act(
        &self,
        run: &Run,
        entry: Option<&Entry>,
        drift: &ClaimedDrift,
        task: Task,
        proof: Option<&Proof>,
        room: &Room,
        evidence: &mut Evidence<'_>,
    ) -> Result<Result<Effect, Trouble>, ApiError> {
        let command = entry.map(|entry| {
            let words = std::iter::once(&entry.command.program).chain(&entry.command.arguments);
            words.map(String::as_str).collect::<Vec<_>>().join(" ")
        });
        let mut story = Story {
            service: &run.service,
            drift,
            proof,
            picture: None,
            reported_picture: None,
            tree: None,
            tree_link: None,
            changes: None,
            command: command.as_deref(),
            follows: None,
            now: Micros::now(),
        };
        evidence.tell(&mut story, task).await?;
        let effect = match (task, &drift.issue) {
            (Task::Bump, Some(issue)) => self.tracker.bump(&story, issue).await,
            (Task::Settle, Some(issue)) => self.tracker.settle(&story, issue).await,
            (Task::Reopen, Some(issue)) => self.tracker.reopen(&story, issue, room).await,
            _ => self.tracker.open(&story, room).await,
        };
        if let Ok(Effect::Did(_, issue)) = &effect
            && self.tracker.board().keeps_pictures()
        {
            // After the issue, which never waits for a picture.
            evidence.put_pictures(&mut story, &self.tracker).await;
            if let Err(trouble) = self.tracker.show_pictures(&story, issue).await {
                tracing::warn!(issue = issue.number, %trouble, "the issue has a link in place of the picture");
            }
        }
        Ok(effect)
    }

    async fn acted(
        &self,
        run: &Run,
        drift: &ClaimedDrift,
        task: Task,
        effect: Effect,
        summary: &mut DriftSummary,
    ) -> Result<(), ApiError> {
        match effect {
            Effect::Did(action, issue) => {
                summary.did(action, &issue);
                let done = Done {
                    token: run.token,
                    step: drift.step.clone(),
                    task,
                    issue,
                };
                self.api.done(run.run, &done).await
            }
            Effect::Differs(issue) => {
                summary.differs(&issue);
                let observed = Observed {
                    service: run.service.clone(),
                    step_hash: drift.step_hash.clone(),
                    issue,
                };
                self.api.observed(&observed).await
            }
        }
    }

    pub(super) async fn finish(
        &self,
        run: &Run,
        replayed: Option<Replayed>,
        cleaned: Vec<Leftover>,
        all: bool,
    ) -> Result<(), ApiError> {
        let replayed = replayed.unwrap_or_default();
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

/// Stores what proves the failure. What cannot be stored is missing, and the proof says so.
async fn prove(
    entry: &Entry,
    tripped: &Tripped,
    finding: &Finding,
    evidence: &mut Evidence<'_>,
) -> Result<Proof, ApiError> {
    let mut missing = Vec::new();
    let screenshot = match &tripped.screenshot_b64 {
        Some(text) => evidence
            .store_screenshot(text)
            .await?
            .map_err(|why| missing.push(format!("screenshot: {why}")))
            .ok(),
        None => None,
    };
    let tree = match &tripped.tree {
        Some(tree) => evidence
            .store_tree(tree)
            .await?
            .map_err(|why| missing.push(format!("tree: {why}")))
            .ok(),
        None => None,
    };
    Ok(Proof {
        at: Micros::now(),
        kind: TripwireKind::clone(&tripped.kind),
        url_host: tripped.url.as_deref().and_then(host),
        dom_digest: tripped.dom_digest.clone(),
        scraper_version: version(entry, Some(tripped)),
        screenshot,
        tree,
        tries: finding.tries,
        tripped: finding.tripped,
        missing,
    })
}

/// Of the address, the host alone.
fn host(url: &str) -> Option<Host> {
    Host::parse(url::Url::parse(url).ok()?.host_str()?).ok()
}
