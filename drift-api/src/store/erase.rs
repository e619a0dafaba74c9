//! Forgetting. A payload gives way to its hash, which the chain covers, so the log stays provable; the counters
//! stay as they are, unless a whole service is to go. Each erasure is an event itself.
//!
//! What is erased cannot be selected any more. Its bytes leave the files when the database reuses their place; a VACUUM
//! makes it certain.

use std::collections::BTreeSet;

use drift_schema::event::{BatchesExpired, Erasure, ReportReceived, ReportsErased, Residue};
use drift_schema::{Day, Event, Micros, Service, Step, Workspace};

use super::facts::Changes;
use super::log::StoredRow;
use super::session::Session;
use super::{Result, Store};

/// Identity of a batch within a workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct BatchKey {
    day: Day,
    service: Service,
    step: Step,
}

/// A report that is about to lose its payload.
struct Doomed {
    position: i64,
    payload: String,
    day: Day,
    report: ReportReceived,
}

impl Doomed {
    fn batch(&self) -> BatchKey {
        BatchKey {
            day: self.day,
            service: self.report.service.clone(),
            step: self.report.step.clone(),
        }
    }
}

/// How long what is kept. None is for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Days for which the payload of a report stays.
    pub report_days: Option<u32>,
    /// How many newest payloads stay, per workspace.
    pub report_count: Option<u64>,
    /// Days for which the counters of a day stay.
    pub batch_days: Option<u32>,
    /// How many batches stay, per workspace: whole days go, oldest first, until no more than these are left. Today stays.
    pub batch_count: Option<u64>,
    /// Days for which evidence stays that nothing points to.
    pub artifact_days: Option<u32>,
    /// How many newest pieces of evidence stay, per workspace, beside those that something points to.
    pub artifact_count: Option<u64>,
}

/// What was forgotten in one workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    pub reports: u64,
    pub batches: u64,
    /// Pieces of evidence.
    #[serde(skip_serializing_if = "is_zero")]
    pub artifacts: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

const PAGE: i64 = 1_000;
const WORKSPACES: &str = "SELECT workspace FROM event_heads ORDER BY workspace";
const ERASE: &str = "UPDATE events SET payload = NULL, payload_hash = $3 WHERE workspace = $1 AND position = $2 AND payload IS NOT NULL";
const STILL_THERE: &str = "
    SELECT position, recorded_at, kind, version, report_id, payload, payload_hash, hash FROM events
    WHERE workspace = $1 AND position > $2 AND kind = 'report-received' AND payload IS NOT NULL AND recorded_at < $4
    ORDER BY position LIMIT $3";
/// The newest payload that is one too many.
const NEWEST_TOO_MANY: &str = "
    SELECT position FROM events WHERE workspace = $1 AND kind = 'report-received' AND payload IS NOT NULL
    ORDER BY position DESC LIMIT 1 OFFSET $2";
const BATCH: &str = "
    SELECT count, first_seen, last_seen, last_position, fresh, screenshot_ref FROM batches WHERE workspace = $1 AND day = $2 AND service = $3 AND step = $4";
/// The newest day that is one too many: the oldest that stays is the one after it.
const NEWEST_DAY_TOO_MANY: &str =
    "SELECT day FROM batches WHERE workspace = $1 ORDER BY day DESC LIMIT 1 OFFSET $2";
const BATCHES_OF_SERVICE: &str =
    "SELECT COUNT(*) FROM batches WHERE workspace = $1 AND service = $2";
const OLDER_BATCHES: &str = "SELECT COUNT(*) FROM batches WHERE workspace = $1 AND day < $2";

impl Store {
    /// Erases the payloads of the reports that `what` names, in steps, so that ingest goes on in between. Reports that come in
    /// meanwhile stay, except those of a service, whose counters go as a whole.
    pub async fn erase(
        &self,
        workspace: &Workspace,
        what: &Erasure,
        now: Micros,
    ) -> Result<Erased> {
        let up_to = match what {
            Erasure::Count { keep } => {
                let offset = i64::try_from(*keep).unwrap_or(i64::MAX);
                match self
                    .db
                    .row(NEWEST_TOO_MANY, [workspace.as_str().into(), offset.into()])
                    .await?
                {
                    Some(row) => row.get(0)?,
                    None => return Ok(Erased::default()),
                }
            }
            Erasure::Service { .. } => i64::MAX,
            Erasure::Key { .. } | Erasure::Age { .. } => self.head(workspace).await?,
        };
        let before = if let Erasure::Age { before } = what {
            before.0
        } else {
            i64::MAX
        };
        let mut erased = Erased::default();
        let mut reached = 0;
        loop {
            let params = [
                workspace.as_str().into(),
                reached.into(),
                PAGE.into(),
                before.into(),
            ];
            let rows = self.db.rows(STILL_THERE, params).await?;
            let Some(last) = rows.last() else { break };
            reached = last.get(0)?;
            let mut page = Vec::new();
            for row in &rows {
                let row = StoredRow::read(row)?;
                let recorded = row.decode()?;
                let Some(Event::ReportReceived(report)) = recorded.event else {
                    continue;
                };
                let named = row.position <= up_to
                    && match what {
                        Erasure::Key { key } => report.key == *key,
                        Erasure::Service { service } => report.service == *service,
                        Erasure::Age { .. } | Erasure::Count { .. } => true,
                    };
                if named {
                    page.push(Doomed {
                        position: row.position,
                        payload: row.payload.unwrap_or_default(),
                        day: row.at.day(),
                        report,
                    });
                }
            }
            if !page.is_empty() {
                self.erase_page(workspace, what, &page, now, &mut erased)
                    .await?;
            }
            if reached >= up_to {
                break;
            }
        }
        if matches!(what, Erasure::Service { .. }) {
            // Its counters may have outlived the payloads, which went by age.
            self.erase_page(workspace, what, &[], now, &mut erased)
                .await?;
        }
        Ok(erased)
    }

    async fn erase_page(
        &self,
        workspace: &Workspace,
        what: &Erasure,
        page: &[Doomed],
        now: Micros,
        erased: &mut Erased,
    ) -> Result<()> {
        let mut session = self.db.write().await?;
        let mut head = session.lock_head(workspace).await?;
        let (mut reports, mut batches) = (0, 0);
        let counted = session.lock_facts(workspace).await?;
        let mut facts = Changes::default();
        let mut not_counted = None;
        for one in page {
            let hash = drift_schema::chain::payload_hash(&one.payload);
            let params = [workspace.as_str().into(), one.position.into(), hash.into()];
            let erased = session.run(ERASE, params).await?;
            if erased > 0 && one.position <= counted {
                facts.add(one.day, &one.report, -1);
            } else if erased > 0 {
                not_counted = Some(not_counted.map_or(one.day, |day: Day| day.min(one.day)));
            }
            reports += erased;
        }
        session.change_facts(workspace, &facts).await?;
        if let Some(earliest) = not_counted {
            // Nobody will come across it any more.
            session.counted_on(workspace, earliest).await?;
        }
        let mut residue = Vec::new();
        if let Erasure::Service { service } = what {
            let params = [workspace.as_str().into(), service.as_str().into()];
            let row = session.row(BATCHES_OF_SERVICE, params).await?;
            batches = row
                .map(|row| row.get::<i64>(0))
                .transpose()?
                .unwrap_or(0)
                .unsigned_abs();
            session.take_service_from_totals(workspace, service).await?;
        } else {
            let touched: BTreeSet<BatchKey> = page.iter().map(Doomed::batch).collect();
            for batch in &touched {
                residue.extend(session.residue(workspace, batch).await?);
            }
        }
        if reports + batches > 0 {
            let event = Event::ReportsErased(ReportsErased {
                reason: what.clone(),
                reports,
                residue,
            });
            session.append(workspace, &mut head, event, now).await?;
        }
        session.commit().await?;
        erased.reports += reports;
        erased.batches += batches;
        Ok(())
    }

    /// Applies the retention to every workspace.
    pub async fn retain(&self, rules: &Retention, now: Micros) -> Result<Vec<(Workspace, Erased)>> {
        let mut done = Vec::new();
        for row in self.db.rows(WORKSPACES, []).await? {
            let workspace: Workspace = row.word(0)?;
            let mut erased = Erased::default();
            if let Some(days) = rules.report_days {
                let before = now.minus_seconds(i64::from(days) * 86_400);
                erased.reports += self
                    .erase(&workspace, &Erasure::Age { before }, now)
                    .await?
                    .reports;
            }
            if let Some(keep) = rules.report_count {
                erased.reports += self
                    .erase(&workspace, &Erasure::Count { keep }, now)
                    .await?
                    .reports;
            }
            erased.batches = self.expire_batches(&workspace, rules, now).await?;
            erased.artifacts = self.expire_artifacts(&workspace, rules, now).await?;
            done.push((workspace, erased));
        }
        self.forget_deliveries(now).await?;
        self.forget_sessions(now).await?;
        Ok(done)
    }

    async fn expire_batches(
        &self,
        workspace: &Workspace,
        rules: &Retention,
        now: Micros,
    ) -> Result<u64> {
        if rules.batch_days.is_none() && rules.batch_count.is_none() {
            return Ok(0);
        }
        let mut session = self.db.write().await?;
        let mut head = session.lock_head(workspace).await?;
        let mut before: Option<Day> = rules
            .batch_days
            .map(|days| now.minus_seconds(i64::from(days) * 86_400).day());
        if let Some(keep) = rules.batch_count {
            let offset = i64::try_from(keep).unwrap_or(i64::MAX);
            if let Some(row) = session
                .row(
                    NEWEST_DAY_TOO_MANY,
                    [workspace.as_str().into(), offset.into()],
                )
                .await?
            {
                let day: Day = row.word(0)?;
                before = before.max(day.0.succ_opt().map(Day));
            }
        }
        // Today is still being counted.
        let Some(before) = before.map(|day| day.min(now.day())) else {
            return Ok(0);
        };
        let row = session
            .row(
                OLDER_BATCHES,
                [workspace.as_str().into(), before.to_string().into()],
            )
            .await?;
        let batches: i64 = row.map(|row| row.get(0)).transpose()?.unwrap_or(0);
        if batches > 0 {
            session.lock_facts(workspace).await?;
            session.take_days_from_totals(workspace, before).await?;
            let expired = Event::BatchesExpired(BatchesExpired { before });
            session.append(workspace, &mut head, expired, now).await?;
            session.forget_older_facts(workspace, before).await?;
        }
        session.commit().await?;
        Ok(batches.unsigned_abs())
    }
}

impl Session {
    /// What is left of a batch. Its picture is not.
    async fn residue(
        &mut self,
        workspace: &Workspace,
        batch: &BatchKey,
    ) -> Result<Option<Residue>> {
        let BatchKey { day, service, step } = batch;
        let params = [
            workspace.as_str().into(),
            day.to_string().into(),
            service.as_str().into(),
            step.as_str().into(),
        ];
        // A batch that retention took away leaves nothing.
        let Some(row) = self.row(BATCH, params).await? else {
            return Ok(None);
        };
        if row.get::<Option<String>>(5)?.is_some() {
            self.take_picture_from_totals(workspace, service, step, *day)
                .await?;
        }
        Ok(Some(Residue {
            service: service.clone(),
            step: step.clone(),
            day: *day,
            count: row.get(0)?,
            first_seen: Micros(row.get(1)?),
            last_seen: Micros(row.get(2)?),
            last_position: row.get(3)?,
            fresh: row.get(4)?,
        }))
    }
}
