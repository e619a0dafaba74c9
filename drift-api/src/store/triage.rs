//! What people decide about drifts and services, and what it means for the work that is handed out. A mute and a renaming
//! are looked at here, whenever work is handed out, and not where reports are counted: so whatever waited is there when
//! they end.

use std::collections::BTreeMap;

use drift_schema::action::{DriftAction, ServiceAction};
use drift_schema::answer::DecidedByPeople;
use drift_schema::event::{DriftUnmuted, Event};
use drift_schema::run::{Counted, Seen};
use drift_schema::{Day, Micros, ScraperVersion, Service, Step, StepHash, Workspace, answer};

use super::deciding::Deciding;
use super::projection::ALL_SERVICES;
use super::session::{Row, Session};
use super::{Result, Store};
use crate::lifecycle::Drift;
use crate::lifecycle::drift::newer;
use crate::lifecycle::drift::triage::{Matter, Refused, Reported};

const REPORTED_SINCE: &str = "
    SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM batches WHERE workspace = $1 AND service = $2 AND step = $3 AND day >= $4";
const WAITING: &str = "
    SELECT day FROM batches WHERE workspace = $1 AND service = $2 AND step = $3 AND fresh ORDER BY day DESC LIMIT 366";
const DAYS_SINCE: &str = "
    SELECT day FROM batches WHERE workspace = $1 AND service = $2 AND step = $3 AND last_position > $4 ORDER BY day DESC LIMIT 366";

/// Of what was reported of a drift, the commonest values.
const MOST_VALUES: i64 = 20;

/// Drifts with something to do, each with how many of its reports wait.
pub(super) type Waiting = BTreeMap<(Service, Step), (Drift, i64)>;

impl Store {
    /// Does what somebody decided about a drift, and says how it stands then. None: there is no such drift.
    pub async fn act_on_drift(
        &self,
        workspace: &Workspace,
        service: &Service,
        hash: &StepHash,
        action: DriftAction,
        by: String,
        now: Micros,
    ) -> Result<Option<std::result::Result<answer::Drift, Refused>>> {
        // The newest version that was reported is one of the facts.
        self.count_facts_if_few(workspace).await?;
        let mut deciding = self.deciding(workspace, now).await?;
        let Some(step) = deciding
            .session
            .step_by_hash(workspace, service, hash)
            .await?
        else {
            return Ok(None);
        };
        let drift = deciding.drift(service, &step).await?;
        let other = match &action {
            DriftAction::Rename { to } => Some(deciding.drift(service, to).await?),
            _ => None,
        };
        let session = &mut deciding.session;
        let matter = Matter {
            reported: session
                .reported(workspace, service, &step, &drift, now)
                .await?,
            waiting: session
                .days_waiting(workspace, service, &step, &drift)
                .await?,
            reported_since: session
                .days_since_declared(workspace, service, &step, &drift)
                .await?,
            service: service.clone(),
            step: step.clone(),
            by,
            now,
            other: other.as_ref(),
        };
        let events = match drift.decide(action, matter) {
            Ok(events) => events,
            Err(refused) => return Ok(Some(Err(refused))),
        };
        for event in events {
            deciding.append(event).await?;
        }
        let drift = deciding.drift(service, &step).await?;
        let answer = deciding
            .session
            .drift_answer(workspace, service.clone(), step, &drift, now)
            .await?;
        deciding.session.commit().await?;
        Ok(Some(Ok(answer)))
    }

    /// Switches replays off or on, of one service or of all.
    pub async fn act_on_service(
        &self,
        workspace: &Workspace,
        service: Option<Service>,
        action: ServiceAction,
        by: String,
        now: Micros,
    ) -> Result<std::result::Result<(), Refused>> {
        let mut deciding = self.deciding(workspace, now).await?;
        let name = service.as_ref().map_or(ALL_SERVICES, Service::as_str);
        let state = deciding.session.service_state(workspace, name).await?;
        let paused = action == ServiceAction::Pause {};
        match state.switch(service, paused, by) {
            Ok(event) => deciding.append(event).await?,
            Err(refused) => return Ok(Err(refused)),
        }
        Ok(Ok(deciding.session.commit().await?))
    }

    /// Takes out what nothing is to be done about, and gives what waits for an old name to the new one.
    pub(super) async fn as_people_decided(
        &self,
        workspace: &Workspace,
        waiting: Waiting,
        now: Micros,
    ) -> Result<Waiting> {
        if !waiting.values().any(|(drift, _)| is_decided_about(drift)) {
            return Ok(waiting);
        }
        self.count_facts_if_few(workspace).await?;
        let mut session = self.db.snapshot().await?;
        session.as_people_decided(workspace, waiting, now).await
    }
}

/// Whether the work that its stage calls for may not be what is to be done.
pub(super) fn is_decided_about(drift: &Drift) -> bool {
    drift.renamed_to.is_some() || drift.muted.is_some()
}

impl Store {
    /// The newest scraper that reported a drift before `until`, under any of its names.
    pub(super) async fn newest_under_all_names(
        &self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        until: i64,
    ) -> Result<Option<ScraperVersion>> {
        let mut session = self.db.snapshot().await?;
        let drift = session.drift(workspace, service, step).await?;
        drop(session);
        let mut newest = None;
        for name in names(step, &drift.unwrap_or_default()) {
            let reported = self
                .newest_reported(workspace, service, name, until)
                .await?;
            newest = newest.into_iter().chain(reported).reduce(newer);
        }
        Ok(newest)
    }
}

impl Deciding<'_> {
    /// A mute that is over is taken out of the way by the first who comes across it.
    pub(super) async fn end_mute(
        &mut self,
        service: &Service,
        step: &Step,
        drift: &Drift,
    ) -> Result<()> {
        if drift.muted.is_some() {
            let unmuted = DriftUnmuted {
                service: service.clone(),
                step: step.clone(),
                by: None,
            };
            self.append(Event::DriftUnmuted(unmuted)).await?;
        }
        Ok(())
    }

    /// Whether somebody decided, since a run was given this drift, that nothing is to be done about it.
    pub(super) async fn is_left_alone(
        &mut self,
        service: &Service,
        step: &Step,
        drift: &Drift,
    ) -> Result<bool> {
        let (workspace, now) = (self.workspace, self.now);
        Ok(drift.renamed_to.is_some()
            || self
                .session
                .is_muted(workspace, service, step, drift, now)
                .await?)
    }
}

impl Session {
    pub(super) async fn as_people_decided(
        &mut self,
        workspace: &Workspace,
        waiting: Waiting,
        now: Micros,
    ) -> Result<Waiting> {
        let mut decided = Waiting::new();
        let mut of_old_names = Vec::new();
        for ((service, step), (drift, reports)) in waiting {
            match &drift.renamed_to {
                Some(to) if reports > 0 => of_old_names.push((service, to.clone(), reports)),
                Some(_) => {}
                None => {
                    decided.insert((service, step), (drift, reports));
                }
            }
        }
        for (service, step, reports) in of_old_names {
            let key = (service, step);
            if let Some((_, own)) = decided.get_mut(&key) {
                *own += reports;
            } else {
                let drift = self.drift(workspace, &key.0, &key.1).await?;
                decided.insert(key, (drift.unwrap_or_default(), reports));
            }
        }
        let mut muted = Vec::new();
        for ((service, step), (drift, _)) in &decided {
            if self.is_muted(workspace, service, step, drift, now).await? {
                muted.push((service.clone(), step.clone()));
            }
        }
        for key in muted {
            decided.remove(&key);
        }
        Ok(decided)
    }

    pub(super) async fn is_muted(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        drift: &Drift,
        now: Micros,
    ) -> Result<bool> {
        if drift.muted.is_none() {
            return Ok(false);
        }
        let reported = self.reported(workspace, service, step, drift, now).await?;
        Ok(drift.is_muted(now, &reported))
    }

    pub(super) async fn decided_by_people(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        drift: &Drift,
        now: Micros,
    ) -> Result<Option<DecidedByPeople>> {
        let reported = match drift.muted {
            Some(_) => self.reported(workspace, service, step, drift, now).await?,
            None => Reported::default(),
        };
        Ok(drift.decided_by_people(now, &reported))
    }

    /// Under all its names.
    async fn reported(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        drift: &Drift,
        now: Micros,
    ) -> Result<Reported> {
        let from = drift.muted.as_ref().map_or(now, |muted| muted.at).day();
        let mut reported = Reported::default();
        for name in names(step, drift) {
            let params = [
                workspace.as_str().into(),
                service.as_str().into(),
                name.as_str().into(),
                from.to_string().into(),
            ];
            if let Some(row) = self.row(REPORTED_SINCE, params).await? {
                reported.count += row.get::<i64>(0)?;
            }
            let newest = self.newest_counted(workspace, service, name).await?;
            reported.newest = [reported.newest.take(), newest]
                .into_iter()
                .flatten()
                .reduce(newer);
        }
        Ok(reported)
    }

    /// What was reported of drifts of a service, under all their names, in their order.
    pub(super) async fn seen_of_all_names(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        drifts: &[(&Step, &Drift)],
    ) -> Result<Vec<Seen>> {
        let all: Vec<&Step> = drifts.iter().flat_map(|(s, d)| names(s, d)).collect();
        let mut seen = self.seen(workspace, service, &all, MOST_VALUES).await?;
        let together = drifts.iter().map(|(step, drift)| {
            let seen = names(step, drift).filter_map(|name| seen.remove(name));
            seen.reduce(together).unwrap_or_default()
        });
        Ok(together.collect())
    }

    async fn days_waiting(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        drift: &Drift,
    ) -> Result<Vec<Day>> {
        let mut days = Vec::new();
        for name in names(step, drift) {
            let params = [
                workspace.as_str().into(),
                service.as_str().into(),
                name.as_str().into(),
            ];
            days.extend(read_days(&self.rows(WAITING, params).await?)?);
        }
        days.sort_unstable();
        days.dedup();
        Ok(days)
    }

    async fn days_since_declared(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        drift: &Drift,
    ) -> Result<Vec<Day>> {
        let Some(declared) = &drift.declared else {
            return Ok(Vec::new());
        };
        let mut days = Vec::new();
        for name in names(step, drift) {
            let params = [
                workspace.as_str().into(),
                service.as_str().into(),
                name.as_str().into(),
                declared.position.into(),
            ];
            days.extend(read_days(&self.rows(DAYS_SINCE, params).await?)?);
        }
        Ok(days)
    }
}

/// The name that it has, and those that it had.
pub(super) fn names<'a>(step: &'a Step, drift: &'a Drift) -> impl Iterator<Item = &'a Step> {
    std::iter::once(step).chain(&drift.old_names)
}

fn read_days(rows: &[Row]) -> Result<Vec<Day>> {
    let days: sqlx::Result<Vec<Day>> = rows.iter().map(|row| row.word(0)).collect();
    Ok(days?)
}

/// What was reported under two names of one step.
fn together(one: Seen, other: Seen) -> Seen {
    let earliest = [one.first, other.first].into_iter().flatten().min();
    Seen {
        reports: one.reports + other.reports,
        fresh: one.fresh + other.fresh,
        first: earliest,
        last: one.last.max(other.last),
        kinds: counted_together(one.kinds, other.kinds),
        versions: counted_together(one.versions, other.versions),
        hosts: counted_together(one.hosts, other.hosts),
        digests: counted_together(one.digests, other.digests),
        screenshot_ref: one.screenshot_ref.or(other.screenshot_ref),
    }
}

/// The commonest first.
fn counted_together(one: Vec<Counted>, other: Vec<Counted>) -> Vec<Counted> {
    let mut counts = BTreeMap::new();
    for Counted { value, count } in one.into_iter().chain(other) {
        *counts.entry(value).or_insert(0) += count;
    }
    let counted = |(value, count)| Counted { value, count };
    let mut all: Vec<Counted> = counts.into_iter().map(counted).collect();
    all.sort_by_key(|counted| std::cmp::Reverse(counted.count));
    all
}
