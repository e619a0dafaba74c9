//! One pass: what was reported, who replays it, what was found, and the issue that tells. The same for the hourly daemon, a
//! cron job, and a person who asks for a replay.

mod evidence;
mod lease;
mod run;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use drift_client::scrapers::Scrapers;
use drift_schema::Service;
use drift_schema::run::{
    Budget, Claim, Claimed, IssueToAsk, Observed, Run, ServiceWork, WithheldFor, Work,
};
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::{Api, ApiError};
use crate::replay::Stage;
use crate::tracker::{Room, Tracker};
pub use summary::{DriftSummary, ServiceSummary, Summary, words};

/// Everything that a pass needs of the world.
pub struct Runner {
    pub api: Api,
    pub tracker: Tracker,
    pub scrapers: Scrapers,
    pub stage: Stage,
    pub limits: Limits,
    /// Who holds a lease, for people.
    pub name: String,
    /// Told to stop: what runs is finished, nothing new is claimed.
    pub stop: CancellationToken,
}

#[derive(Debug, Clone)]
pub struct Limits {
    pub concurrency: usize,
    pub lease: Duration,
    pub new_issues: u32,
}

/// Whose work is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever was reported.
    Reported,
    /// Of one service, whatever was reported.
    Only(Service),
    /// A person asks: these are replayed whether something was reported or not.
    ByHand(Vec<Service>),
}

impl Runner {
    pub async fn tick(&self, wanted: &Wanted) -> Result<Summary, ApiError> {
        let (services, by_hand) = match wanted {
            Wanted::ByHand(services) => (services.clone(), true),
            Wanted::Reported | Wanted::Only(_) => {
                let mut work = self.api.work().await?;
                if self.ask(&work.ask).await? {
                    // An issue was closed meanwhile, or is gone: that may be work.
                    work = self.api.work().await?;
                }
                (due(&work, wanted), false)
            }
        };
        let room = Arc::new(Room::of(self.limits.new_issues));
        let served = futures_util::stream::iter(services)
            .map(|service| self.serve(service, by_hand, &room))
            .buffer_unordered(self.limits.concurrency.max(1))
            .collect::<Vec<_>>();
        Ok(Summary::of(served.await))
    }

    /// Asks the tracker how issues are. Webhooks get lost; what was missed is told to the backend now. Whether anything was.
    async fn ask(&self, issues: &[IssueToAsk]) -> Result<bool, ApiError> {
        for ask in issues {
            match self.tracker.observe(&ask.issue).await {
                Ok(issue) => {
                    let (service, step_hash) = (ask.service.clone(), ask.step_hash.clone());
                    self.api
                        .observed(&Observed {
                            service,
                            step_hash,
                            issue,
                        })
                        .await?;
                }
                Err(trouble) => {
                    tracing::warn!(issue = ask.issue.number, %trouble, "cannot ask how an issue is")
                }
            }
        }
        Ok(!issues.is_empty())
    }

    /// Everything there is to do for one service, under one lease.
    async fn serve(&self, service: Service, by_hand: bool, room: &Room) -> ServiceSummary {
        if self.stop.is_cancelled() {
            return ServiceSummary::skipped(service, "told to stop");
        }
        let claimed = match self.claim(&service, by_hand).await {
            Ok(claimed) => claimed,
            Err(error) => return ServiceSummary::failed(service, &error),
        };
        let Some(run) = claimed.run else {
            return ServiceSummary::withheld(service, claimed.withheld);
        };
        let mut summary = ServiceSummary::begun(&run);
        tracing::info!(service = %run.service, run = %run.run, drifts = run.drifts.len(), "claimed");
        let worked = tokio::select! {
            worked = self.work_on(&run, room, &mut summary.drifts) => worked,
            lost = self.keep_lease(&run) => Err(lost),
        };
        if let Err(error) = worked {
            summary.fail(&error);
        }
        summary
    }

    async fn claim(&self, service: &Service, by_hand: bool) -> Result<Claimed, ApiError> {
        let budget = self.scrapers.get(service).map(|entry| Budget {
            per_day: entry.budget.per_day,
            cooldown_seconds: seconds(entry.budget.cooldown),
        });
        if budget.is_none() {
            tracing::warn!(%service, "no scraper in scrapers.toml: nothing of it can be replayed");
        }
        let claim = Claim {
            run: Uuid::now_v7(),
            service: service.clone(),
            runner: self.name.clone(),
            lease_seconds: seconds(self.limits.lease),
            budget,
            by_hand,
        };
        self.api.claim(&claim).await
    }

    async fn work_on(
        &self,
        run: &Run,
        room: &Room,
        told: &mut Vec<DriftSummary>,
    ) -> Result<(), ApiError> {
        let entry = self.scrapers.get(&run.service);
        let replayed = match entry {
            Some(entry) if run.drifts.iter().any(|drift| drift.task.is_replay()) => {
                Some(self.replay(run, entry).await?)
            }
            _ => None,
        };
        // Side by side: an account that stands about does not wait for GitHub.
        let (cleaned, settled) = tokio::join!(
            self.clean_up(run, entry, replayed.as_ref()),
            self.settle(run, entry, replayed.as_ref(), room, told)
        );
        let all = settled?;
        self.finish(run, replayed, cleaned, all).await
    }
}

/// Services of which something would be handed out.
fn due(work: &Work, wanted: &Wanted) -> Vec<Service> {
    let services = work.services.iter().filter(|service| is_due(service));
    let services = services.map(|work| work.service.clone());
    match wanted {
        Wanted::Only(only) => services.filter(|service| service == only).collect(),
        _ => services.collect(),
    }
}

/// Whether a claim would get something: what is withheld is replays, except where another runner is at work.
pub fn is_due(work: &ServiceWork) -> bool {
    match &work.withheld {
        None => true,
        Some(withheld) if withheld.reason == WithheldFor::Leased => false,
        Some(_) => work.drifts.iter().any(|drift| !drift.task.is_replay()),
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX)
}
