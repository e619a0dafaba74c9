//! Runs: what there is to do, who does it, and what became of it. Every change is decided by `crate::lifecycle` inside
//! the transaction that appends its events, under the lock of the log's head.

mod work;

use drift_schema::event::{
    Event, ReplaysPaused, ReplaysResumed, ResourceLeft, RunClaimed, RunExpired, RunFinished,
    StepPassed, TaskClaimed,
};
use drift_schema::run::{
    self, Claim, Claimed, ClaimedDrift, Done, Finish, Issue, Judged, Judgement, Left, Observed,
    Passed, Run, Task, Withheld, WithheldFor,
};
use drift_schema::{Micros, Service, Step, StepHash, Workspace};
use uuid::Uuid;

use super::log::Head;
use super::projection::ALL_SERVICES;
use super::session::Session;
use super::{Result, Store, StoreError};
use crate::lifecycle::drift::Judging;
use crate::lifecycle::run::{RunLog, Status};
use crate::lifecycle::service::OpenRun;
use crate::lifecycle::{Drift, Impossible, ServiceState};

/// What came of something that the state may forbid.
pub type Decided<T> = Result<std::result::Result<T, Impossible>>;

const LEASE: &str = "SELECT until FROM leases WHERE workspace = $1 AND service = $2 AND run = $3";
const SET_LEASE: &str = "
    INSERT INTO leases (workspace, service, run, until) VALUES ($1, $2, $3, $4)
    ON CONFLICT (workspace, service) DO UPDATE SET run = excluded.run, until = excluded.until";
const DROP_LEASE: &str = "DELETE FROM leases WHERE workspace = $1 AND service = $2 AND run = $3";
const STEP_OF_HASH: &str =
    "SELECT step FROM drifts WHERE workspace = $1 AND service = $2 AND step_hash = $3";
const BY_ISSUE: &str = "SELECT workspace, service, step FROM drifts WHERE issue = $1";
const NEW_DELIVERY: &str = "
    INSERT INTO deliveries (delivery, received_at) VALUES ($1, $2) ON CONFLICT (delivery) DO NOTHING";
const OLD_DELIVERIES: &str = "DELETE FROM deliveries WHERE received_at < $1";
/// GitHub redelivers for three days at most.
const DELIVERY_DAYS: i64 = 7;

/// The longest that a runner may be silent.
const LONGEST_LEASE: u32 = 3_600;

/// A transaction that holds the end of a log, and what is decided in it.
struct Deciding<'a> {
    session: Session,
    workspace: &'a Workspace,
    head: Head,
    now: Micros,
}

impl Store {
    /// Hands out the work of one service, if there is some that may be done now. Asked again with the same run, it
    /// answers the same.
    pub async fn claim(
        &self,
        workspace: &Workspace,
        claim: Claim,
        now: Micros,
    ) -> Decided<Claimed> {
        self.count_facts_if_few(workspace).await?;
        let mut deciding = self.deciding(workspace, now).await?;
        let none = |withheld| {
            Ok(Ok(Claimed {
                run: None,
                withheld,
            }))
        };
        let session = &mut deciding.session;
        let mut service = session
            .service_state(workspace, claim.service.as_str())
            .await?;
        if let Some((log, token)) = session.run_log(workspace, claim.run).await? {
            let open = service.run.filter(|open| open.token == token);
            let Some(open) = open.filter(|_| log.status == Status::Open) else {
                return Ok(Err(Impossible::LeaseLost));
            };
            let run = deciding
                .handed_out(&claim, &open, &service.leftovers)
                .await?;
            return Ok(Ok(Claimed {
                run: Some(run),
                withheld: None,
            }));
        }
        if let Some(open) = service.run.clone() {
            let until = session.lease(workspace, &claim.service, open.run).await?;
            if let Some(until) = until.filter(|until| *until > now) {
                return none(Some(Withheld {
                    reason: WithheldFor::Leased,
                    until: Some(until),
                }));
            }
            let expired = Event::RunExpired(RunExpired {
                run: open.run,
                service: claim.service.clone(),
            });
            deciding.append(expired).await?;
            service = deciding.service(&claim.service).await?;
        }
        let all = deciding
            .session
            .service_state(workspace, ALL_SERVICES)
            .await?;
        service.paused |= all.paused;

        let (tasks, withheld) = deciding.tasks(&claim, &service).await?;
        if tasks.is_empty() && !(claim.by_hand && withheld.is_none()) {
            deciding.session.commit().await?;
            return none(withheld);
        }
        let event = Event::RunClaimed(RunClaimed {
            run: claim.run,
            service: claim.service.clone(),
            runner: claim.runner.clone(),
            tasks,
            by_hand: claim.by_hand,
        });
        deciding.append(event).await?;
        let until = deciding
            .extend(&claim.service, claim.run, claim.lease_seconds)
            .await?;
        let service = deciding.service(&claim.service).await?;
        let Some(open) = &service.run else {
            return Err(StoreError::Refused("a claim left no run".to_owned()));
        };
        let mut run = deciding
            .handed_out(&claim, open, &service.leftovers)
            .await?;
        run.leased_until = until;
        deciding.session.commit().await?;
        Ok(Ok(Claimed {
            run: Some(run),
            withheld,
        }))
    }

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
        let Ok((service, ..)) = deciding.holds(run, passed.token).await? else {
            return Ok(Err(Impossible::LeaseLost));
        };
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
        let mut deciding = self.deciding(workspace, now).await?;
        let Ok((service, log)) = deciding.holds(run, judged.token).await? else {
            return Ok(Err(Impossible::LeaseLost));
        };
        let step = judged.step;
        if !log.tasks.iter().any(|claimed| claimed.step == step) {
            return Ok(Err(Impossible::NotClaimed));
        }
        let drift = deciding.drift(&service, &step).await?;
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
            let next = next.flatten().filter(|task| !task.is_replay());
            return Ok(Ok(Judgement { next }));
        }
        let newest_reported = deciding
            .session
            .newest_reported(workspace, &service, &step)
            .await?;
        let decided = drift.judge(Judging {
            run,
            service,
            step,
            verdict: judged.verdict,
            proof: judged.proof,
            code: judged.code,
            scraper_version: judged.scraper_version,
            newest_reported,
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

    /// What the tracker says of an issue. False: there is no such drift.
    pub async fn observe(
        &self,
        workspace: &Workspace,
        observed: Observed,
        now: Micros,
    ) -> Result<bool> {
        let mut deciding = self.deciding(workspace, now).await?;
        let Some(step) = deciding
            .session
            .step_of(workspace, &observed.service, &observed.step_hash)
            .await?
        else {
            return Ok(false);
        };
        deciding
            .observe(observed.service, step, observed.issue)
            .await?;
        deciding.session.commit().await?;
        Ok(true)
    }

    /// The same by the issue's number and address, as a webhook has it. A delivery that came before changes nothing.
    pub async fn observe_delivery(
        &self,
        delivery: &str,
        number: u64,
        is_ours: impl Fn(&Issue) -> bool,
        seen: run::Observation,
        now: Micros,
    ) -> Result<()> {
        let rows = self
            .db
            .rows(BY_ISSUE, [number.cast_signed().into()])
            .await?;
        for row in &rows {
            let (workspace, service, step): (Workspace, Service, Step) =
                (row.word(0)?, row.word(1)?, row.word(2)?);
            let mut deciding = self.deciding(&workspace, now).await?;
            let drift = deciding.drift(&service, &step).await?;
            if !drift.issue.as_ref().is_some_and(&is_ours) {
                continue;
            }
            // One issue may stand for several drifts, and each is told once.
            let told = format!("{delivery}/{workspace}/{service}/{step}");
            let params = [told.into(), now.0.into()];
            if deciding.session.run(NEW_DELIVERY, params).await? > 0 {
                let old = now.minus_seconds(DELIVERY_DAYS * 86_400);
                deciding.session.run(OLD_DELIVERIES, [old.0.into()]).await?;
                deciding.observe(service, step, seen.clone()).await?;
                deciding.session.commit().await?;
            }
        }
        Ok(())
    }

    /// Switches replays off or on, of one service or of all.
    pub async fn pause(
        &self,
        workspace: &Workspace,
        service: Option<Service>,
        paused: bool,
        by: String,
        now: Micros,
    ) -> Result<()> {
        let mut deciding = self.deciding(workspace, now).await?;
        let name = service.as_ref().map_or(ALL_SERVICES, Service::as_str);
        if deciding
            .session
            .service_state(workspace, name)
            .await?
            .paused
            != paused
        {
            deciding
                .append(if paused {
                    Event::ReplaysPaused(ReplaysPaused { service, by })
                } else {
                    Event::ReplaysResumed(ReplaysResumed { service, by })
                })
                .await?;
        }
        Ok(deciding.session.commit().await?)
    }

    async fn deciding<'a>(&self, workspace: &'a Workspace, now: Micros) -> Result<Deciding<'a>> {
        let mut session = self.db.write().await?;
        let head = session.lock_head(workspace).await?;
        Ok(Deciding {
            session,
            workspace,
            head,
            now,
        })
    }
}

impl Deciding<'_> {
    async fn append(&mut self, event: Event) -> Result<()> {
        self.session
            .append(self.workspace, &mut self.head, event, self.now)
            .await?;
        Ok(())
    }

    async fn service(&mut self, service: &Service) -> Result<ServiceState> {
        self.session
            .service_state(self.workspace, service.as_str())
            .await
    }

    async fn drift(&mut self, service: &Service, step: &Step) -> Result<Drift> {
        let drift = self.session.drift(self.workspace, service, step).await?;
        Ok(drift.unwrap_or_default())
    }

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

    /// What of a service's work may be done now.
    async fn tasks(
        &mut self,
        claim: &Claim,
        service: &ServiceState,
    ) -> Result<(Vec<TaskClaimed>, Option<Withheld>)> {
        let drifts = self
            .session
            .work_of(self.workspace, &claim.service, claim.by_hand)
            .await?;
        let mut tasks = Vec::new();
        let mut withheld = None;
        let may = |urgent| service.may_replay(claim.budget, urgent, self.now);
        for (step, drift, fresh) in drifts {
            let task = if claim.by_hand {
                Some(drift.task_by_hand(fresh > 0))
            } else {
                drift.task(fresh > 0)
            };
            let Some(task) = task else { continue };
            // Somebody waits for a verification, and for what was asked by hand.
            let urgent = claim.by_hand
                || (task == Task::Verify
                    && service.inconclusive == 0
                    && !drift.was_tried_since_closed());
            match task.is_replay().then(|| may(urgent)) {
                Some(Err(reason)) => withheld = Some(reason),
                _ => tasks.push(TaskClaimed { step, task }),
            }
        }
        if claim.by_hand
            && tasks.is_empty()
            && let Err(reason) = may(true)
        {
            withheld = Some(reason);
        }
        Ok((tasks, withheld))
    }

    async fn handed_out(
        &mut self,
        claim: &Claim,
        open: &OpenRun,
        leftovers: &[run::Leftover],
    ) -> Result<Run> {
        let until = self
            .session
            .lease(self.workspace, &claim.service, open.run)
            .await?;
        let mut drifts = Vec::with_capacity(open.tasks.len());
        for TaskClaimed { step, task } in &open.tasks {
            let drift = self.drift(&claim.service, step).await?;
            let seen = self
                .session
                .seen(self.workspace, &claim.service, step)
                .await?;
            drifts.push(ClaimedDrift {
                step_hash: step.hash(),
                step: step.clone(),
                task: *task,
                up_to: open.token,
                seen,
                issue: drift.issue,
                fixed_in: drift.fixed_in,
                last_good: drift.last_good,
                first_bad: drift.first_bad,
                proof: drift.proof,
            });
        }
        Ok(Run {
            run: open.run,
            service: claim.service.clone(),
            token: open.token,
            leased_until: until.unwrap_or(self.now),
            drifts,
            leftovers: leftovers.to_vec(),
        })
    }

    async fn observe(
        &mut self,
        service: Service,
        step: Step,
        seen: run::Observation,
    ) -> Result<()> {
        let drift = self.drift(&service, &step).await?;
        if let Some(event) = drift.observe(service, step, seen) {
            self.append(event).await?;
        }
        Ok(())
    }
}

impl Session {
    async fn lease(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        run: Uuid,
    ) -> Result<Option<Micros>> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            run.into(),
        ];
        let row = self.row(LEASE, params).await?;
        Ok(row.map(|row| row.get(0)).transpose()?.map(Micros))
    }

    pub(super) async fn step_of(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        hash: &StepHash,
    ) -> Result<Option<Step>> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            hash.as_str().into(),
        ];
        let row = self.row(STEP_OF_HASH, params).await?;
        Ok(row.map(|row| row.word(0)).transpose()?)
    }
}
