//! Handing out the work of a service.

use drift_schema::event::{Event, RunClaimed, RunExpired, TaskClaimed};
use drift_schema::run::{
    self, Budget, Claim, Claimed, ClaimedDrift, Run, Task, Withheld, WithheldFor,
};
use drift_schema::{Micros, Service, Step, Workspace};
use uuid::Uuid;

use super::is_held;
use crate::lifecycle::drift::Asked;
use crate::lifecycle::run::{RunLog, Status};
use crate::lifecycle::{Drift, Impossible, ServiceState};
use crate::store::deciding::{Decided, Deciding};
use crate::store::pages::read_budget;
use crate::store::projection::ALL_SERVICES;
use crate::store::session::Session;
use crate::store::{Result, Store, facts};

/// A service, all services together, a run, up to where facts are counted, and what the service may cost.
const STANDING: &str = "
    SELECT (SELECT state FROM services WHERE workspace = $1 AND service = $2), (SELECT state FROM services WHERE workspace = $1 AND service = $3),
        (SELECT state FROM runs WHERE workspace = $1 AND run = $4), (SELECT token FROM runs WHERE workspace = $1 AND run = $4),
        COALESCE((SELECT position FROM fact_cursors WHERE workspace = $1), 0),
        (SELECT per_day FROM runner_budgets WHERE workspace = $1 AND service = $2),
        (SELECT cooldown_seconds FROM runner_budgets WHERE workspace = $1 AND service = $2)";
const LEASE: &str = "SELECT until FROM leases WHERE workspace = $1 AND service = $2 AND run = $3";

impl Store {
    /// Hands out the work of one service, if there is some that may be done now. Asked again with the same run, it
    /// answers the same.
    pub async fn claim(
        &self,
        workspace: &Workspace,
        claim: Claim,
        now: Micros,
    ) -> Decided<Claimed> {
        let (mut deciding, standing) = self.begin_claim(workspace, &claim, now).await?;
        let none = |withheld| {
            Ok(Ok(Claimed {
                run: None,
                withheld,
            }))
        };
        let Standing {
            mut service,
            all,
            run,
            counted: _,
            budget,
        } = standing;
        if let Some((log, token)) = run {
            let open = service.run.filter(|open| open.token == token);
            let Some(open) = open.filter(|_| log.status == Status::Open) else {
                return Ok(Err(Impossible::LeaseLost));
            };
            let session = &mut deciding.session;
            let until = session.lease(workspace, &claim.service, open.run).await?;
            let steps: Vec<&Step> = open.tasks.iter().map(|claimed| &claimed.step).collect();
            let states = session.drifts_of(workspace, &claim.service, &steps).await?;
            let work = open
                .tasks
                .into_iter()
                .map(|claimed| {
                    let drift = states.get(&claimed.step).cloned().unwrap_or_default();
                    (claimed, drift)
                })
                .collect();
            let until = until.unwrap_or(now);
            let run = deciding
                .handed_out(claim, token, until, work, service.leftovers)
                .await?;
            deciding.session.commit().await?;
            return Ok(Ok(Claimed {
                run: Some(run),
                withheld: None,
            }));
        }
        if let Some(open) = service.run.clone() {
            let session = &mut deciding.session;
            let until = session.lease(workspace, &claim.service, open.run).await?;
            if let Some(until) = until.filter(|until| is_held(*until, now)) {
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
        service.paused |= all.paused;

        let (work, withheld) = deciding.tasks(&claim, &service).await?;
        if work.is_empty() && !(claim.by_hand && withheld.is_none()) {
            deciding.session.commit().await?;
            return none(withheld);
        }
        let event = Event::RunClaimed(RunClaimed {
            run: claim.run,
            service: claim.service.clone(),
            runner: claim.runner.clone(),
            tasks: work.iter().map(|(claimed, _)| claimed.clone()).collect(),
            by_hand: claim.by_hand,
        });
        deciding.append(event).await?;
        let token = deciding.position();
        if let Some(said) = claim.budget
            && budget != Some(said)
        {
            deciding
                .session
                .note_budget(workspace, &claim.service, said)
                .await?;
        }
        let until = deciding
            .extend(&claim.service, claim.run, claim.lease_seconds)
            .await?;
        let run = deciding
            .handed_out(claim, token, until, work, service.leftovers)
            .await?;
        deciding.session.commit().await?;
        Ok(Ok(Claimed {
            run: Some(run),
            withheld,
        }))
    }
}

impl Store {
    /// Holds the log, and counts in the same transaction what is not counted yet. Reports have to wait for that, so what is
    /// more, or somebody else is at, is counted before; what comes in between then has to wait for the next who counts.
    async fn begin_claim<'a>(
        &self,
        workspace: &'a Workspace,
        claim: &Claim,
        now: Micros,
    ) -> Result<(Deciding<'a>, Standing)> {
        let mut again = false;
        loop {
            let mut deciding = self.deciding(workspace, now).await?;
            let standing = deciding.session.standing(workspace, claim).await?;
            let (from, to) = (standing.counted, deciding.position());
            let session = &mut deciding.session;
            let all_counted = from >= to
                || to - from <= facts::STEP
                    && session.count_facts(workspace, from, to, false).await?;
            if all_counted || again {
                return Ok((deciding, standing));
            }
            again = true;
            deciding.session.roll_back().await?;
            self.count_facts_if_few(workspace).await?;
        }
    }
}

impl Deciding<'_> {
    /// What of a service's work may be done now.
    async fn tasks(
        &mut self,
        claim: &Claim,
        service: &ServiceState,
    ) -> Result<(Vec<(TaskClaimed, Drift)>, Option<Withheld>)> {
        let drifts = self
            .session
            .work_of(self.workspace, &claim.service, claim.by_hand, self.now)
            .await?;
        let mut tasks = Vec::new();
        let mut withheld = None;
        let now = self.now;
        let may = |urgent| service.may_replay(claim.budget, urgent, now);
        for (step, mut drift, fresh) in drifts {
            if drift.muted.is_some() {
                self.end_mute(&claim.service, &step, &drift).await?;
                drift = self.drift(&claim.service, &step).await?;
            }
            let task = if claim.by_hand {
                Some(drift.task_by_hand(fresh > 0))
            } else {
                drift.task(fresh > 0)
            };
            let Some(task) = task else { continue };
            let asked_since =
                |asked: &Asked| service.last_replay.is_none_or(|last| last < asked.at);
            // Somebody waits for a verification, and for what was asked by hand.
            let urgent = claim.by_hand
                || drift.asked.as_ref().is_some_and(asked_since)
                || (task == Task::Verify
                    && service.inconclusive == 0
                    && !drift.was_tried_since_closed());
            match task.is_replay().then(|| may(urgent)) {
                Some(Err(reason)) => withheld = Some(reason),
                _ => tasks.push((TaskClaimed { step, task }, drift)),
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

    /// A run as its runner sees it, with all that is known of its drifts.
    async fn handed_out(
        &mut self,
        claim: Claim,
        token: i64,
        until: Micros,
        work: Vec<(TaskClaimed, Drift)>,
        leftovers: Vec<run::Leftover>,
    ) -> Result<Run> {
        let named: Vec<(&Step, &Drift)> = work
            .iter()
            .map(|(claimed, drift)| (&claimed.step, drift))
            .collect();
        let seen = self
            .session
            .seen_of_all_names(self.workspace, &claim.service, &named)
            .await?;
        let drifts =
            work.into_iter()
                .zip(seen)
                .map(|((TaskClaimed { step, task }, drift), seen)| ClaimedDrift {
                    step_hash: step.hash(),
                    step,
                    task,
                    up_to: token,
                    seen,
                    issue: drift.issue,
                    fixed_in: drift.fixed_in,
                    fix_declared: drift.declared.map(|declared| declared.at),
                    last_good: drift.last_good,
                    first_bad: drift.first_bad,
                    proof: drift.proof,
                });
        Ok(Run {
            run: claim.run,
            service: claim.service,
            token,
            leased_until: until,
            drifts: drifts.collect(),
            leftovers,
        })
    }
}

/// What a claim is decided by, but for the drifts.
struct Standing {
    service: ServiceState,
    /// The kill switch of all services.
    all: ServiceState,
    /// There already, when a runner asks again.
    run: Option<(RunLog, i64)>,
    /// Up to where facts are counted.
    counted: i64,
    /// What a runner said last.
    budget: Option<Budget>,
}

impl Session {
    async fn standing(&mut self, workspace: &Workspace, claim: &Claim) -> Result<Standing> {
        let params = [
            workspace.as_str().into(),
            claim.service.as_str().into(),
            ALL_SERVICES.into(),
            claim.run.into(),
        ];
        let row = self.row(STANDING, params).await?;
        let row = row.ok_or(sqlx::Error::RowNotFound)?;
        let run = match row.json_if_any(2)? {
            Some(log) => Some((log, row.get(3)?)),
            None => None,
        };
        Ok(Standing {
            service: row.json_if_any(0)?.unwrap_or_default(),
            all: row.json_if_any(1)?.unwrap_or_default(),
            run,
            counted: row.get(4)?,
            budget: read_budget(&row, 5)?,
        })
    }

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
}
