//! Runs: what there is to do, who does it, and what became of it.

mod asking;
mod claim;
mod issues;
mod work;

use drift_schema::event::{Event, ResourceLeft, RunFinished, StepPassed};
use drift_schema::run::{self, Done, Finish, Judged, Judgement, Left, Passed};
use drift_schema::{Micros, Service, Workspace};
use uuid::Uuid;

use super::deciding::{Decided, Deciding};
use super::{Result, Store};
use crate::lifecycle::Impossible;
use crate::lifecycle::drift::Judging;
use crate::lifecycle::run::{RunLog, Status};

const SET_LEASE: &str = "
    INSERT INTO leases (workspace, service, run, until) VALUES ($1, $2, $3, $4)
    ON CONFLICT (workspace, service) DO UPDATE SET run = excluded.run, until = excluded.until";
const DROP_LEASE: &str = "DELETE FROM leases WHERE workspace = $1 AND service = $2 AND run = $3";

/// The longest that a runner may be silent.
const LONGEST_LEASE: u32 = 3_600;

/// Whether a lease keeps others out. One that ends later than any lease may is of a clock that was wrong.
fn is_held(until: Micros, now: Micros) -> bool {
    until > now && until <= now.plus_seconds(i64::from(LONGEST_LEASE))
}

impl Store {
    /// The runner is alive.
    pub async fn heartbeat(
        &self,
        workspace: &Workspace,
        run: Uuid,
        beat: run::Heartbeat,
        now: Micros,
    ) -> Decided<run::Leased> {
        let mut deciding = self.deciding(workspace, now).await?;
        let Ok((service, ..)) = deciding.holds(run, beat.token).await? else {
            return Ok(Err(Impossible::LeaseLost));
        };
        let until = deciding.extend(&service, run, beat.lease_seconds).await?;
        deciding.session.commit().await?;
        Ok(Ok(run::Leased {
            leased_until: until,
        }))
    }

    pub async fn passed(
        &self,
        workspace: &Workspace,
        run: Uuid,
        passed: Passed,
        now: Micros,
    ) -> Decided<()> {
        let mut deciding = self.deciding(workspace, now).await?;
        let Ok((service, log)) = deciding.holds(run, passed.token).await? else {
            return Ok(Err(Impossible::LeaseLost));
        };
        if log.passed.contains(&passed.step) {
            return Ok(Ok(()));
        }
        let event = StepPassed {
            run,
            service,
            step: passed.step,
            tree: passed.tree,
            scraper_version: passed.scraper_version,
        };
        deciding.append(Event::StepPassed(event)).await?;
        Ok(Ok(deciding.session.commit().await?))
    }

    pub async fn left(
        &self,
        workspace: &Workspace,
        run: Uuid,
        left: Left,
        now: Micros,
    ) -> Decided<()> {
        let mut deciding = self.deciding(workspace, now).await?;
        let Ok((service, log)) = deciding.holds(run, left.token).await? else {
            return Ok(Err(Impossible::LeaseLost));
        };
        let resource = run::Leftover {
            kind: left.kind,
            id: left.id,
        };
        if !log.left.contains(&resource) {
            let event = ResourceLeft {
                run,
                service,
                resource,
            };
            deciding.append(Event::ResourceLeft(event)).await?;
        }
        Ok(Ok(deciding.session.commit().await?))
    }

    /// Takes a verdict; the same one again changes nothing and is answered the same.
    pub async fn judge(
        &self,
        workspace: &Workspace,
        run: Uuid,
        judged: Judged,
        now: Micros,
    ) -> Decided<Judgement> {
        // Before the head is held: what is not counted yet may take a while to read.
        let newest_reported = match self.service_of_run(workspace, run).await? {
            Some(service) => {
                self.newest_under_all_names(workspace, &service, &judged.step, judged.token)
                    .await?
            }
            None => None,
        };
        let mut deciding = self.deciding(workspace, now).await?;
        let Ok((service, log)) = deciding.holds(run, judged.token).await? else {
            return Ok(Err(Impossible::LeaseLost));
        };
        let step = judged.step;
        if !log.tasks.iter().any(|claimed| claimed.step == step) {
            return Ok(Err(Impossible::NotClaimed));
        }
        let drift = deciding.drift(&service, &step).await?;
        let is_left_alone = deciding.is_left_alone(&service, &step, &drift).await?;
        if let Some(before) = log.verdicts.get(&step) {
            if *before != judged.verdict {
                return Ok(Err(Impossible::Contradiction));
            }
            let next = match *before {
                run::Verdict::Confirmed => Some(drift.task(true)),
                run::Verdict::NotReproduced => Some(drift.task(false)),
                _ => None,
            };
            // A task for the tracker, if there still is one.
            let next = next
                .flatten()
                .filter(|task| !task.is_replay() && !is_left_alone);
            return Ok(Ok(Judgement { next }));
        }
        let decided = drift.judge(Judging {
            run,
            service,
            step,
            verdict: judged.verdict,
            proof: judged.proof,
            code: judged.code,
            scraper_version: judged.scraper_version,
            newest_reported,
            is_left_alone,
        });
        let (events, next) = match decided {
            Ok(decided) => decided,
            Err(impossible) => return Ok(Err(impossible)),
        };
        for event in events {
            deciding.append(event).await?;
        }
        deciding.session.commit().await?;
        Ok(Ok(Judgement { next }))
    }

    /// A task for the tracker is done.
    pub async fn done(
        &self,
        workspace: &Workspace,
        run: Uuid,
        done: Done,
        now: Micros,
    ) -> Decided<()> {
        let mut deciding = self.deciding(workspace, now).await?;
        let Ok((service, log)) = deciding.holds(run, done.token).await? else {
            return Ok(Err(Impossible::LeaseLost));
        };
        if log.written.get(&done.step) == Some(&done.task) {
            return Ok(Ok(()));
        }
        let drift = deciding.drift(&service, &done.step).await?;
        match drift.written(run, service, done.step, done.task, done.issue) {
            Ok(event) => deciding.append(event).await?,
            Err(impossible) => return Ok(Err(impossible)),
        }
        Ok(Ok(deciding.session.commit().await?))
    }

    pub async fn finish(
        &self,
        workspace: &Workspace,
        run: Uuid,
        finish: Finish,
        now: Micros,
    ) -> Decided<()> {
        let mut deciding = self.deciding(workspace, now).await?;
        let (service, _) = match deciding.holds(run, finish.token).await? {
            Ok(held) => held,
            Err(Some(log)) if matches!(log.status, Status::Done | Status::Partly) => {
                return Ok(Ok(()));
            }
            Err(_) => return Ok(Err(Impossible::LeaseLost)),
        };
        let event = RunFinished {
            run,
            service: service.clone(),
            ending: finish.ending,
            log_tail: finish.log_tail,
            steps: finish.steps,
            cleaned: finish.cleaned,
        };
        deciding.append(Event::RunFinished(event)).await?;
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            run.into(),
        ];
        deciding.session.run(DROP_LEASE, params).await?;
        Ok(Ok(deciding.session.commit().await?))
    }
}

impl Deciding<'_> {
    /// The service of a run that is open and has this token, and what it did so far. Its lease may be over: as long as nobody else
    /// took the work, it has it.
    async fn holds(
        &mut self,
        run: Uuid,
        token: i64,
    ) -> Result<std::result::Result<(Service, RunLog), Option<RunLog>>> {
        let Some((log, claimed_at)) = self.session.run_log(self.workspace, run).await? else {
            return Ok(Err(None));
        };
        let Some(service) = self.session.service_of_run(self.workspace, run).await? else {
            return Ok(Err(None));
        };
        if claimed_at == token && log.status == Status::Open {
            Ok(Ok((service, log)))
        } else {
            Ok(Err(Some(log).filter(|_| claimed_at == token)))
        }
    }

    async fn extend(&mut self, service: &Service, run: Uuid, seconds: u32) -> Result<Micros> {
        let until = self
            .now
            .plus_seconds(i64::from(seconds.clamp(1, LONGEST_LEASE)));
        let params = [
            self.workspace.as_str().into(),
            service.as_str().into(),
            run.into(),
            until.0.into(),
        ];
        self.session.run(SET_LEASE, params).await?;
        Ok(until)
    }
}
