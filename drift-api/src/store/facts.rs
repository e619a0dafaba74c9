//! Which kinds, versions, hosts and digests were reported of a drift, and how often. Counting this with every report
//! would cost several times what the report itself costs; so it is counted afterwards, many at a time, by whoever comes
//! first, up to a cursor in the log. What is erased from the log is taken out of here, so that the facts are always
//! those of the payloads that are left. They stand there twice: by day, for the day when a day is forgotten, and of all days
//! (under the empty one), for everybody who asks.

use std::collections::{BTreeMap, BTreeSet};

use drift_schema::event::ReportReceived;
use drift_schema::run::{Counted, Seen};
use drift_schema::{Day, Event, ScraperVersion, Service, Step, Workspace};

use super::bulk::Fact;
use super::log::StoredRow;
use super::session::{Session, list};
use super::{Result, Store};
use crate::lifecycle::drift::newer;

/// Events counted in one transaction: short enough for ingest to wait for it.
pub(super) const STEP: i64 = 200;
/// Events read at once.
const PAGE: i64 = 1_000;
/// So many are counted while somebody waits for the numbers; more have to wait for the next round.
const FEW: i64 = 5_000;
/// Versions that are compared to find the newest.
const MOST_VERSIONS: i64 = 1_000;

const KIND: &str = "kind";
const VERSION: &str = "version";
const HOST: &str = "host";
const DIGEST: &str = "digest";

const CURSOR: &str = "SELECT position FROM fact_cursors WHERE workspace = $1";
const BEHIND: &str = "
    SELECT COALESCE((SELECT position FROM fact_cursors WHERE workspace = $1), 0),
        COALESCE((SELECT position FROM event_heads WHERE workspace = $1), 0)";
const NEW_CURSOR: &str = "
    INSERT INTO fact_cursors (workspace, position) VALUES ($1, 0) ON CONFLICT (workspace) DO NOTHING";
const TAKE_CURSOR: &str = "UPDATE fact_cursors SET position = position WHERE workspace = $1";
/// Whoever moved it meanwhile has counted the same.
const MOVE_CURSOR: &str =
    "UPDATE fact_cursors SET position = $3 WHERE workspace = $1 AND position = $2";
/// The same, unless somebody holds it.
const MOVE_FREE_CURSOR: &str = "
    UPDATE fact_cursors SET position = $3 WHERE workspace = (
        SELECT workspace FROM fact_cursors WHERE workspace = $1 AND position = $2 FOR UPDATE SKIP LOCKED)";
/// The next events, each with the day before which all are closed.
const TO_COUNT: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash,
        (SELECT day FROM batch_total_cursors WHERE workspace = $1)
    FROM events WHERE workspace = $1 AND position > $2 ORDER BY position LIMIT $3";
const COUNTED: &str = "
    SELECT count FROM facts WHERE workspace = $1 AND service = $2 AND step = $3 AND day = $4 AND fact = $5 AND value = $6";
const NONE_LEFT: &str = "
    DELETE FROM facts WHERE workspace = $1 AND service = $2 AND step = $3 AND day IN ($4, '') AND count <= 0";
/// Of every fact of some steps the commonest values, in one trip.
const COMMONEST: &str = "
    SELECT asked.step, fact, value, count FROM json_array_elements_text($3::json) AS asked (step) CROSS JOIN LATERAL (
        SELECT fact, value, count, ROW_NUMBER() OVER (PARTITION BY fact ORDER BY count DESC, value) AS place
        FROM facts WHERE workspace = $1 AND service = $2 AND step = asked.step AND day = '') AS counted
    WHERE place <= $4 ORDER BY asked.step, fact, place";
/// The same without LATERAL, which SQLite does not have.
const SQLITE_COMMONEST: &str = "
    SELECT step, fact, value, count FROM (
        SELECT step, fact, facts.value AS value, count,
            ROW_NUMBER() OVER (PARTITION BY step, fact ORDER BY count DESC, facts.value) AS place
        FROM json_each($3) AS asked CROSS JOIN facts
        WHERE workspace = $1 AND service = $2 AND step = asked.value AND day = '') AS counted
    WHERE place <= $4 ORDER BY step, fact, place";
const VERSIONS: &str = "
    SELECT value FROM facts WHERE workspace = $1 AND service = $2 AND step = $3 AND day = '' AND fact = 'version'
    ORDER BY count DESC LIMIT $4";
/// What is taken from the facts of all days when those of some days go. From the empty day, which is before all others, nothing is.
const TAKE_OLDER: &str = "
    INSERT INTO facts (workspace, service, step, day, fact, value, count)
    SELECT workspace, service, step, '', fact, value, -CAST(SUM(count) AS BIGINT) FROM facts
    WHERE workspace = $1 AND day > '' AND day < $2 GROUP BY workspace, service, step, fact, value
    ON CONFLICT (workspace, service, step, day, fact, value) DO UPDATE SET count = facts.count + excluded.count";
const FORGET_OLDER: &str = "
    DELETE FROM facts WHERE workspace = $1 AND ((day > '' AND day < $2) OR (day = '' AND count <= 0))";
/// Reports of a step beyond what is counted. The name stands in the payload as it is; `_` in it stands for any letter here, so
/// that a few too many may come.
const NOT_COUNTED: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events
    WHERE workspace = $1 AND position > $2 AND position < $3 AND kind = 'report-received' AND payload LIKE $4
    ORDER BY position LIMIT $5";
const WORKSPACES: &str = "SELECT workspace FROM event_heads";

/// Changes to the counts, folded.
#[derive(Default)]
pub(super) struct Changes(BTreeMap<(Service, Step, Day, &'static str, String), i64>);

impl Changes {
    pub(super) fn add(&mut self, day: Day, report: &ReportReceived, by: i64) {
        let facts = [
            (KIND, report.kind.as_str()),
            (VERSION, report.scraper_version.as_str()),
            (HOST, report.url_host.as_str()),
            (DIGEST, report.dom_digest.as_str()),
        ];
        for (fact, value) in facts {
            let key = (
                report.service.clone(),
                report.step.clone(),
                day,
                fact,
                value.to_owned(),
            );
            *self.0.entry(key).or_default() += by;
        }
    }

    fn earliest(&self) -> Option<Day> {
        self.0.keys().map(|(_, _, day, _, _)| *day).min()
    }
}

impl Store {
    /// Counts what is not counted yet, if that is not much.
    pub(super) async fn count_facts_if_few(&self, workspace: &Workspace) -> Result<()> {
        self.count_facts_if_at_most(workspace, FEW).await
    }

    pub(super) async fn count_facts_if_at_most(
        &self,
        workspace: &Workspace,
        most: i64,
    ) -> Result<()> {
        let (cursor, head) = self.facts_behind(workspace).await?;
        if head - cursor <= most {
            self.count_facts(workspace, cursor, head).await?;
        }
        Ok(())
    }

    /// Counts at most so many events of every workspace. Whether all is counted now.
    pub async fn count_all_facts(&self, most: i64) -> Result<bool> {
        let mut all = true;
        for row in self.db.rows(WORKSPACES, []).await? {
            let workspace = row.word(0)?;
            let (cursor, head) = self.facts_behind(&workspace).await?;
            let up_to = head.min(cursor + most);
            self.count_facts(&workspace, cursor, up_to).await?;
            all &= up_to == head;
        }
        Ok(all)
    }

    /// What is counted already, and the end of the log.
    async fn facts_behind(&self, workspace: &Workspace) -> Result<(i64, i64)> {
        let row = self.db.row(BEHIND, [workspace.as_str().into()]).await?;
        let row = row.ok_or(sqlx::Error::RowNotFound)?;
        Ok((row.get(0)?, row.get(1)?))
    }

    /// The newest scraper that reported a drift before `until`. What is not counted yet is read from the log: a fix must not be
    /// said to be in a version that has just been seen to trip.
    pub(super) async fn newest_reported(
        &self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
        until: i64,
    ) -> Result<Option<ScraperVersion>> {
        let mut session = self.db.snapshot().await?;
        let mut newest = session.newest_counted(workspace, service, step).await?;
        let row = session.row(CURSOR, [workspace.as_str().into()]).await?;
        let mut reached: i64 = row.map(|row| row.get(0)).transpose()?.unwrap_or(0);
        let pattern = format!("%\"step\":\"{step}\"%");
        loop {
            let params = [
                workspace.as_str().into(),
                reached.into(),
                until.into(),
                pattern.as_str().into(),
                PAGE.into(),
            ];
            let rows = session.rows(NOT_COUNTED, params).await?;
            let Some(last) = rows.last() else {
                return Ok(newest);
            };
            reached = last.get(0)?;
            for row in &rows {
                if let Some(Event::ReportReceived(report)) = StoredRow::read(row)?.decode()?.event
                    && report.service == *service
                    && report.step == *step
                {
                    newest = newest
                        .into_iter()
                        .chain([report.scraper_version])
                        .reduce(newer);
                }
            }
        }
    }

    async fn count_facts(&self, workspace: &Workspace, cursor: i64, up_to: i64) -> Result<()> {
        let mut from = cursor;
        while from < up_to {
            let to = up_to.min(from + STEP);
            from = if self.count_some_facts(workspace, from, to).await? {
                to
            } else {
                self.facts_behind(workspace).await?.0
            };
        }
        Ok(())
    }

    /// False if somebody else has moved the cursor.
    async fn count_some_facts(&self, workspace: &Workspace, from: i64, to: i64) -> Result<bool> {
        let mut session = self.db.write_what_can_be_lost().await?;
        let are_counted = session.count_facts(workspace, from, to, true).await?;
        if are_counted {
            session.commit().await?;
        }
        Ok(are_counted)
    }
}

impl Session {
    /// False if somebody else has moved the cursor, or, for who does not wait, holds it.
    pub(super) async fn count_facts(
        &mut self,
        workspace: &Workspace,
        from: i64,
        to: i64,
        waits: bool,
    ) -> Result<bool> {
        let scope = workspace.as_str();
        if from == 0 {
            self.run(NEW_CURSOR, [scope.into()]).await?;
        }
        let params = [scope.into(), from.into(), to.into()];
        // SQLite's transactions that write are alone anyway.
        let sql = if waits || self.is_sqlite() {
            MOVE_CURSOR
        } else {
            MOVE_FREE_CURSOR
        };
        if self.run(sql, params).await? == 0 {
            return Ok(false);
        }
        // Only now: an erasure that takes facts away has to wait for us, and so has whoever closes days.
        let params = [scope.into(), from.into(), (to - from).into()];
        let mut changes = Changes::default();
        let mut closed = None;
        for row in &self.rows(TO_COUNT, params).await? {
            closed = row.word_if_any(8)?;
            let row = StoredRow::read(row)?;
            if let Some(Event::ReportReceived(report)) = row.decode()?.event {
                changes.add(row.at.day(), &report, 1);
            }
        }
        self.change_facts(workspace, &changes).await?;
        if let Some(earliest) = changes.earliest() {
            self.reopen_if_closed(workspace, closed, earliest).await?;
        }
        Ok(true)
    }

    /// What of the log is counted already, held until this transaction ends.
    pub(super) async fn lock_facts(&mut self, workspace: &Workspace) -> Result<i64> {
        let scope = workspace.as_str();
        self.run(NEW_CURSOR, [scope.into()]).await?;
        // Writing what is there takes the row, wherever somebody has moved it meanwhile.
        self.run(TAKE_CURSOR, [scope.into()]).await?;
        let row = self.row(CURSOR, [scope.into()]).await?;
        Ok(row.map(|row| row.get(0)).transpose()?.unwrap_or(0))
    }

    pub(super) async fn change_facts(
        &mut self,
        workspace: &Workspace,
        changes: &Changes,
    ) -> Result<()> {
        let mut taken = BTreeSet::new();
        let mut added = Vec::with_capacity(changes.0.len());
        let mut of_all_days: BTreeMap<_, i64> = BTreeMap::new();
        for ((service, step, day, fact, value), by) in &changes.0 {
            let mut by = *by;
            if by < 0 {
                // What went with its day was taken then.
                let key = [
                    workspace.as_str().into(),
                    service.as_str().into(),
                    step.as_str().into(),
                    day.to_string().into(),
                    (*fact).into(),
                    value.as_str().into(),
                ];
                let row = self.row(COUNTED, key).await?;
                by = by.max(-row.map(|row| row.get::<i64>(0)).transpose()?.unwrap_or(0));
                taken.insert((service, step, day));
            }
            if by != 0 {
                added.push(Fact {
                    service,
                    step,
                    day: day.to_string(),
                    fact,
                    value: value.as_str(),
                    by,
                });
                *of_all_days
                    .entry((service, step, *fact, value.as_str()))
                    .or_default() += by;
            }
        }
        let of_all_days = of_all_days.into_iter();
        added.extend(of_all_days.map(|((service, step, fact, value), by)| Fact {
            service,
            step,
            day: String::new(),
            fact,
            value,
            by,
        }));
        self.add_facts(workspace.as_str(), &added).await?;
        for (service, step, day) in taken {
            let params = [
                workspace.as_str().into(),
                service.as_str().into(),
                step.as_str().into(),
                day.to_string().into(),
            ];
            self.run(NONE_LEFT, params).await?;
        }
        Ok(())
    }

    /// What the reports of those days said goes with their counters.
    pub(super) async fn forget_older_facts(
        &mut self,
        workspace: &Workspace,
        before: Day,
    ) -> Result<()> {
        for statement in [TAKE_OLDER, FORGET_OLDER] {
            let params = [workspace.as_str().into(), before.to_string().into()];
            self.run(statement, params).await?;
        }
        Ok(())
    }

    /// Of each fact the commonest values, so many at most.
    pub(super) async fn facts_of(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        steps: &[&Step],
        most: i64,
    ) -> Result<BTreeMap<Step, Seen>> {
        let sql = if self.is_sqlite() {
            SQLITE_COMMONEST
        } else {
            COMMONEST
        };
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            list(steps)?,
            most.into(),
        ];
        let mut all = BTreeMap::<Step, Seen>::new();
        for row in self.rows(sql, params).await? {
            let seen = all.entry(row.word(0)?).or_default();
            let fact: String = row.get(1)?;
            let values = match fact.as_str() {
                KIND => &mut seen.kinds,
                VERSION => &mut seen.versions,
                HOST => &mut seen.hosts,
                DIGEST => &mut seen.digests,
                _ => continue,
            };
            values.push(Counted {
                value: row.get(2)?,
                count: row.get(3)?,
            });
        }
        Ok(all)
    }

    pub(super) async fn newest_counted(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
    ) -> Result<Option<ScraperVersion>> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            step.as_str().into(),
            MOST_VERSIONS.into(),
        ];
        let mut newest = None;
        for row in self.rows(VERSIONS, params).await? {
            let version = ScraperVersion::parse(&row.get::<String>(0)?).ok();
            newest = newest.into_iter().chain(version).reduce(newer);
        }
        Ok(newest)
    }
}
