//! The hourly pass as a service. The scheduler only rings; one loop answers, so passes never overlap, and however often it rang
//! during a pass or a sleep of the machine, one more pass makes up for all of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use tokio::sync::Notify;
use tokio_cron_scheduler::{JobBuilder, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::tick::{Runner, Summary, Wanted};

/// A plan that the scheduler would take, told in time and in our words.
pub fn check_schedule(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "is not a schedule of six fields (second minute hour day month weekday), as in 0 17 * * * *; cron's own five lack the second";
    if text.split_whitespace().count() != 6 {
        return Err(RULE);
    }
    let job = JobBuilder::new()
        .with_timezone(Utc)
        .with_cron_job_type()
        .with_schedule(text);
    job.map(|_| text.to_owned()).map_err(|_| RULE)
}

/// Until told to stop. The first pass is at once: it makes up for what was missed while nobody ran.
pub async fn run(runner: &Runner, schedule: &str, jitter: Duration) -> anyhow::Result<()> {
    let bell = Arc::new(Notify::new());
    bell.notify_one();
    let mut scheduler = JobScheduler::new()
        .await
        .context("cannot start the scheduler")?;
    let ring = bell.clone();
    let job = JobBuilder::new()
        .with_timezone(Utc)
        .with_cron_job_type()
        .with_schedule(schedule)
        .context("cannot read the schedule")?
        .with_run_async(Box::new(move |_, _| {
            let ring = ring.clone();
            // Rung several times unheard it still rings once.
            Box::pin(async move { ring.notify_one() })
        }))
        .build()
        .context("cannot plan the passes")?;
    scheduler.add(job).await.context("cannot plan the passes")?;
    scheduler
        .start()
        .await
        .context("cannot start the scheduler")?;
    tracing::info!(schedule, "waiting for the hour");
    passes(runner, &bell, jitter, &runner.stop).await;
    scheduler
        .shutdown()
        .await
        .context("cannot stop the scheduler")?;
    tracing::info!("stopped");
    Ok(())
}

async fn passes(runner: &Runner, bell: &Notify, jitter: Duration, stop: &CancellationToken) {
    let mut first = true;
    loop {
        let rung = async {
            bell.notified().await;
            if !std::mem::take(&mut first) {
                tokio::time::sleep(some_of(jitter)).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = rung => {}
        }
        match runner.tick(&Wanted::Reported).await {
            Ok(summary) => tell(&summary),
            Err(error) => tracing::warn!(%error, "the pass failed; the next one tries again"),
        }
    }
}

fn tell(summary: &Summary) {
    for line in summary.lines().lines() {
        tracing::info!("{line}");
    }
}

/// By the random half of a UUID: nothing here needs more than that.
fn some_of(jitter: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() % 1_000_000;
    jitter.mul_f64(random as f64 / 1_000_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_six_fields() {
        for good in ["0 0 * * * *", "30 17 * * * *", "0 0 */2 * * *"] {
            assert!(check_schedule(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "0 * * * *",
            "0 0 * * *",
            "61 0 * * * *",
            "x x x x x x",
            "0 0 * * * * *",
        ] {
            assert!(check_schedule(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn jitter_stays_within_its_bound() {
        for _ in 0..1_000 {
            assert!(some_of(Duration::from_secs(60)) < Duration::from_secs(60));
        }
        assert_eq!(some_of(Duration::ZERO), Duration::ZERO);
    }
}
