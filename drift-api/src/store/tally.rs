//! Many reports folded into few counters, before any SQL: what makes a flush, an import and a rebuild cheap.

use std::collections::BTreeMap;

use drift_schema::event::ReportReceived;
use drift_schema::{Day, Digest, Micros, Service, Step};

/// Identity of a batch within a workspace. Ordered as the table is, so that all writers touch rows in one order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BatchKey {
    pub(crate) day: Day,
    pub(crate) service: Service,
    pub(crate) step: Step,
}

/// What some reports add to one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) count: i64,
    pub(crate) first_seen: Micros,
    pub(crate) last_seen: Micros,
    pub(crate) last_position: i64,
    pub(crate) screenshot_ref: Option<Digest>,
}

#[derive(Debug, Default)]
pub(crate) struct Tallies(BTreeMap<BatchKey, Tally>);

impl Tallies {
    /// Counts one more report. Reports come in the order of the log.
    pub(crate) fn add(&mut self, position: i64, at: Micros, report: &ReportReceived) {
        let key = BatchKey {
            day: at.day(),
            service: report.service.clone(),
            step: report.step.clone(),
        };
        let tally = self.0.entry(key).or_insert(Tally {
            count: 0,
            first_seen: at,
            last_seen: at,
            last_position: position,
            screenshot_ref: None,
        });
        tally.count += 1;
        // The clock may have been set back in between; positions cannot.
        tally.first_seen = tally.first_seen.min(at);
        tally.last_seen = tally.last_seen.max(at);
        tally.last_position = position;
        if report.screenshot_ref.is_some() {
            tally.screenshot_ref.clone_from(&report.screenshot_ref);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&BatchKey, &Tally)> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}
