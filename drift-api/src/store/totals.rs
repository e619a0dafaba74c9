//! What was reported of a drift in all, at the price of a few of its days. Days that are over, and in which nothing is counted any
//! more, are closed: added up once, in the background, into a row for each drift. Whoever asks adds the open days to that row.
//!
//! Ingest knows nothing of this. Should a clock be set back so far that a report is counted in a closed day, the counting of facts
//! comes across it and empties the totals, and the days are closed anew. Whoever changes totals holds the facts (`lock_facts`).

use std::collections::BTreeMap;

use drift_schema::run::Seen;
use drift_schema::{Day, Digest, Micros, Service, Step, Workspace};

use super::session::{Session, list};
use super::{Result, Store};

/// About how many batches are added up in one transaction. A day is never cut.
const STEP: i64 = 5_000;
/// Yesterday stays open as well: clocks of several servers differ a little.
const OPEN_DAYS: i64 = 2;

const WORKSPACES: &str = "SELECT workspace FROM event_heads";
const FACTS_UP_TO: &str = "
    SELECT recorded_at FROM events WHERE workspace = $1 AND position = (SELECT position FROM fact_cursors WHERE workspace = $1)";
const CLOSED: &str = "SELECT day FROM batch_total_cursors WHERE workspace = $1";
const CLOSE_UP_TO: &str = "
    INSERT INTO batch_total_cursors (workspace, day) VALUES ($1, $2) ON CONFLICT (workspace) DO UPDATE SET day = excluded.day";
/// The day of a batch, so many batches further on.
const DAY_AFTER: &str = "
    SELECT day FROM batches WHERE workspace = $1 AND day >= $2 AND day < $3 ORDER BY day LIMIT 1 OFFSET $4";
const ADD_DAYS: &str = "
    INSERT INTO batch_totals (workspace, service, step, count, picture)
    SELECT workspace, service, step, CAST(SUM(count) AS BIGINT), MAX(day || screenshot_ref) FROM batches
    WHERE workspace = $1 AND day >= $2 AND day < $3 GROUP BY workspace, service, step
    ON CONFLICT (workspace, service, step) DO UPDATE SET
        count = batch_totals.count + excluded.count, picture = COALESCE(excluded.picture, batch_totals.picture)";
/// SQLite would read all batches in the order of their steps, were the days not bounded on both sides.
const TAKE_DAYS: &str = "
    INSERT INTO batch_totals (workspace, service, step, count, picture)
    SELECT workspace, service, step, -CAST(SUM(count) AS BIGINT), CAST(NULL AS TEXT) FROM batches
    WHERE workspace = $1 AND day >= '' AND day < $2 GROUP BY workspace, service, step
    ON CONFLICT (workspace, service, step) DO UPDATE SET
        count = batch_totals.count + excluded.count,
        picture = CASE WHEN batch_totals.picture < $2 THEN NULL ELSE batch_totals.picture END";
const NONE_LEFT: &str = "DELETE FROM batch_totals WHERE workspace = $1 AND count <= 0";
const OLDER_PICTURE: &str = "
    UPDATE batch_totals SET picture = (SELECT day || screenshot_ref FROM batches WHERE workspace = $1 AND service = $2 AND step = $3
        AND day < $4 AND screenshot_ref IS NOT NULL ORDER BY day DESC LIMIT 1)
    WHERE workspace = $1 AND service = $2 AND step = $3 AND substr(picture, 1, 10) = $4";
const TAKE_SERVICE: &str = "DELETE FROM batch_totals WHERE workspace = $1 AND service = $2";
const FORGET: &str = "DELETE FROM batch_totals WHERE workspace = $1";
const REOPEN: &str = "DELETE FROM batch_total_cursors WHERE workspace = $1";
/// One statement, so that all of it is as of one moment. The earliest day has the earliest moment, the latest day the latest.
const TOTALS: &str = "
    SELECT asked.step, CAST(COALESCE((SELECT count FROM batch_totals WHERE workspace = $1 AND service = $2 AND step = asked.step), 0)
            + COALESCE((SELECT SUM(count) FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step
                AND day >= COALESCE((SELECT day FROM batch_total_cursors WHERE workspace = $1), '')), 0) AS BIGINT),
        (SELECT CAST(SUM(count) AS BIGINT) FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step AND fresh),
        (SELECT first_seen FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step ORDER BY day LIMIT 1),
        (SELECT last_seen FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step ORDER BY day DESC LIMIT 1),
        COALESCE((SELECT screenshot_ref FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step
                AND day >= COALESCE((SELECT day FROM batch_total_cursors WHERE workspace = $1), '')
                AND screenshot_ref IS NOT NULL ORDER BY day DESC LIMIT 1),
            (SELECT substr(picture, 11) FROM batch_totals WHERE workspace = $1 AND service = $2 AND step = asked.step))
    FROM json_array_elements_text($3::json) AS asked (step)";
const SQLITE_TOTALS: &str = "
    SELECT asked.step, CAST(COALESCE((SELECT count FROM batch_totals WHERE workspace = $1 AND service = $2 AND step = asked.step), 0)
            + COALESCE((SELECT SUM(count) FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step
                AND day >= COALESCE((SELECT day FROM batch_total_cursors WHERE workspace = $1), '')), 0) AS BIGINT),
        (SELECT CAST(SUM(count) AS BIGINT) FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step AND fresh),
        (SELECT first_seen FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step ORDER BY day LIMIT 1),
        (SELECT last_seen FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step ORDER BY day DESC LIMIT 1),
        COALESCE((SELECT screenshot_ref FROM batches WHERE workspace = $1 AND service = $2 AND step = asked.step
                AND day >= COALESCE((SELECT day FROM batch_total_cursors WHERE workspace = $1), '')
                AND screenshot_ref IS NOT NULL ORDER BY day DESC LIMIT 1),
            (SELECT substr(picture, 11) FROM batch_totals WHERE workspace = $1 AND service = $2 AND step = asked.step))
    FROM (SELECT value AS step FROM json_each($3)) AS asked";

/// All reports of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) reports: i64,
    pub(super) fresh: i64,
    pub(super) first: Option<Micros>,
    pub(super) last: Option<Micros>,
    /// The latest that came with a report.
    pub(super) picture: Option<Digest>,
}

impl Totals {
    /// Together with the kinds, versions, hosts and digests that were reported.
    pub(super) fn with(self, facts: Seen) -> Seen {
        Seen {
            reports: self.reports,
            fresh: self.fresh,
            first: self.first,
            last: self.last,
            screenshot_ref: self.picture,
            ..facts
        }
    }
}

impl Store {
    /// Closes the days that are over, of about so many batches of every workspace. Whether all are closed now.
    pub async fn close_days(&self, most: i64, now: Micros) -> Result<bool> {
        let mut all = true;
        for row in self.db.rows(WORKSPACES, []).await? {
            let workspace: Workspace = row.word(0)?;
            // Facts that were counted later would empty the totals.
            let row = self
                .db
                .row(FACTS_UP_TO, [row.get::<String>(0)?.into()])
                .await?;
            let Some(counted_up_to) = row.map(|row| row.get(0)).transpose()?.map(Micros) else {
                continue;
            };
            let over = now.minus_seconds((OPEN_DAYS - 1) * 86_400);
            let open_from = over.min(counted_up_to).day();
            let mut closed = 0;
            while self.is_one_open(&workspace, open_from).await? {
                if closed >= most {
                    all = false;
                    break;
                }
                let mut session = self.db.write().await?;
                session.lock_facts(&workspace).await?;
                session.close_some_days(&workspace, open_from).await?;
                session.commit().await?;
                closed += STEP;
            }
        }
        Ok(all)
    }

    /// Whether a day that is over has not been closed.
    async fn is_one_open(&self, workspace: &Workspace, open_from: Day) -> Result<bool> {
        let mut session = self.db.snapshot().await?;
        let from = session.closed_before(workspace).await?;
        let day = session.day_after(workspace, from, open_from, 0).await?;
        Ok(day.is_some())
    }

    /// Has all days added up anew.
    pub(super) async fn forget_totals(&self, workspace: &Workspace) -> Result<()> {
        let mut session = self.db.write().await?;
        session.lock_facts(workspace).await?;
        session.forget_totals(workspace).await?;
        Ok(session.commit().await?)
    }
}

impl Session {
    /// All days before this one are closed.
    async fn closed_before(&mut self, workspace: &Workspace) -> Result<Option<Day>> {
        let row = self.row(CLOSED, [workspace.as_str().into()]).await?;
        Ok(row.map(|row| row.word(0)).transpose()?)
    }

    async fn day_after(
        &mut self,
        workspace: &Workspace,
        from: Option<Day>,
        open_from: Day,
        batches: i64,
    ) -> Result<Option<Day>> {
        let params = [
            workspace.as_str().into(),
            text(from).into(),
            open_from.to_string().into(),
            batches.into(),
        ];
        let row = self.row(DAY_AFTER, params).await?;
        Ok(row.map(|row| row.word(0)).transpose()?)
    }

    async fn close_some_days(&mut self, workspace: &Workspace, open_from: Day) -> Result<()> {
        let from = self.closed_before(workspace).await?;
        let Some(first) = self.day_after(workspace, from, open_from, 0).await? else {
            return Ok(());
        };
        let reached = self.day_after(workspace, from, open_from, STEP).await?;
        let up_to = match reached {
            Some(day) => day.max(first.0.succ_opt().map_or(open_from, Day)),
            None => open_from,
        };
        let params = [
            workspace.as_str().into(),
            text(from).into(),
            up_to.to_string().into(),
        ];
        self.run(ADD_DAYS, params).await?;
        let params = [workspace.as_str().into(), up_to.to_string().into()];
        self.run(CLOSE_UP_TO, params).await?;
        Ok(())
    }

    /// Something was counted, as early as on this day.
    pub(super) async fn counted_on(&mut self, workspace: &Workspace, day: Day) -> Result<()> {
        let closed = self.closed_before(workspace).await?;
        self.reopen_if_closed(workspace, closed, day).await
    }

    /// The same for who knows which days are closed.
    pub(super) async fn reopen_if_closed(
        &mut self,
        workspace: &Workspace,
        closed: Option<Day>,
        day: Day,
    ) -> Result<()> {
        if closed.is_some_and(|closed| day < closed) {
            self.forget_totals(workspace).await?;
        }
        Ok(())
    }

    /// Before the batches of these days go.
    pub(super) async fn take_days_from_totals(
        &mut self,
        workspace: &Workspace,
        before: Day,
    ) -> Result<()> {
        let Some(closed) = self.closed_before(workspace).await? else {
            return Ok(());
        };
        let before = before.min(closed).to_string();
        self.run(TAKE_DAYS, [workspace.as_str().into(), before.into()])
            .await?;
        self.run(NONE_LEFT, [workspace.as_str().into()]).await?;
        Ok(())
    }

    /// The picture of this batch is gone: should it be the latest, the one before it is.
    pub(super) async fn take_picture_from_totals(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        day: Day,
    ) -> Result<()> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            step.as_str().into(),
            day.to_string().into(),
        ];
        self.run(OLDER_PICTURE, params).await?;
        Ok(())
    }

    pub(super) async fn take_service_from_totals(
        &mut self,
        workspace: &Workspace,
        service: &Service,
    ) -> Result<()> {
        let params = [workspace.as_str().into(), service.as_str().into()];
        self.run(TAKE_SERVICE, params).await?;
        Ok(())
    }

    async fn forget_totals(&mut self, workspace: &Workspace) -> Result<()> {
        self.run(FORGET, [workspace.as_str().into()]).await?;
        self.run(REOPEN, [workspace.as_str().into()]).await?;
        Ok(())
    }

    pub(super) async fn totals(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
    ) -> Result<Totals> {
        let mut totals = self.totals_of(workspace, service, &[step]).await?;
        Ok(totals.remove(step).unwrap_or_default())
    }

    /// In one trip.
    pub(super) async fn totals_of(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        steps: &[&Step],
    ) -> Result<BTreeMap<Step, Totals>> {
        let sql = if self.is_sqlite() {
            SQLITE_TOTALS
        } else {
            TOTALS
        };
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            list(steps)?,
        ];
        let mut all = BTreeMap::new();
        for row in self.rows(sql, params).await? {
            let totals = Totals {
                reports: row.get(1)?,
                fresh: row.get::<Option<i64>>(2)?.unwrap_or(0),
                first: row.get::<Option<i64>>(3)?.map(Micros),
                last: row.get::<Option<i64>>(4)?.map(Micros),
                picture: row.word_if_any(5)?,
            };
            all.insert(row.word(0)?, totals);
        }
        Ok(all)
    }
}

/// As it stands in the tables: before every day is the empty one.
fn text(from: Option<Day>) -> String {
    from.map(|day| day.to_string()).unwrap_or_default()
}
