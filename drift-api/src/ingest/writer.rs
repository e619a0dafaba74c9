//! The one task of this process that stores reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use drift_schema::{Code, Workspace};
use tokio::sync::mpsc;

use super::{Answer, Shared, Waiting, now};
use crate::store::{Incoming, Store, StoreError};
use crate::telemetry::{self, Metrics};

pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    pub(super) shared: Arc<Shared>,
}

/// Ends when the queue is closed and nothing waits any more.
pub(super) async fn run(writer: Writer, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    while let Some(first) = next(&mut queue, &writer.shared).await {
        let mut number = first.reports.len();
        let mut oldest = first.since;
        let mut groups: BTreeMap<Workspace, Vec<Waiting>> = BTreeMap::new();
        groups
            .entry(first.workspace.clone())
            .or_default()
            .push(first);
        while number < writer.shared.limits.flush
            && let Ok(waiting) = queue.try_recv()
        {
            number += waiting.reports.len();
            oldest = oldest.min(waiting.since);
            groups
                .entry(waiting.workspace.clone())
                .or_default()
                .push(waiting);
        }
        writer.metrics.waiting_since(Some(oldest));
        for (workspace, group) in groups {
            writer.flush(&workspace, group).await;
        }
        writer.metrics.waiting_since(None);
        writer.shared.depth.fetch_sub(number, Ordering::AcqRel);
    }
}

async fn next(queue: &mut mpsc::UnboundedReceiver<Waiting>, shared: &Shared) -> Option<Waiting> {
    if !shared.closed.is_cancelled() {
        tokio::select! {
            biased;
            first = queue.recv() => return first,
            () = shared.closed.cancelled() => queue.close(),
        }
    }
    queue.recv().await
}

impl Writer {
    async fn flush(&self, workspace: &Workspace, group: Vec<Waiting>) {
        let mut owners = Vec::with_capacity(group.len());
        let mut reports = Vec::with_capacity(group.len());
        for waiting in group {
            owners.push((waiting.reports.len(), waiting.answer));
            reports.extend(waiting.reports);
        }
        let mut answers = self.store_all(workspace, &reports).await.into_iter();
        self.shared.commits.send_modify(|commits| *commits += 1);
        for (number, owner) in owners {
            // Who has hung up does not care; the reports are stored all the same.
            let _ = owner.send(answers.by_ref().take(number).collect());
        }
    }

    /// Stores all, or finds out which ones cannot be stored by halving: a report that the database chokes on
    /// fails alone.
    async fn store_all(&self, workspace: &Workspace, reports: &[Incoming]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(reports.len());
        let mut parts = vec![reports];
        while let Some(part) = parts.pop() {
            match self.store_part(workspace, part).await {
                Ok(outcomes) => answers.extend(outcomes.into_iter().map(Ok)),
                Err(error @ (StoreError::Unavailable(_) | StoreError::Contended(_))) => {
                    tracing::warn!(
                        error = %telemetry::causes(&error),
                        reports = part.len(),
                        "a flush could not be stored"
                    );
                    // The database is not there: the rest need not try, or it would take as many deadlines.
                    let left = part.len() + parts.iter().map(|part| part.len()).sum::<usize>();
                    answers.extend((0..left).map(|_| Err(Code::Unavailable)));
                    break;
                }
                Err(error) if part.len() == 1 => {
                    tracing::error!(
                        error = %telemetry::causes(&error),
                        "a report could not be stored"
                    );
                    answers.push(Err(Code::Internal));
                }
                Err(_) => {
                    let (left, right) = part.split_at(part.len() / 2);
                    parts.push(right);
                    parts.push(left);
                }
            }
        }
        answers
    }

    async fn store_part(
        &self,
        workspace: &Workspace,
        part: &[Incoming],
    ) -> Result<Vec<crate::store::Outcome>, StoreError> {
        let began = Instant::now();
        let mut tries = 0;
        let done =
            loop {
                let stored = tokio::time::timeout(
                    self.shared.limits.deadline,
                    self.store.record_reports(workspace, part, now()),
                )
                .await;
                match stored {
                    // Also when a connection broke: whether it broke before the commit or after, a report that is stored
                    // twice is found by its id. Several, since all that idle in the pool may have died together.
                    Ok(Err(
                        StoreError::Contended(_) | StoreError::Unavailable(sqlx::Error::Io(_)),
                    )) if tries < 5 => tries += 1,
                    Ok(done) => break done,
                    Err(_) => break Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
                }
            };
        let stored = done?;
        self.metrics.flush(part.len() as u64, began.elapsed());
        self.metrics.committed(stored.position.unsigned_abs());
        Ok(stored.outcomes)
    }
}
