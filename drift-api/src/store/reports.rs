//! Storing reports, many at a time. The caller (ingest's group commit) brings them sealed: the JSON is written
//! and hashed before the lock is taken, so that the transaction is short.

use std::collections::HashMap;

use drift_schema::event::ReportReceived;
use drift_schema::{Day, Event, Micros, Workspace};
use uuid::Uuid;

use super::log::Sealed;
use super::session::Session;
use super::tally::{BatchKey, Tallies};
use super::{Result, Store, StoreError};

/// A report that passed the door, ready to be stored.
pub struct Incoming {
    report_id: Uuid,
    report: ReportReceived,
    payload: String,
    payload_hash: drift_schema::chain::Link,
}

impl Incoming {
    pub fn new(report_id: Uuid, report: ReportReceived) -> Result<Self> {
        let event = Event::ReportReceived(report);
        let Sealed {
            payload,
            payload_hash,
            ..
        } = Sealed::new(&event, Some(report_id))?;
        let Event::ReportReceived(report) = event else {
            unreachable!("made five lines above")
        };
        Ok(Self {
            report_id,
            report,
            payload,
            payload_hash,
        })
    }

    pub fn report_id(&self) -> Uuid {
        self.report_id
    }

    pub fn report(&self) -> &ReportReceived {
        &self.report
    }

    fn sealed(&self) -> Sealed {
        const KIND: (&str, i32) = Event::KINDS[0];
        Sealed {
            kind: KIND.0,
            version: KIND.1,
            report_id: Some(self.report_id),
            payload: self.payload.clone(),
            payload_hash: self.payload_hash,
        }
    }
}

/// What became of one report. `count` is the batch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted {
        day: Day,
        count: i64,
    },
    /// It was here before, on that day.
    Duplicate {
        day: Day,
        count: i64,
    },
    /// Its id belongs to a report with other content.
    Conflict,
}

/// What a flush did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// One for each report, in order.
    pub outcomes: Vec<Outcome>,
    /// The end of the log.
    pub position: i64,
}

/// A report that the log, or this very request, has already.
struct Earlier<'a> {
    day: Day,
    /// None where the payload was erased: then the id alone decides.
    report: Option<std::borrow::Cow<'a, ReportReceived>>,
}

const COUNT_OF: &str =
    "SELECT count FROM batches WHERE workspace = $1 AND day = $2 AND service = $3 AND step = $4";

impl Store {
    /// Stores reports in one transaction and answers each, in order. On an error none is stored, or (when the connection broke
    /// during the commit) it is not known; sending the same ids again is safe either way.
    pub async fn record_reports(
        &self,
        workspace: &Workspace,
        incoming: &[Incoming],
        now: Micros,
    ) -> Result<Stored> {
        // Nearly always no report was here before, and then asking first would be for nothing.
        if let Some(stored) = self.try_record(workspace, incoming, now, false).await? {
            return Ok(stored);
        }
        self.try_record(workspace, incoming, now, true)
            .await?
            .ok_or_else(|| {
                StoreError::Refused(
                    "a report appeared in the log under the lock that keeps others out".to_owned(),
                )
            })
    }

    /// None if `ask_first` is needed: the log had one of the reports already.
    async fn try_record(
        &self,
        workspace: &Workspace,
        incoming: &[Incoming],
        now: Micros,
        ask_first: bool,
    ) -> Result<Option<Stored>> {
        let mut session = self.db.write().await?;
        let mut head = session.lock_head(workspace).await?;
        let mut earlier = if ask_first {
            session.earlier(workspace, incoming).await?
        } else {
            HashMap::new()
        };

        let mut rows = Vec::with_capacity(incoming.len());
        let mut tallies = Tallies::default();
        let mut outcomes = Vec::with_capacity(incoming.len());
        for one in incoming {
            let outcome = match earlier.get(&one.report_id) {
                Some(Earlier { day, report })
                    if report
                        .as_ref()
                        .is_none_or(|report| report.same_content(&one.report)) =>
                {
                    Outcome::Duplicate {
                        day: *day,
                        count: 0,
                    }
                }
                Some(_) => Outcome::Conflict,
                None => {
                    rows.push(head.take(one.sealed(), now));
                    tallies.add(head.position, now, &one.report);
                    let this = Earlier {
                        day: now.day(),
                        report: Some(std::borrow::Cow::Borrowed(&one.report)),
                    };
                    earlier.insert(one.report_id, this);
                    Outcome::Accepted {
                        day: now.day(),
                        count: 0,
                    }
                }
            };
            outcomes.push(outcome);
        }

        let mut counts = HashMap::new();
        if !rows.is_empty() {
            if session.insert_events(workspace.as_str(), &rows).await? != rows.len() as u64 {
                session.roll_back().await?;
                return Ok(None);
            }
            counts = session.count_up(workspace.as_str(), &tallies).await?;
            session.move_head(workspace, &head).await?;
        }
        session
            .number(workspace, incoming, &mut outcomes, &tallies, counts)
            .await?;
        session.commit().await?;
        Ok(Some(Stored {
            outcomes,
            position: head.position,
        }))
    }
}

impl Session {
    async fn earlier(
        &mut self,
        workspace: &Workspace,
        incoming: &[Incoming],
    ) -> Result<HashMap<Uuid, Earlier<'static>>> {
        let ids: Vec<Uuid> = incoming.iter().map(|one| one.report_id).collect();
        let mut earlier = HashMap::new();
        for row in self.reports_by_id(workspace.as_str(), &ids).await? {
            let payload: Option<String> = row.get(2)?;
            let (kind, version): (String, i32) = (row.get(3)?, row.get(4)?);
            let report = match payload
                .map(|payload| Event::decode(&kind, version, &payload))
                .transpose()?
            {
                Some(Event::ReportReceived(report)) => Some(std::borrow::Cow::Owned(report)),
                _ => None,
            };
            earlier.insert(
                row.get(0)?,
                Earlier {
                    day: Micros(row.get(1)?).day(),
                    report,
                },
            );
        }
        Ok(earlier)
    }

    /// Puts the counts into the outcomes: a new report is numbered as if it had come alone, one after the other.
    async fn number(
        &mut self,
        workspace: &Workspace,
        incoming: &[Incoming],
        outcomes: &mut [Outcome],
        tallies: &Tallies,
        mut counts: HashMap<BatchKey, i64>,
    ) -> Result<()> {
        let mut next: HashMap<BatchKey, i64> = tallies
            .iter()
            .filter_map(|(key, tally)| Some((key.clone(), counts.get(key)? - tally.count)))
            .collect();
        for (one, outcome) in incoming.iter().zip(outcomes) {
            let key = |day: Day| BatchKey {
                day,
                service: one.report.service.clone(),
                step: one.report.step.clone(),
            };
            match outcome {
                Outcome::Conflict => {}
                Outcome::Accepted { day, count } => {
                    let number = next.entry(key(*day)).or_insert(0);
                    *number += 1;
                    *count = *number;
                }
                Outcome::Duplicate { day, count } => {
                    let key = key(*day);
                    *count = match counts.get(&key) {
                        Some(count) => *count,
                        None => {
                            let params = [
                                workspace.as_str().into(),
                                key.day.to_string().into(),
                                key.service.as_str().into(),
                                key.step.as_str().into(),
                            ];
                            // A batch that retention took away counts nothing any more.
                            let found = self
                                .row(COUNT_OF, params)
                                .await?
                                .map(|row| row.get(0))
                                .transpose()?
                                .unwrap_or(0);
                            counts.insert(key, found);
                            found
                        }
                    };
                }
            }
        }
        Ok(())
    }
}
