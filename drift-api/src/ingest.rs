//! Group commit. Requests hand their reports in here and wait; one writer takes all that wait and stores them in
//! one transaction. While it does, the next ones gather: there is no timer, so a lone report is never held
//! back, and the busier it gets the larger the groups become.
//!
//! Used by the report handlers; owned by `startup`, which closes it last.

mod salt;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use drift_schema::event::ReportReceived;
use drift_schema::{Code, Micros, Report, Workspace};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::store::{Incoming, Outcome, Store};
use crate::telemetry::{self, Metrics};
use salt::Salts;

/// Limits of the queue.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Reports that may wait. What comes on top is refused at once.
    pub queue: usize,
    /// Reports in one transaction.
    pub flush: usize,
    /// After this a flush that does not come back counts as failed.
    pub deadline: Duration,
}

/// What became of one report of a request.
pub type Answer = Result<Outcome, Code>;

struct Waiting {
    workspace: Workspace,
    reports: Vec<Incoming>,
    since: Instant,
    answer: oneshot::Sender<Vec<Answer>>,
}

struct Shared {
    limits: Limits,
    depth: AtomicUsize,
    closing: AtomicBool,
    closed: CancellationToken,
    salts: Salts,
    commits: watch::Sender<u64>,
}

/// The handle that handlers hold.
#[derive(Clone)]
pub struct Ingest {
    shared: Arc<Shared>,
    queue: mpsc::UnboundedSender<Waiting>,
}

impl Ingest {
    /// Starts the writer on `tasks`. After `close` it stores what waits, and ends.
    pub fn start(
        store: Store,
        limits: Limits,
        metrics: Metrics,
        tasks: &TaskTracker,
    ) -> anyhow::Result<Self> {
        let (queue, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            limits,
            depth: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            closed: CancellationToken::new(),
            salts: Salts::new()?,
            commits: watch::Sender::new(0),
        });
        tasks.spawn(writer::run(
            writer::Writer {
                store,
                metrics,
                shared: shared.clone(),
            },
            waiting,
        ));
        Ok(Self { shared, queue })
    }

    /// Makes a report ready to be stored: all the work that needs no lock is done here, on the caller's thread.
    pub fn prepare(&self, report: Report, key: &str) -> Result<Incoming, Code> {
        let report_id = report.report_id.unwrap_or_else(Uuid::now_v7);
        let salt = self.shared.salts.draw(report_id);
        let received = ReportReceived::new(report, key.to_owned(), salt);
        Incoming::new(report_id, received).map_err(|error| {
            tracing::error!(
                error = %telemetry::causes(&error),
                "a report could not be sealed"
            );
            Code::Internal
        })
    }

    /// Stores reports and answers each, after the commit.
    pub async fn submit(
        &self,
        workspace: Workspace,
        reports: Vec<Incoming>,
    ) -> Result<Vec<Answer>, Code> {
        let number = reports.len();
        if self.shared.closing.load(Ordering::Acquire) {
            return Err(Code::ShuttingDown);
        }
        if self.shared.depth.fetch_add(number, Ordering::AcqRel) + number > self.shared.limits.queue
        {
            self.shared.depth.fetch_sub(number, Ordering::AcqRel);
            return Err(Code::Overloaded);
        }
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            workspace,
            reports,
            since: Instant::now(),
            answer,
        };
        if self.queue.send(waiting).is_err() {
            self.shared.depth.fetch_sub(number, Ordering::AcqRel);
            return Err(Code::ShuttingDown);
        }
        // The writer answers everyone it took; gone without an answer, it was stopped.
        answered.await.map_err(|_| Code::ShuttingDown)
    }

    /// Reports that wait at the moment.
    pub fn depth(&self) -> usize {
        self.shared.depth.load(Ordering::Relaxed)
    }

    /// Whether it is time to send requests elsewhere.
    pub fn is_crowded(&self) -> bool {
        self.depth() > self.shared.limits.queue / 10 * 9
    }

    /// Whether there is somebody to store what is handed in.
    pub fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Changes with each commit of this process: for live views.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.shared.commits.subscribe()
    }

    /// Refuses new reports from now on; those that wait are still stored.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.closed.cancel();
    }
}

/// The clock of a flush.
fn now() -> Micros {
    Micros::now()
}
