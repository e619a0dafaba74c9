//! Verdicts, evidence and issues of the drifts of one run.

use drift_client::scrapers::Entry;
use drift_schema::run::{ClaimedDrift, Done, Judged, Observed, Passed, Proof, Run, Task, Verdict};
use drift_schema::scraper::Tripped;
use drift_schema::{Host, Micros};

use tracing::{Instrument as _, info_span};

use super::evidence::Evidence;
use super::{DriftSummary, Runner};
use crate::api::ApiError;
use crate::replay::{Replayed, version};
use crate::tracker::{Effect, Room, Story, Trouble};
use crate::verdict::{Finding, judge};

pub(super) struct Settling<'a> {
    runner: &'a Runner,
    run: &'a Run,
    /// The service's scraper with what it has found. None: nothing was replayed.
    replay: Option<(&'a Entry, &'a Replayed)>,
    command: Option<String>,
    room: &'a Room,
    evidence: Evidence<'a>,
}

impl<'a> Settling<'a> {
    pub fn new(
        runner: &'a Runner,
        run: &'a Run,
        entry: Option<&'a Entry>,
        replayed: Option<&'a Replayed>,
        room: &'a Room,
    ) -> Self {
        let command = entry.map(|entry| {
            let words = std::iter::once(&entry.command.program).chain(&entry.command.arguments);
            words.map(String::as_str).collect::<Vec<_>>().join(" ")
        });
        Self {
            runner,
            run,
            replay: entry.zip(replayed),
            command,
            room,
            evidence: Evidence::new(&runner.api),
        }
    }

    /// Whether all drifts came to their end.
    pub async fn all(mut self, told: &mut Vec<DriftSummary>) -> Result<bool, ApiError> {
        self.keep_baselines().await?;
        let mut all = true;
        for drift in &self.run.drifts {
            let mut summary = DriftSummary::of(&self.run.service, drift);
            let settled = self.one(drift, &mut summary).await;
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
    async fn keep_baselines(&mut self) -> Result<(), ApiError> {
        let Some((entry, replayed)) = self.replay else {
            return Ok(());
        };
        let scraper_version = version(entry, replayed.tripped.last());
        for (step, tree) in &replayed.passed {
            let tree = match tree {
                Some(tree) => self.evidence.store_tree(tree).await?.ok(),
                None => None,
            };
            let passed = Passed {
                token: self.run.token,
                step: step.clone(),
                tree,
                scraper_version: scraper_version.clone(),
            };
            self.runner.api.passed(self.run.run, &passed).await?;
        }
        Ok(())
    }

    async fn one(
        &mut self,
        drift: &ClaimedDrift,
        summary: &mut DriftSummary,
    ) -> Result<(), ApiError> {
        let (task, proof) = match (drift.task.is_replay(), self.replay) {
            (false, _) => (Some(drift.task), None),
            (true, Some((entry, replayed))) => {
                let judging = self.judge(drift, entry, replayed, summary);
                judging
                    .instrument(info_span!("verdict", step = %drift.step))
                    .await?
            }
            (true, None) => {
                summary.error =
                    Some("there is no scraper for this service in scrapers.toml".to_owned());
                return Ok(());
            }
        };
        let Some(task) = task else {
            return Ok(());
        };
        let proof = proof.or_else(|| drift.proof.clone());
        let acting = self.act(drift, task, proof.as_ref());
        match acting
            .instrument(info_span!("issue", step = %drift.step))
            .await
        {
            Ok(effect) => self.acted(drift, task, effect, summary).await,
            Err(trouble) => {
                tracing::warn!(service = %self.run.service, step = %drift.step, %trouble, "the issue waits for the next tick");
                summary.error = Some(trouble.to_string());
                Ok(())
            }
        }
    }

    /// The verdict, with its proof; and what the backend says is to be done at the tracker.
    async fn judge(
        &mut self,
        drift: &ClaimedDrift,
        entry: &Entry,
        replayed: &Replayed,
        summary: &mut DriftSummary,
    ) -> Result<(Option<Task>, Option<Proof>), ApiError> {
        let finding = judge(&drift.step, &replayed.tries, entry.attempts);
        let tripped = replayed
            .tripwire(&drift.step)
            .filter(|_| finding.verdict == Verdict::Confirmed);
        let proof = match tripped {
            Some(tripped) => Some(self.prove(entry, tripped, &finding).await?),
            None => None,
        };
        let judged = Judged {
            token: self.run.token,
            step: drift.step.clone(),
            verdict: finding.verdict,
            proof: proof.clone(),
            code: finding.code.clone(),
            scraper_version: version(entry, tripped.or(replayed.tripped.last())),
        };
        let judgement = self.runner.api.judged(self.run.run, &judged).await?;
        summary.found(&finding, replayed.broke.as_deref());
        Ok((judgement.next, proof))
    }

    /// Stores what proves the failure. What cannot be stored is missing, and the proof says so.
    async fn prove(
        &mut self,
        entry: &Entry,
        tripped: &Tripped,
        finding: &Finding,
    ) -> Result<Proof, ApiError> {
        let mut missing = Vec::new();
        let mut screenshot = None;
        if let Some(text) = &tripped.screenshot_b64 {
            match self.evidence.store_screenshot(text).await? {
                Ok(digest) => screenshot = Some(digest),
                Err(why) => missing.push(format!("screenshot: {why}")),
            }
        }
        let mut tree = None;
        if let Some(text) = &tripped.tree {
            match self.evidence.store_tree(text).await? {
                Ok(digest) => tree = Some(digest),
                Err(why) => missing.push(format!("tree: {why}")),
            }
        }
        Ok(Proof {
            at: Micros::now(),
            kind: tripped.kind,
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

    /// Does a task at the tracker. Trouble leaves it to the next pass.
    async fn act(
        &mut self,
        drift: &ClaimedDrift,
        task: Task,
        proof: Option<&Proof>,
    ) -> Result<Effect, Trouble> {
        let tracker = &self.runner.tracker;
        let mut story = Story {
            service: &self.run.service,
            drift,
            proof,
            picture: None,
            reported_picture: None,
            tree: None,
            tree_link: None,
            changes: None,
            page: self.runner.page(&self.run.service, &drift.step_hash),
            command: self.command.as_deref(),
            follows: None,
            now: Micros::now(),
        };
        self.evidence.tell(&mut story, task).await;
        let effect = match (task, &drift.issue) {
            (Task::Bump, Some(issue)) => tracker.bump(&story, issue).await,
            (Task::Settle, Some(issue)) => tracker.settle(&story, issue).await,
            (Task::Reopen, Some(issue)) => tracker.reopen(&story, issue, self.room).await,
            _ => tracker.open(&story, self.room).await,
        };
        // A comment that the fix holds leaves the description, and the pictures in it, as it is.
        if let Ok(Effect::Did(_, issue)) = &effect
            && task != Task::Settle
            && tracker.board().keeps_pictures()
        {
            // After the issue, which never waits for a picture.
            self.evidence.put_pictures(&mut story, tracker).await;
            if let Err(trouble) = tracker.show_pictures(&story, issue).await {
                tracing::warn!(issue = issue.number, %trouble, "the issue has a link in place of the picture");
            }
        }
        effect
    }

    async fn acted(
        &self,
        drift: &ClaimedDrift,
        task: Task,
        effect: Effect,
        summary: &mut DriftSummary,
    ) -> Result<(), ApiError> {
        let api = &self.runner.api;
        match effect {
            Effect::Did(action, issue) => {
                summary.did(action, &issue);
                let done = Done {
                    token: self.run.token,
                    step: drift.step.clone(),
                    task,
                    issue,
                };
                match api.done(self.run.run, &done).await {
                    Err(error) if error.is_conflict() => {
                        tracing::info!(service = %self.run.service, step = %drift.step, "somebody decided about it meanwhile");
                        summary.overtaken();
                        Ok(())
                    }
                    done => done,
                }
            }
            Effect::Differs(issue) => {
                summary.differs(&issue);
                let observed = Observed {
                    service: self.run.service.clone(),
                    step_hash: drift.step_hash.clone(),
                    issue,
                };
                api.observed(&observed).await
            }
        }
    }
}

/// Of the address, the host alone.
fn host(url: &str) -> Option<Host> {
    Host::parse(url::Url::parse(url).ok()?.host_str()?).ok()
}
