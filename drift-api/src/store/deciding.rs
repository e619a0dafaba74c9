//! A transaction that holds the end of a log, and what is decided in it: `crate::lifecycle` says which events follow,
//! and they are appended under the lock of the head.

use drift_schema::event::Event;
use drift_schema::{Micros, Service, Step, Workspace};

use super::log::Head;
use super::session::Session;
use super::{Result, Store};
use crate::lifecycle::{Drift, Impossible, ServiceState};

/// What came of something that the state may forbid.
pub type Decided<T> = Result<std::result::Result<T, Impossible>>;

pub(super) struct Deciding<'a> {
    pub(super) session: Session,
    pub(super) workspace: &'a Workspace,
    head: Head,
    pub(super) now: Micros,
}

impl Store {
    pub(super) async fn deciding<'a>(
        &self,
        workspace: &'a Workspace,
        now: Micros,
    ) -> Result<Deciding<'a>> {
        let mut session = self.db.write_by_key().await?;
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
    pub(super) async fn append(&mut self, event: Event) -> Result<()> {
        self.session
            .append(self.workspace, &mut self.head, event, self.now)
            .await?;
        Ok(())
    }

    /// Position of the event that was appended last.
    pub(super) fn position(&self) -> i64 {
        self.head.position
    }

    /// When something other than a report happened last.
    pub(super) fn lifecycle_at(&self) -> i64 {
        self.head.lifecycle_at
    }

    pub(super) async fn service(&mut self, service: &Service) -> Result<ServiceState> {
        self.session
            .service_state(self.workspace, service.as_str())
            .await
    }

    pub(super) async fn drift(&mut self, service: &Service, step: &Step) -> Result<Drift> {
        let drift = self.session.drift(self.workspace, service, step).await?;
        Ok(drift.unwrap_or_default())
    }
}
