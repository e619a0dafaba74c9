//! Signs of life that leave no event: when a runner last asked, what it may spend, how the log was last found.

use drift_schema::run::Budget;
use drift_schema::{Micros, Service, Workspace};

use crate::store::session::{Row, Session};
use crate::store::{Result, Store, Verified};

const CONTACT: &str = "
    INSERT INTO runner_contacts (workspace, seen_at) VALUES ($1, $2)
    ON CONFLICT (workspace) DO UPDATE SET seen_at = excluded.seen_at WHERE runner_contacts.seen_at < excluded.seen_at";
const LAST_CONTACT: &str = "SELECT seen_at FROM runner_contacts WHERE workspace = $1";
const BUDGET: &str = "
    INSERT INTO runner_budgets (workspace, service, per_day, cooldown_seconds) VALUES ($1, $2, $3, $4)
    ON CONFLICT (workspace, service) DO UPDATE SET per_day = excluded.per_day, cooldown_seconds = excluded.cooldown_seconds";
const VERIFIED: &str = "
    INSERT INTO verifications (workspace, checked_at, position, clean, found) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (workspace) DO UPDATE SET
        checked_at = excluded.checked_at, position = excluded.position, clean = excluded.clean, found = excluded.found";
const LAST_VERIFIED: &str =
    "SELECT checked_at, position, clean, found FROM verifications WHERE workspace = $1";

/// How the last `verify` of a log ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    pub at: Micros,
    /// Events up to here were checked.
    pub position: i64,
    pub clean: bool,
    /// In words.
    pub found: String,
}

impl Verification {
    fn read(row: &Row) -> sqlx::Result<Self> {
        Ok(Self {
            at: Micros(row.get(0)?),
            position: row.get(1)?,
            clean: row.get(2)?,
            found: row.get(3)?,
        })
    }
}

impl Store {
    /// A runner asked for something.
    pub async fn hear_of_runner(&self, workspace: &Workspace, now: Micros) -> Result<()> {
        let mut session = self.db.write().await?;
        let params = [workspace.as_str().into(), now.0.into()];
        session.run(CONTACT, params).await?;
        Ok(session.commit().await?)
    }

    /// Keeps how a check ended, for the page about the log.
    pub async fn note_verification(&self, verified: &[Verified], now: Micros) -> Result<()> {
        let mut session = self.db.write().await?;
        for one in verified {
            let params = [
                one.workspace.as_str().into(),
                now.0.into(),
                one.events.into(),
                one.is_clean().into(),
                one.found().into(),
            ];
            session.run(VERIFIED, params).await?;
        }
        Ok(session.commit().await?)
    }
}

/// What a service may cost, if a runner said it: two columns from this one on.
pub(in crate::store) fn read_budget(row: &Row, column: usize) -> sqlx::Result<Option<Budget>> {
    let (per_day, cooldown): (Option<i64>, Option<i64>) = (row.get(column)?, row.get(column + 1)?);
    Ok(per_day.zip(cooldown).map(|(per_day, cooldown)| Budget {
        per_day: u32::try_from(per_day).unwrap_or(u32::MAX),
        cooldown_seconds: u32::try_from(cooldown).unwrap_or(u32::MAX),
    }))
}

impl Session {
    /// What a runner says that a service may cost.
    pub(in crate::store) async fn note_budget(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        budget: Budget,
    ) -> Result<()> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            i64::from(budget.per_day).into(),
            i64::from(budget.cooldown_seconds).into(),
        ];
        self.run(BUDGET, params).await?;
        Ok(())
    }

    pub(super) async fn last_contact(&mut self, workspace: &Workspace) -> Result<Option<Micros>> {
        let row = self.row(LAST_CONTACT, [workspace.as_str().into()]).await?;
        Ok(row.map(|row| row.get(0)).transpose()?.map(Micros))
    }

    pub(super) async fn last_verification(
        &mut self,
        workspace: &Workspace,
    ) -> Result<Option<Verification>> {
        let row = self.row(LAST_VERIFIED, [workspace.as_str().into()]).await?;
        Ok(row.map(|row| Verification::read(&row)).transpose()?)
    }
}
