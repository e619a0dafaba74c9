//! What the API reads. Every list is bounded, and every statement walks an index.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use drift_schema::answer::{
    Action, Batch, Batches, Events, Fresh, FreshBatch, FreshService, Known, LoggedEvent,
};
use drift_schema::{Day, Micros, Service, Step, Workspace};

use super::log::{NEXT_EVENTS, StoredRow};
use super::session::{Row, Session};
use super::{Result, Store, StoreError};
use crate::lifecycle::Drift;
use crate::lifecycle::drift::{MUTED, RENAMED};

/// The most batches that one answer about fresh ones holds; the rest shows once these are handled.
const MOST_FRESH: i64 = 10_000;

const FRESH: &str = "
    SELECT batches.service, batches.step, day, count, first_seen, last_seen, screenshot_ref, stage
    FROM batches LEFT JOIN drifts
        ON drifts.workspace = batches.workspace AND drifts.service = batches.service AND drifts.step = batches.step
    WHERE batches.workspace = $1 AND fresh
    ORDER BY batches.service, batches.step, day LIMIT $2";
/// The days bound the walk; the time is what counts. SQLite would read all batches in the order of the answer, were the days not
/// bounded on both sides, or else all that are fresh (hence `IS TRUE`), which are many where nothing was handled for years.
const FRESH_SINCE: &str = "
    SELECT batches.service, batches.step, day, count, first_seen, last_seen, screenshot_ref, stage
    FROM batches LEFT JOIN drifts
        ON drifts.workspace = batches.workspace AND drifts.service = batches.service AND drifts.step = batches.step
    WHERE batches.workspace = $1 AND fresh IS TRUE AND day BETWEEN $3 AND '9999-12-31' AND last_seen >= $4
    ORDER BY batches.service, batches.step, day LIMIT $2";
const FIRST_SEEN: &str = "
    SELECT (SELECT first_seen FROM batches WHERE workspace = $1 AND service = $2 AND step = $3 ORDER BY day LIMIT 1),
        (SELECT state FROM drifts WHERE workspace = $1 AND service = $2 AND step = $3)";
const BATCHES: &str = "
    SELECT service, step, day, count, first_seen, last_seen, screenshot_ref, fresh FROM batches
    WHERE workspace = $1 AND (day, service, step) < ($2, $3, $4)
    ORDER BY day DESC, service DESC, step DESC LIMIT $5";
const BATCHES_OF_SERVICE: &str = "
    SELECT service, step, day, count, first_seen, last_seen, screenshot_ref, fresh FROM batches
    WHERE workspace = $1 AND (day, service, step) < ($2, $3, $4) AND service = $6
    ORDER BY day DESC, service DESC, step DESC LIMIT $5";
/// A service has batches; if retention took them it may have facts; and if it was erased the log says so.
const KNOWS_SERVICE: &str = "
    SELECT CAST((SELECT COUNT(*) FROM (SELECT 1 AS one FROM batches WHERE workspace = $1 AND service = $2 LIMIT 1) AS counted) +
        (SELECT COUNT(*) FROM (SELECT 1 AS one FROM facts WHERE workspace = $1 AND service = $2 LIMIT 1) AS counted) +
        (SELECT COUNT(*) FROM (SELECT 1 AS one FROM services WHERE workspace = $1 AND service = $2 LIMIT 1) AS counted) +
        (SELECT COUNT(*) FROM (SELECT 1 AS one FROM events WHERE workspace = $1 AND kind <> 'report-received' AND kind = 'reports-erased' AND payload LIKE $3 LIMIT 1) AS counted)
        AS BIGINT)";
const HEAD: &str = "SELECT position FROM event_heads WHERE workspace = $1";

const KEY_CREATED: &str = "key-created";

/// Place in the list of batches, newest day first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchCursor {
    day: String,
    service: String,
    step: String,
}

impl BatchCursor {
    fn start() -> Self {
        // Sorts after every day.
        Self {
            day: "~".to_owned(),
            service: String::new(),
            step: String::new(),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let day: Day = parts.next()?.parse().ok()?;
        let service = Service::parse(parts.next()?).ok()?;
        let step = Step::parse(parts.next()?).ok()?;
        Some(Self {
            day: day.to_string(),
            service: service.to_string(),
            step: step.to_string(),
        })
    }

    fn after(batch: &Batch) -> String {
        format!("{}/{}/{}", batch.day, batch.service, batch.step)
    }
}

impl Store {
    /// Batches that no runner has handled, or of these the ones with a report since a moment.
    pub async fn fresh(
        &self,
        workspace: &Workspace,
        since: Option<Micros>,
        now: Micros,
    ) -> Result<Fresh> {
        let (scope, most) = (workspace.as_str(), MOST_FRESH);
        let rows = match since {
            None => self.db.rows(FRESH, [scope.into(), most.into()]).await?,
            Some(Micros(since)) => {
                let day = Micros(since).day().to_string();
                let params = [scope.into(), most.into(), day.into(), since.into()];
                self.db.rows(FRESH_SINCE, params).await?
            }
        };
        let mut batches = BTreeMap::new();
        let mut decided_about = Vec::new();
        for row in &rows {
            let (service, batch, label) = fresh_batch(row)?;
            if matches!(label.as_deref(), Some(MUTED | RENAMED)) {
                decided_about.push((service, batch));
            } else {
                add_fresh(&mut batches, service, batch);
            }
        }
        if !decided_about.is_empty() {
            self.count_facts_if_few(workspace).await?;
            let mut session = self.db.snapshot().await?;
            for (service, batch) in decided_about {
                let todays = session.todays_batch(workspace, &service, batch, now);
                if let Some(batch) = todays.await? {
                    add_fresh(&mut batches, service, batch);
                }
            }
        }
        let mut services: Vec<FreshService> = Vec::new();
        for ((service, ..), batch) in batches {
            match services.last_mut().filter(|last| last.service == service) {
                Some(last) => {
                    last.reports += batch.count;
                    last.batches.push(batch);
                }
                None => services.push(FreshService {
                    service,
                    reports: batch.count,
                    batches: vec![batch],
                }),
            }
        }
        Ok(Fresh {
            as_of: now,
            services,
        })
    }

    pub async fn known(
        &self,
        workspace: &Workspace,
        service: Service,
        step: Step,
    ) -> Result<Known> {
        let (mut first_seen, mut drift) =
            self.seen_and_standing(workspace, &service, &step).await?;
        // What is reported under an old name is about the new one.
        if let Some(to) = &drift.renamed_to {
            let (seen, standing) = self.seen_and_standing(workspace, &service, to).await?;
            first_seen = [first_seen, seen].into_iter().flatten().min();
            drift = standing;
        }
        Ok(Known {
            step_hash: step.hash(),
            service,
            step,
            known: drift.is_known_broken(first_seen.is_some()),
            first_seen,
            known_issue: drift.known_issue(),
        })
    }

    async fn seen_and_standing(
        &self,
        workspace: &Workspace,
        service: &Service,
        step: &Step,
    ) -> Result<(Option<Micros>, Drift)> {
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            step.as_str().into(),
        ];
        let row = self.db.row(FIRST_SEEN, params).await?;
        let row = row.ok_or(sqlx::Error::RowNotFound)?;
        let drift = match row.get::<Option<String>>(1)? {
            Some(_) => row.json(1)?,
            None => Drift::default(),
        };
        Ok((row.get::<Option<i64>>(0)?.map(Micros), drift))
    }

    pub async fn batches(
        &self,
        workspace: &Workspace,
        service: Option<&Service>,
        from: Option<BatchCursor>,
        limit: u16,
    ) -> Result<Batches> {
        let BatchCursor {
            day,
            service: last_service,
            step,
        } = from.unwrap_or_else(BatchCursor::start);
        // One more than asked for tells whether there is another page.
        let (scope, rows) = (workspace.as_str(), i64::from(limit) + 1);
        let rows = match service {
            None => {
                self.db
                    .rows(
                        BATCHES,
                        [
                            scope.into(),
                            day.into(),
                            last_service.into(),
                            step.into(),
                            rows.into(),
                        ],
                    )
                    .await?
            }
            Some(service) => {
                let params = [
                    scope.into(),
                    day.into(),
                    last_service.into(),
                    step.into(),
                    rows.into(),
                    service.as_str().into(),
                ];
                self.db.rows(BATCHES_OF_SERVICE, params).await?
            }
        };
        let mut batches = rows.iter().map(batch).collect::<Result<Vec<_>>>()?;
        let more = batches.len() > usize::from(limit);
        batches.truncate(limit.into());
        let next = if more {
            batches.last().map(BatchCursor::after)
        } else {
            None
        };
        Ok(Batches { batches, next })
    }

    /// The events after a position, oldest first.
    pub async fn events(&self, workspace: &Workspace, after: i64, limit: u16) -> Result<Events> {
        let rows = self
            .db
            .rows(
                NEXT_EVENTS,
                [
                    workspace.as_str().into(),
                    after.into(),
                    i64::from(limit).into(),
                ],
            )
            .await?;
        let events = rows
            .iter()
            .map(|row| StoredRow::read(row).and_then(logged))
            .collect::<Result<Vec<_>>>()?;
        // Read after the page: the head is never behind an event that we show.
        let head = self.head(workspace).await?;
        Ok(Events {
            next: events
                .last()
                .map_or(after.min(head), |event| event.position),
            events,
            head,
        })
    }

    /// Whether anything is known of a service.
    pub async fn knows_service(&self, workspace: &Workspace, service: &Service) -> Result<bool> {
        let erased = format!("%\"by\":\"service\",\"service\":\"{service}\"%");
        let params = [
            workspace.as_str().into(),
            service.as_str().into(),
            erased.into(),
        ];
        let row = self.db.row(KNOWS_SERVICE, params).await?;
        let known: i64 = row.map(|row| row.get(0)).transpose()?.unwrap_or(0);
        Ok(known > 0)
    }

    /// Position of the newest event.
    pub async fn head(&self, workspace: &Workspace) -> Result<i64> {
        Ok(self
            .db
            .row(HEAD, [workspace.as_str().into()])
            .await?
            .map(|row| row.get(0))
            .transpose()?
            .unwrap_or(0))
    }
}

impl Session {
    /// What a batch means for the work that is handed out, where people decided something about its drift: with an old name
    /// it counts as one of the new, and while it is muted there is none.
    async fn todays_batch(
        &mut self,
        workspace: &Workspace,
        service: &Service,
        mut batch: FreshBatch,
        now: Micros,
    ) -> Result<Option<FreshBatch>> {
        let drift = self.drift(workspace, service, &batch.step).await?;
        let mut drift = drift.unwrap_or_default();
        if let Some(to) = drift.renamed_to.take() {
            drift = self
                .drift(workspace, service, &to)
                .await?
                .unwrap_or_default();
            batch.step_hash = to.hash();
            batch.step = to;
        }
        batch.action = action_for(drift.stage.as_str());
        let muted = self.is_muted(workspace, service, &batch.step, &drift, now);
        Ok((!muted.await?).then_some(batch))
    }
}

fn add_fresh(
    batches: &mut BTreeMap<(Service, Step, Day), FreshBatch>,
    service: Service,
    batch: FreshBatch,
) {
    match batches.entry((service, batch.step.clone(), batch.day)) {
        Entry::Vacant(place) => {
            place.insert(batch);
        }
        Entry::Occupied(mut same) => {
            let same = same.get_mut();
            same.count += batch.count;
            same.first_seen = same.first_seen.min(batch.first_seen);
            same.last_seen = same.last_seen.max(batch.last_seen);
            same.screenshot_ref = same.screenshot_ref.take().or(batch.screenshot_ref);
        }
    }
}

/// With the label of its drift.
fn fresh_batch(row: &Row) -> Result<(Service, FreshBatch, Option<String>)> {
    let step: Step = row.word(1)?;
    let label: Option<String> = row.get(7)?;
    let batch = FreshBatch {
        step_hash: step.hash(),
        step,
        day: row.word(2)?,
        count: row.get(3)?,
        first_seen: Micros(row.get(4)?),
        last_seen: Micros(row.get(5)?),
        screenshot_ref: row.word_if_any(6)?,
        action: action_for(label.as_deref().unwrap_or_default()),
    };
    Ok((row.word(0)?, batch, label))
}

fn action_for(stage: &str) -> Action {
    match stage {
        "opening" | "open" | "reopening" => Action::Bump,
        _ => Action::Replay,
    }
}

fn batch(row: &Row) -> Result<Batch> {
    let step: Step = row.word(1)?;
    Ok(Batch {
        service: row.word(0)?,
        step_hash: step.hash(),
        step,
        day: row.word(2)?,
        count: row.get(3)?,
        first_seen: Micros(row.get(4)?),
        last_seen: Micros(row.get(5)?),
        screenshot_ref: row.word_if_any(6)?,
        fresh: row.get(7)?,
    })
}

pub(super) fn logged(row: StoredRow) -> Result<LoggedEvent> {
    let data = row.payload.as_deref().map(serde_json::from_str).transpose();
    let mut data: Option<serde_json::Value> = data.map_err(StoreError::Unwritable)?;
    // Nobody who may read the log needs to recognise a key. The link in `hash` is over the payload as it is stored.
    if row.kind == KEY_CREATED
        && let Some(serde_json::Value::Object(fields)) = &mut data
    {
        fields.remove("hash");
    }
    Ok(LoggedEvent {
        position: row.position,
        recorded_at: row.at,
        kind: row.kind,
        version: row.version,
        report_id: row.report_id,
        data,
        hash: hex::encode(row.hash),
    })
}
