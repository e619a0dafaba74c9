//! Many reports folded into few counters, before any SQL: what makes a flush, an import and a rebuild cheap.

use std::collections::HashMap;

use drift_schema::event::ReportReceived;
use drift_schema::{Day, Digest, Micros, Service, Step};

/// What some reports add to one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally<'a> {
    pub(crate) day: Day,
    pub(crate) service: &'a Service,
    pub(crate) step: &'a Step,
    pub(crate) count: i64,
    pub(crate) first_seen: Micros,
    pub(crate) last_seen: Micros,
    pub(crate) last_position: i64,
    /// One of the reports is a reason to look.
    pub(crate) fresh: bool,
    pub(crate) screenshot_ref: Option<&'a Digest>,
}

impl<'a> Tally<'a> {
    /// One report, alone.
    pub(crate) fn one(position: i64, at: Micros, report: &'a ReportReceived, fresh: bool) -> Self {
        Self {
            day: at.day(),
            service: &report.service,
            step: &report.step,
            count: 1,
            first_seen: at,
            last_seen: at,
            last_position: position,
            fresh,
            screenshot_ref: report.screenshot_ref.as_ref(),
        }
    }

    /// Identity of the batch within a workspace. Ordered as the table is, so that all writers touch rows in one order.
    pub(crate) fn batch(&self) -> (Day, &'a Service, &'a Step) {
        (self.day, self.service, self.step)
    }

    /// Adds a later tally of the same batch.
    fn add(&mut self, later: Self) {
        self.count += later.count;
        // The clock may have been set back in between; positions cannot.
        self.first_seen = self.first_seen.min(later.first_seen);
        self.last_seen = self.last_seen.max(later.last_seen);
        self.last_position = later.last_position;
        self.fresh |= later.fresh;
        self.screenshot_ref = later.screenshot_ref.or(self.screenshot_ref);
    }
}

/// Folds tallies of single reports, sorted by batch and then by position, into one for each batch.
pub(crate) fn fold<'a>(sorted: impl IntoIterator<Item = Tally<'a>>) -> Vec<Tally<'a>> {
    let mut folded: Vec<Tally<'a>> = Vec::new();
    for tally in sorted {
        match folded
            .last_mut()
            .filter(|last| last.batch() == tally.batch())
        {
            Some(last) => last.add(tally),
            None => folded.push(tally),
        }
    }
    folded
}

/// Tallies that outlive the reports they were made from: for walks over the log.
#[derive(Debug, Default)]
pub(crate) struct Tallies(HashMap<(Day, Service, Step), Sum>);

#[derive(Debug)]
struct Sum {
    count: i64,
    first_seen: Micros,
    last_seen: Micros,
    last_position: i64,
    fresh: bool,
    screenshot_ref: Option<Digest>,
}

impl Tallies {
    /// Counts one more report. Reports come in the order of the log.
    pub(crate) fn add(&mut self, position: i64, at: Micros, report: ReportReceived, fresh: bool) {
        let sum = self
            .0
            .entry((at.day(), report.service, report.step))
            .or_insert(Sum {
                count: 0,
                first_seen: at,
                last_seen: at,
                last_position: position,
                fresh: false,
                screenshot_ref: None,
            });
        sum.count += 1;
        sum.first_seen = sum.first_seen.min(at);
        sum.last_seen = sum.last_seen.max(at);
        sum.last_position = position;
        sum.fresh |= fresh;
        sum.screenshot_ref = report.screenshot_ref.or(sum.screenshot_ref.take());
    }

    /// Sorted by batch.
    pub(crate) fn all(&self) -> Vec<Tally<'_>> {
        let tallies = self.0.iter().map(|((day, service, step), sum)| Tally {
            day: *day,
            service,
            step,
            count: sum.count,
            first_seen: sum.first_seen,
            last_seen: sum.last_seen,
            last_position: sum.last_position,
            fresh: sum.fresh,
            screenshot_ref: sum.screenshot_ref.as_ref(),
        });
        let mut tallies: Vec<_> = tallies.collect();
        tallies.sort_unstable_by_key(Tally::batch);
        tallies
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
