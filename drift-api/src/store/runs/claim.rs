//! Handing out the work of a service.

use drift_schema::event::{Event, RunClaimed, RunExpired, TaskClaimed};
use drift_schema::run::{self, Claim, Claimed, ClaimedDrift, Run, Task, Withheld, WithheldFor};
use drift_schema::{Micros, Service, Step, Workspace};
use uuid::Uuid;

use super::is_held;
use crate::lifecycle::drift::Asked;
use crate::lifecycle::run::Status;
use crate::lifecycle::service::OpenRun;
use crate::lifecycle::{Drift, Impossible, ServiceState};
use crate::store::deciding::{Decided, Deciding};
use crate::store::projection::ALL_SERVICES;
use crate::store::session::Session;
use crate::store::{Result, Store, StoreError};

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
        if let Some(budget) = claim.budget {
            deciding
                .session
                .note_budget(workspace, &claim.service, budget)
                .await?;
        }
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
}

impl Deciding<'_> {
    /// What of a service's work may be done now.
    async fn tasks(
        &mut self,
        claim: &Claim,
        service: &ServiceState,
    ) -> Result<(Vec<TaskClaimed>, Option<Withheld>)> {
        let drifts = self
            .session
            .work_of(self.workspace, &claim.service, claim.by_hand, self.now)
            .await?;
        let mut tasks = Vec::new();
        let mut withheld = None;
        let now = self.now;
        let may = |urgent| service.may_replay(claim.budget, urgent, now);
        for (step, drift, fresh) in drifts {
            self.end_mute(&claim.service, &step, &drift).await?;
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
        let steps: Vec<&Step> = open.tasks.iter().map(|claimed| &claimed.step).collect();
        let mut states = self
            .session
            .drifts_of(self.workspace, &claim.service, &steps)
            .await?;
        let states: Vec<(&Step, Drift)> = steps
            .into_iter()
            .map(|step| (step, states.remove(step).unwrap_or_default()))
            .collect();
        let named: Vec<(&Step, &Drift)> =
            states.iter().map(|(step, drift)| (*step, drift)).collect();
        let seen = self
            .session
            .seen_of_all_names(self.workspace, &claim.service, &named)
            .await?;
        let mut drifts = Vec::with_capacity(open.tasks.len());
        for ((TaskClaimed { step, task }, (_, drift)), seen) in
            open.tasks.iter().zip(states).zip(seen)
        {
            drifts.push(ClaimedDrift {
                step_hash: step.hash(),
                step: step.clone(),
                task: *task,
                up_to: open.token,
                seen,
                issue: drift.issue,
                fixed_in: drift.fixed_in,
                fix_declared: drift.declared.map(|declared| declared.at),
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
}
