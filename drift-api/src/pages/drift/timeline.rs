//! What happened to a drift, newest first: every event, and between them the reports of all days in which nothing else
//! happened as one entry.

use std::cmp::Reverse;

use drift_schema::Micros;

use crate::pages::parts::counted;
use crate::pages::story::{self, Names, Told};
use crate::pages::time::When;
use crate::store::{DayOfDrift, DriftLook};

pub(super) struct Entry {
    pub(super) at: When,
    pub(super) what: What,
}

pub(super) enum What {
    /// Reports of one day or of many.
    Reports {
        words: String,
        from: Option<When>,
    },
    Event(Told),
}

/// Reports with nothing between them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Burst {
    first: Micros,
    last: Micros,
    reports: i64,
    days: i64,
}

pub(super) fn of(look: &DriftLook, names: Names<'_>, now: Micros) -> Vec<Entry> {
    let events: Vec<Micros> = look.moments.iter().map(|it| it.recorded_at).collect();
    let mut all: Vec<(Micros, What)> = bursts(&look.days, &events)
        .into_iter()
        .map(|burst| (burst.last, burst.tell(now)))
        .collect();
    // Behind the reports, so that of what came at the same moment the event is the newer.
    for moment in &look.moments {
        all.push((moment.recorded_at, What::Event(story::of(moment, names))));
    }
    all.sort_by_key(|(at, what)| (Reverse(*at), matches!(what, What::Reports { .. })));
    all.into_iter()
        .map(|(at, what)| Entry {
            at: When::new(at, now),
            what,
        })
        .collect()
}

/// Both newest first. A day's reports are not taken apart: they stand where the last of them came.
fn bursts(days: &[DayOfDrift], events: &[Micros]) -> Vec<Burst> {
    let mut bursts: Vec<Burst> = Vec::new();
    for day in days {
        let one = Burst {
            first: day.first_seen,
            last: day.last_seen,
            reports: day.reports,
            days: 1,
        };
        match bursts.last_mut() {
            Some(newer) if !events.iter().any(|at| one.last <= *at && *at < newer.last) => {
                newer.first = one.first;
                newer.reports += one.reports;
                newer.days += 1;
            }
            _ => bursts.push(one),
        }
    }
    bursts
}

impl Burst {
    fn tell(self, now: Micros) -> What {
        let reports = counted(self.reports, "report");
        // In the same minute there is nothing more to tell.
        let is_long = self.last.0 - self.first.0 > 60_000_000;
        What::Reports {
            words: match self.days {
                1 => reports,
                days => format!("{reports} on {}", counted(days, "day")),
            },
            from: is_long.then(|| When::new(self.first, now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64, reports: i64) -> DayOfDrift {
        let noon = Micros(number * 86_400_000_000);
        DayOfDrift {
            day: noon.day(),
            reports,
            fresh: false,
            first_seen: noon,
            last_seen: noon.plus_seconds(3_600),
        }
    }

    #[test]
    fn days_without_an_event_between_them_are_one_burst() {
        let days = [day(9, 1), day(8, 2), day(5, 4), day(4, 8)];
        let all = bursts(&days, &[]);
        assert_eq!((all.len(), all[0].reports, all[0].days), (1, 15, 4));
        // In the middle of the sixth day.
        let event = Micros(6 * 86_400_000_000 + 5);
        let all = bursts(&days, &[event]);
        let told: Vec<_> = all.iter().map(|it| (it.reports, it.days)).collect();
        assert_eq!(told, [(3, 2), (12, 2)]);
        assert_eq!(all[1].first, day(4, 8).first_seen);
    }
}
