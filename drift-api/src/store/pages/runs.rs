//! Runs, the latest first.

use drift_schema::{Micros, Service, Workspace};
use uuid::Uuid;

use crate::lifecycle::RunLog;
use crate::store::session::Row;
use crate::store::{Result, Store};

const RUNS: &str = "
    SELECT run, service, token, claimed_at, state FROM runs WHERE workspace = $1 AND token < $2 ORDER BY token DESC LIMIT $3";
const RUNS_OF: &str = "
    SELECT run, service, token, claimed_at, state FROM runs WHERE workspace = $1 AND service = $4 AND token < $2
    ORDER BY token DESC LIMIT $3";
const RUN: &str =
    "SELECT run, service, token, claimed_at, state FROM runs WHERE workspace = $1 AND run = $2";
const LEASE: &str = "SELECT until FROM leases WHERE workspace = $1 AND run = $2";

#[derive(Debug, Clone)]
pub struct RunLook {
    pub run: Uuid,
    pub service: Service,
    /// Position of its claim.
    pub token: i64,
    pub claimed_at: Micros,
    pub log: RunLog,
    /// Until when an open run may be silent; only where one run is asked for.
    pub leased_until: Option<Micros>,
}

#[derive(Debug, Clone)]
pub struct RunsLook {
    pub runs: Vec<RunLook>,
    /// Where older ones begin.
    pub older: Option<i64>,
    pub contact: Option<Micros>,
}

impl RunLook {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            run: row.get(0)?,
            service: row.word(1)?,
            token: row.get(2)?,
            claimed_at: Micros(row.get(3)?),
            log: row.json(4)?,
            leased_until: None,
        })
    }
}

impl Store {
    pub async fn runs_look(
        &self,
        workspace: &Workspace,
        only: Option<&Service>,
        before: Option<i64>,
        limit: u16,
    ) -> Result<RunsLook> {
        let mut session = self.db.snapshot().await?;
        let before = before.unwrap_or(i64::MAX);
        // One more than asked for tells whether there is another page.
        let (scope, most) = (workspace.as_str(), i64::from(limit) + 1);
        let rows = match only {
            None => {
                let params = [scope.into(), before.into(), most.into()];
                session.rows(RUNS, params).await?
            }
            Some(service) => {
                let params = [
                    scope.into(),
                    before.into(),
                    most.into(),
                    service.as_str().into(),
                ];
                session.rows(RUNS_OF, params).await?
            }
        };
        let mut runs = rows
            .iter()
            .map(RunLook::read)
            .collect::<Result<Vec<RunLook>>>()?;
        let more = runs.len() > usize::from(limit);
        runs.truncate(limit.into());
        Ok(RunsLook {
            older: runs.last().filter(|_| more).map(|run| run.token),
            runs,
            contact: session.last_contact(workspace).await?,
        })
    }

    /// None: no such run.
    pub async fn run_look(&self, workspace: &Workspace, run: Uuid) -> Result<Option<RunLook>> {
        let params = || [workspace.as_str().into(), run.into()];
        let mut session = self.db.snapshot().await?;
        let Some(row) = session.row(RUN, params()).await? else {
            return Ok(None);
        };
        let mut look = RunLook::read(&row)?;
        let lease = session.row(LEASE, params()).await?;
        look.leased_until = lease.map(|row| row.get(0)).transpose()?.map(Micros);
        Ok(Some(look))
    }
}
