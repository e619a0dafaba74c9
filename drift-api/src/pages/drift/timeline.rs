//! What happened to a drift, newest first: every event, and between them the reports of each day as one entry.

use drift_schema::Micros;

use crate::pages::parts::counted;
use crate::pages::story::{self, Told};
use crate::pages::time::When;
use crate::store::{DayOfDrift, DriftLook};

/// Entries in all.
const MOST: usize = 80;

pub(super) struct Entry {
    pub(super) at: When,
    pub(super) what: What,
}

pub(super) enum What {
    /// Reports of one day.
    Reports {
        words: String,
        from: Option<When>,
    },
    Event(Told),
    /// What is older, folded.
    Older(String),
}

pub(super) fn of(look: &DriftLook, now: Micros) -> Vec<Entry> {
    let mut all: Vec<(Micros, What)> = look
        .moments
        .iter()
        .map(|moment| (moment.recorded_at, What::Event(story::of(moment))))
        .collect();
    all.extend(
        look.days
            .iter()
            .map(|day| (day.last_seen, reports(day, now))),
    );
    // Of what came at the same moment, the reports were first.
    all.sort_by_key(|(at, what)| (std::cmp::Reverse(*at), matches!(what, What::Reports { .. })));
    let cut: Vec<(Micros, What)> = all.split_off(all.len().min(MOST));
    if let Some((at, _)) = cut.first() {
        let days = cut
            .iter()
            .filter(|(_, what)| matches!(what, What::Reports { .. }))
            .count();
        let days = i64::try_from(days).unwrap_or(0) + look.days_in_all
            - i64::try_from(look.days.len()).unwrap_or(0);
        let events = cut.len() + look.more_moments;
        let words = format!(
            "Before this: {} with reports, and up to {} older events",
            counted(days, "day"),
            events
        );
        all.push((*at, What::Older(words)));
    }
    all.into_iter()
        .map(|(at, what)| Entry {
            at: When::new(at, now),
            what,
        })
        .collect()
}

fn reports(day: &DayOfDrift, now: Micros) -> What {
    let spread = day.last_seen.0 - day.first_seen.0 > 60_000_000;
    What::Reports {
        words: counted(day.reports, "report"),
        from: spread.then(|| When::new(day.first_seen, now)),
    }
}
