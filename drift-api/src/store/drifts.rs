//! Drifts to be looked at: the steps that were reported, which only the batches know, together with those that
//! something else happened to.

use drift_schema::answer::{
    DecidedByPeople, Drift as Answer, DriftDay, DriftDetails, DriftMoment, Drifts,
};
use drift_schema::{Micros, Service, Step, StepHash, Workspace};

use super::session::Session;
use super::totals::Totals;
use super::{Result, Store};
use crate::lifecycle::Drift;

/// Hops along the index, from one step to the next: as cheap with a thousand days of a step as with one.
const REPORTED: &str = "
    WITH RECURSIVE steps (n, service, step) AS (
        SELECT * FROM (SELECT 1, service, step FROM batches WHERE workspace = $1 AND (service, step) > ($2, $3)
            ORDER BY service, step LIMIT 1) AS first
        UNION ALL
        SELECT n + 1, next.service, next.step FROM steps CROSS JOIN LATERAL (
            SELECT service, step FROM batches WHERE workspace = $1 AND (service, step) > (steps.service, steps.step)
            ORDER BY service, step LIMIT 1) AS next
        WHERE n < $4
    )
    SELECT service, step FROM steps ORDER BY service, step";
/// The same without LATERAL, which SQLite does not have.
const SQLITE_REPORTED: &str = "
    WITH RECURSIVE steps (n, at) AS (
        SELECT * FROM (SELECT 1, service || ' ' || step FROM batches WHERE workspace = $1 AND (service, step) > ($2, $3)
            ORDER BY service, step LIMIT 1)
        UNION ALL
        SELECT n + 1, (SELECT service || ' ' || step FROM batches WHERE workspace = $1
            AND (service, step) > (substr(at, 1, instr(at, ' ') - 1), substr(at, instr(at, ' ') + 1))
            ORDER BY service, step LIMIT 1)
        FROM steps WHERE n < $4 AND at IS NOT NULL
    )
    SELECT substr(at, 1, instr(at, ' ') - 1), substr(at, instr(at, ' ') + 1) FROM steps WHERE at IS NOT NULL";
/// The same within a service, where both databases hop alike.
const STEPS_OF: &str = "
    WITH RECURSIVE steps (n, step) AS (
        SELECT 1, MIN(step) FROM batches WHERE workspace = $1 AND service = $2 AND step > $3
        UNION ALL
        SELECT n + 1, (SELECT MIN(step) FROM batches WHERE workspace = $1 AND service = $2 AND step > steps.step)
        FROM steps WHERE n < $4 AND step IS NOT NULL
    )
    SELECT step FROM steps WHERE step IS NOT NULL";
const STEPS_AT_ONCE: i64 = 500;
const LOOKED_AT: &str = "
    SELECT service, step FROM drifts WHERE workspace = $1 AND (service, step) > ($2, $3) ORDER BY service, step LIMIT $4";
const DAYS: &str = "
    SELECT day, count, fresh FROM batches WHERE workspace = $1 AND service = $2 AND step = $3 ORDER BY day DESC LIMIT 366";

/// Place in the list of drifts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftCursor {
    service: String,
    step: String,
}

impl DriftCursor {
    pub fn parse(text: &str) -> Option<Self> {
        let (service, step) = text.split_once('/')?;
        Some(Self {
            service: Service::parse(service).ok()?.to_string(),
            step: Step::parse(step).ok()?.to_string(),
        })
    }
}

impl Store {
    pub async fn drifts(
        &self,
        workspace: &Workspace,
        only: Option<&Service>,
        from: Option<DriftCursor>,
        limit: u16,
        now: Micros,
    ) -> Result<Drifts> {
        let mut session = self.db.snapshot().await?;
        let from = match (from, only) {
            (Some(from), _) => (from.service, from.step),
            // No step sorts before the empty one.
            (None, Some(service)) => (service.to_string(), String::new()),
            (None, None) => (String::new(), String::new()),
        };
        // One more than asked for tells whether there is another page.
        let mut steps = session
            .steps_after(workspace, &from, i64::from(limit) + 1)
            .await?;
        if let Some(only) = only {
            steps.retain(|(service, _)| service == only);
        }
        let more = steps.len() > usize::from(limit);
        steps.truncate(limit.into());
        let mut drifts = Vec::with_capacity(steps.len());
        for (service, step) in steps {
            let drift = session.drift(workspace, &service, &step).await?;
            let drift = drift.unwrap_or_default();
            let answer = session.drift_answer(workspace, service, step, &drift, now);
            drifts.push(answer.await?);
        }
        let next = drifts
            .last()
            .filter(|_| more)
            .map(|last| format!("{}/{}", last.service, last.step));
        Ok(Drifts { drifts, next })
    }

    pub async fn drift_details(
        &self,
        workspace: &Workspace,
        service: &Service,
        hash: &StepHash,
        now: Micros,
    ) -> Result<Option<DriftDetails>> {
        self.count_facts_if_few(workspace).await?;
        let mut session = self.db.snapshot().await?;
        let Some(step) = session.step_by_hash(workspace, service, hash).await? else {
            return Ok(None);
        };
        let drift = session.drift(workspace, service, &step).await?;
        let drift = drift.unwrap_or_default();
        let seen = session
            .seen_of_all_names(workspace, service, &[(&step, &drift)])
            .await?;
        let seen = seen.into_iter().next().unwrap_or_default();
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            step.as_str().into(),
        ];
        let mut days = Vec::new();
        for row in session.rows(DAYS, params).await? {
            days.push(DriftDay {
                day: row.word(0)?,
                count: row.get(1)?,
                fresh: row.get(2)?,
            });
        }
        Ok(Some(DriftDetails {
            drift: session
                .drift_answer(workspace, service.clone(), step, &drift, now)
                .await?,
            seen,
            days,
            proof: drift.proof,
            last_good: drift.last_good,
            first_bad: drift.first_bad,
            moments: drift
                .moments
                .into_iter()
                .map(|moment| DriftMoment {
                    position: moment.position,
                    at: moment.at,
                    kind: moment.kind,
                })
                .collect(),
        }))
    }
}

impl Session {
    /// Of both kinds, each once, in order.
    async fn steps_after(
        &mut self,
        workspace: &Workspace,
        (service, step): &(String, String),
        limit: i64,
    ) -> Result<Vec<(Service, Step)>> {
        let params = || {
            [
                workspace.as_str().into(),
                service.as_str().into(),
                step.as_str().into(),
                limit.into(),
            ]
        };
        let reported = if self.is_sqlite() {
            SQLITE_REPORTED
        } else {
            REPORTED
        };
        let mut steps = Vec::new();
        for sql in [reported, LOOKED_AT] {
            for row in self.rows(sql, params()).await? {
                steps.push((row.word::<Service>(0)?, row.word::<Step>(1)?));
            }
        }
        steps.sort();
        steps.dedup();
        steps.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(steps)
    }

    /// A hash is not to be turned back: the steps of the service are tried.
    pub(super) async fn step_by_hash(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        hash: &StepHash,
    ) -> Result<Option<Step>> {
        if let Some(step) = self.step_of(workspace, service, hash).await? {
            return Ok(Some(step));
        }
        let mut from = String::new();
        loop {
            let params = [
                workspace.as_str().into(),
                service.as_str().into(),
                from.into(),
                STEPS_AT_ONCE.into(),
            ];
            let page = self.rows(STEPS_OF, params).await?;
            let mut last: Option<Step> = None;
            for row in &page {
                let step: Step = row.word(0)?;
                if step.hash() == *hash {
                    return Ok(Some(step));
                }
                last = Some(step);
            }
            match last {
                Some(last) if page.len() as i64 == STEPS_AT_ONCE => from = last.to_string(),
                _ => return Ok(None),
            }
        }
    }

    pub(super) async fn drift_answer(
        &mut self,
        workspace: &Workspace,
        service: Service,
        step: Step,
        drift: &Drift,
        now: Micros,
    ) -> Result<Answer> {
        let totals = self.totals(workspace, &service, &step).await?;
        let decided = self
            .decided_by_people(workspace, &service, &step, drift, now)
            .await?;
        Ok(answer(service, step, drift, &totals, decided))
    }
}

fn answer(
    service: Service,
    step: Step,
    drift: &Drift,
    totals: &Totals,
    decided: Option<DecidedByPeople>,
) -> Answer {
    Answer {
        step_hash: step.hash(),
        service,
        step,
        stage: drift.stage.as_str().to_owned(),
        reports: totals.reports,
        first_seen: totals.first,
        last_seen: totals.last,
        fresh: totals.fresh,
        verdict: drift.judged.as_ref().map(|judged| judged.verdict),
        judged_at: drift.judged.as_ref().map(|judged| judged.at),
        known_issue: drift.known_issue(),
        decided,
    }
}
