//! Storing reports, many at a time. The caller (ingest's group commit) brings them sealed: the JSON is written
//! and hashed before the lock is taken, so that the transaction is short.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use drift_schema::event::ReportReceived;
use drift_schema::{Day, Event, Micros, Workspace, chain};
use uuid::Uuid;

use super::bulk::{Flush, Flushed, NewRow};
use super::log::{Head, Sealed};
use super::session::Session;
use super::standing::{End, Standings};
use super::tally::{self, Tally};
use super::{Result, Store, StoreError};

/// A report that passed the door, ready to be stored.
pub struct Incoming {
    report_id: Uuid,
    report: ReportReceived,
    payload: String,
    payload_hash: chain::Link,
}

impl Incoming {
    pub fn new(report_id: Uuid, report: ReportReceived) -> Result<Self> {
        let payload = serde_json::to_string(&report).map_err(StoreError::Unwritable)?;
        let payload_hash = chain::payload_hash(&payload);
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

    fn sealed(&self) -> Sealed<'_> {
        const KIND: (&str, i32) = Event::KINDS[0];
        Sealed {
            kind: KIND.0,
            version: KIND.1,
            report_id: Some(self.report_id),
            payload: &self.payload,
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
    report: Option<Cow<'a, ReportReceived>>,
}

impl Earlier<'_> {
    fn is(&self, report: &ReportReceived) -> bool {
        self.report
            .as_ref()
            .is_none_or(|earlier| earlier.same_content(report))
    }
}

const COUNT_OF: &str =
    "SELECT count FROM batches WHERE workspace = $1 AND day = $2 AND service = $3 AND step = $4";

impl Store {
    /// Stores reports in one transaction and answers each, in order. On an error none is stored, or (when the connection
    /// broke during the commit) it is not known; sending the same ids again is safe either way.
    pub async fn record_reports(
        &self,
        workspace: &Workspace,
        incoming: &[Incoming],
        now: Micros,
    ) -> Result<Stored> {
        match self.record_at_known_head(workspace, incoming, now).await? {
            Attempt::Stored(stored) => return Ok(stored),
            Attempt::Repeated => {}
            // Nearly always no report was here before, and then asking first would be for nothing.
            Attempt::HeadMoved => {
                let attempt = self.record_locked(workspace, incoming, now, false).await?;
                if let Attempt::Stored(stored) = attempt {
                    return Ok(stored);
                }
            }
        }
        match self.record_locked(workspace, incoming, now, true).await? {
            Attempt::Stored(stored) => Ok(stored),
            _ => Err(StoreError::Refused(
                "a report appeared in the log under the lock that keeps others out".to_owned(),
            )),
        }
    }

    /// As long as no other process writes, the head is where our last flush left it. Then the guess saves asking, and
    /// is checked as it is used: one trip instead of four to Postgres, or five to SQLite.
    async fn record_at_known_head(
        &self,
        workspace: &Workspace,
        incoming: &[Incoming],
        now: Micros,
    ) -> Result<Attempt> {
        let Some(end) = self.ends.get(workspace) else {
            return Ok(Attempt::HeadMoved);
        };
        let plan = Plan::new(incoming, HashMap::new(), end, now);
        if plan.rows.len() < incoming.len() {
            // The same report twice in this very group: to be looked up in peace.
            return Ok(Attempt::Repeated);
        }
        let mut flush = plan.flush();
        flush.known = self.ends.counts(workspace, &flush);
        let flushed = self.db.flush_at_once(workspace.as_str(), &flush).await?;
        if let Flushed::Counts(counts) = &flushed {
            self.ends.set(workspace, plan.end(), &flush, counts);
        }
        Ok(plan.conclude(&flush, flushed))
    }

    async fn record_locked(
        &self,
        workspace: &Workspace,
        incoming: &[Incoming],
        now: Micros,
        ask_first: bool,
    ) -> Result<Attempt> {
        let mut session = self.db.write().await?;
        let head = session.lock_head(workspace).await?;
        let known = self.ends.get(workspace);
        let standings = match known.filter(|end| end.head.lifecycle_at == head.lifecycle_at) {
            Some(end) => end.standings,
            None => Arc::new(session.standings(workspace).await?),
        };
        let earlier = if ask_first {
            session.earlier(workspace, incoming).await?
        } else {
            HashMap::new()
        };
        let plan = Plan::new(incoming, earlier, End { head, standings }, now);
        let flush = plan.flush();
        let flushed = session.flush(workspace.as_str(), &flush).await?;
        let Flushed::Counts(counts) = flushed else {
            session.roll_back().await?;
            return Ok(plan.conclude(&flush, flushed));
        };
        let mut stored = plan.number(&flush, &counts);
        session
            .number_duplicates(workspace, incoming, &mut stored.outcomes)
            .await?;
        session.commit().await?;
        self.ends.set(workspace, plan.end(), &flush, &counts);
        Ok(Attempt::Stored(stored))
    }
}

enum Attempt {
    Stored(Stored),
    /// The log has one of the reports already, or the group has one twice.
    Repeated,
    /// The head is not where we thought it was.
    HeadMoved,
}

/// What a group of reports will do to the log that ends at a head: who is new, in which place. Pure.
struct Plan<'a> {
    rows: Vec<NewRow<'a>>,
    /// Each new report alone, with its place in the group; sorted by batch.
    single: Vec<(Tally<'a>, usize)>,
    outcomes: Vec<Outcome>,
    /// The end of the log before and after.
    from: Head,
    head: Head,
    standings: Arc<Standings>,
    today: Day,
}

impl<'a> Plan<'a> {
    fn new(
        incoming: &'a [Incoming],
        mut earlier: HashMap<Uuid, Earlier<'a>>,
        end: End,
        now: Micros,
    ) -> Self {
        let End {
            mut head,
            standings,
        } = end;
        let (today, from) = (now.day(), head);
        let mut rows = Vec::with_capacity(incoming.len());
        let mut single = Vec::with_capacity(incoming.len());
        let mut outcomes = Vec::with_capacity(incoming.len());
        earlier.reserve(incoming.len());
        for (place, one) in incoming.iter().enumerate() {
            outcomes.push(match earlier.entry(one.report_id) {
                Entry::Vacant(new) => {
                    new.insert(Earlier {
                        day: today,
                        report: Some(Cow::Borrowed(&one.report)),
                    });
                    rows.push(head.take(one.sealed(), now));
                    let news = standings.is_news(&one.report);
                    let tally = Tally::one(head.position, now, &one.report, news);
                    single.push((tally, place));
                    Outcome::Accepted {
                        day: today,
                        count: 0,
                    }
                }
                Entry::Occupied(known) if known.get().is(&one.report) => Outcome::Duplicate {
                    day: known.get().day,
                    count: 0,
                },
                Entry::Occupied(_) => Outcome::Conflict,
            });
        }
        // Stable: within a batch the reports stay in their order.
        single.sort_by_key(|(tally, _)| tally.batch());
        Self {
            rows,
            single,
            outcomes,
            from,
            head,
            standings,
            today,
        }
    }

    /// The log after it.
    fn end(&self) -> End {
        End {
            head: self.head,
            standings: Arc::clone(&self.standings),
        }
    }

    fn flush(&self) -> Flush<'_> {
        Flush {
            from: self.from,
            rows: &self.rows,
            tallies: tally::fold(self.single.iter().map(|(tally, _)| *tally)),
            known: None,
        }
    }

    fn conclude(&self, flush: &Flush<'_>, flushed: Flushed) -> Attempt {
        match flushed {
            Flushed::Counts(counts) => Attempt::Stored(self.number(flush, &counts)),
            Flushed::Repeated => Attempt::Repeated,
            Flushed::HeadMoved => Attempt::HeadMoved,
        }
    }

    /// Numbers the new reports as if each had come alone, one after the other.
    fn number(&self, flush: &Flush<'_>, counts: &[i64]) -> Stored {
        let mut outcomes = self.outcomes.clone();
        let numbers = flush
            .tallies
            .iter()
            .zip(counts)
            .flat_map(|(tally, count)| count - tally.count + 1..=*count);
        for ((_, place), count) in self.single.iter().zip(numbers) {
            outcomes[*place] = Outcome::Accepted {
                day: self.today,
                count,
            };
        }
        Stored {
            outcomes,
            position: self.head.position,
        }
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
                Some(Event::ReportReceived(report)) => Some(Cow::Owned(report)),
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

    /// Looks up the counts of the batches that duplicates were counted in.
    async fn number_duplicates(
        &mut self,
        workspace: &Workspace,
        incoming: &[Incoming],
        outcomes: &mut [Outcome],
    ) -> Result<()> {
        let mut counts = HashMap::new();
        for (one, outcome) in incoming.iter().zip(outcomes) {
            let Outcome::Duplicate { day, count } = outcome else {
                continue;
            };
            let batch = (*day, &one.report.service, &one.report.step);
            *count = match counts.get(&batch) {
                Some(count) => *count,
                None => {
                    let params = [
                        workspace.as_str().into(),
                        day.to_string().into(),
                        batch.1.as_str().into(),
                        batch.2.as_str().into(),
                    ];
                    // A batch that retention took away counts nothing any more.
                    let found = self
                        .row(COUNT_OF, params)
                        .await?
                        .map(|row| row.get(0))
                        .transpose()?
                        .unwrap_or(0);
                    counts.insert(batch, found);
                    found
                }
            };
        }
        Ok(())
    }
}
