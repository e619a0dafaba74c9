//! One pass: what was reported, who replays it, what was found, and the issue that tells. The same for the hourly daemon, a
//! cron job, and a person who asks for a replay.

mod due;
mod evidence;
mod lease;
mod run;
mod settling;
mod summary;

use std::time::Duration;

use drift_client::scrapers::Scrapers;
use drift_schema::run::{Asked, Claim, Claimed, Observed, Run, Work};
use drift_schema::{Service, StepHash};
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};
use url::Url;
use uuid::Uuid;

use crate::api::{Api, ApiError};
use crate::replay::Stage;
use crate::telemetry::Metrics;
use crate::tracker::{Room, Tracker};
pub use due::{Due, due};
use settling::Settling;
pub use summary::{DriftSummary, ServiceSummary, Summary, words};

/// Everything that a pass needs of the world.
pub struct Runner {
    pub api: Api,
    /// Where the triage pages are for whoever reads an issue.
    pub pages: Option<Url>,
    pub tracker: Tracker,
    pub scrapers: Scrapers,
    pub stage: Stage,
    pub limits: Limits,
    /// Who holds a lease, for people.
    pub name: String,
    pub metrics: Metrics,
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

impl Wanted {
    /// What of the work is theirs.
    pub fn of(&self, mut work: Work) -> Work {
        if let Self::Only(only) = self {
            work.services.retain(|work| work.service == *only);
            work.ask.retain(|ask| ask.service == *only);
            // It will not have been about all of them.
            work.is_daily = false;
        }
        work
    }
}

impl Runner {
    pub async fn tick(&self, wanted: &Wanted) -> Result<Summary, ApiError> {
        let begun = tokio::time::Instant::now();
        let summary = self.pass(wanted).instrument(info_span!("tick")).await?;
        self.metrics.passed(&summary, begun.elapsed());
        Ok(summary)
    }

    fn page(&self, service: &Service, step: &StepHash) -> Option<String> {
        let base = self.pages.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}/drifts/{service}/{step}"))
    }

    async fn pass(&self, wanted: &Wanted) -> Result<Summary, ApiError> {
        let (services, by_hand) = match wanted {
            Wanted::ByHand(services) => (services.clone(), true),
            Wanted::Reported | Wanted::Only(_) => {
                let asking = self.api.work().instrument(info_span!("work"));
                let mut work = wanted.of(asking.await?);
                if self.ask(&work).instrument(info_span!("ask")).await? {
                    // An issue was closed meanwhile, or is gone: that may be work.
                    work = wanted.of(self.api.work().await?);
                }
                let services = work.services.into_iter().map(|work| work.service);
                (services.collect(), false)
            }
        };
        let room = Room::of(self.limits.new_issues);
        let served = futures_util::stream::iter(services)
            .map(|service| {
                let span = info_span!("service", %service);
                self.serve(service, by_hand, &room).instrument(span)
            })
            .buffer_unordered(self.limits.concurrency.max(1))
            .collect::<Vec<_>>();
        Ok(Summary::of(served.await))
    }

    /// Asks the tracker how issues are. Webhooks get lost; what was missed is told to the backend now. Whether anything was.
    async fn ask(&self, work: &Work) -> Result<bool, ApiError> {
        let asked = self.tracker.changed(&work.ask, work.as_of).await;
        for (ask, issue) in &asked.changed {
            let (service, step_hash) = (ask.service.clone(), ask.step_hash.clone());
            let issue = issue.clone();
            self.api
                .observed(&Observed {
                    service,
                    step_hash,
                    issue,
                })
                .await?;
        }
        match asked.trouble {
            Some(trouble) => tracing::warn!(%trouble, "cannot ask how the issues are"),
            None if work.is_daily => {
                let as_of = work.as_of;
                self.api.asked(&Asked { as_of }).await?;
            }
            None => {}
        }
        Ok(!asked.changed.is_empty())
    }

    /// Everything there is to do for one service, under one lease.
    async fn serve(&self, service: Service, by_hand: bool, room: &Room) -> ServiceSummary {
        if self.stop.is_cancelled() {
            return ServiceSummary::skipped(service, "told to stop");
        }
        let since = tokio::time::Instant::now();
        let claiming = self.claim(&service, by_hand);
        let claimed = match claiming.instrument(info_span!("claim")).await {
            Ok(claimed) => claimed,
            Err(error) => return ServiceSummary::failed(service, &error),
        };
        let Some(run) = claimed.run else {
            return ServiceSummary::withheld(service, claimed.withheld);
        };
        let mut summary = ServiceSummary::begun(&run);
        tracing::info!(service = %run.service, run = %run.run, drifts = run.drifts.len(), "claimed");
        let worked = tokio::select! {
            // First: after a sleep of the machine the lease is looked at before anything else is done.
            biased;
            lost = self.keep_lease(&run, since) => Err(lost),
            worked = self.work_on(&run, by_hand, room, &mut summary) => worked,
        };
        if let Err(error) = worked {
            summary.fail(&error);
        }
        summary
    }

    async fn claim(&self, service: &Service, by_hand: bool) -> Result<Claimed, ApiError> {
        let budget = self.scrapers.get(service).map(due::budget);
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
        by_hand: bool,
        room: &Room,
        summary: &mut ServiceSummary,
    ) -> Result<(), ApiError> {
        let entry = self.scrapers.get(&run.service);
        let replayed = match entry {
            Some(entry) if by_hand || run.drifts.iter().any(|drift| drift.task.is_replay()) => {
                Some(
                    self.replay(run, entry)
                        .instrument(info_span!("replay"))
                        .await?,
                )
            }
            _ => None,
        };
        summary.replayed(replayed.as_ref());
        // Side by side: an account that stands about does not wait for GitHub.
        let cleaning = self.clean_up(run, entry, replayed.as_ref());
        let settling =
            Settling::new(self, run, entry, replayed.as_ref(), room).all(&mut summary.drifts);
        let (cleaned, settled) = tokio::join!(
            cleaning.instrument(info_span!("clean up")),
            settling.instrument(info_span!("settle"))
        );
        let all = settled?;
        let finishing = self.finish(run, replayed, cleaned, all);
        finishing.instrument(info_span!("finish")).await
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX)
}
