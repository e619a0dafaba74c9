//! Reports over time: bars that the server draws, and the same numbers for a script that makes them readable by pointing.

use std::fmt::Write as _;

use drift_schema::Day;

use crate::pages::parts::grouped;
use crate::store::DayOfDrift;

/// Days that are drawn, at least and at most.
const FEWEST: i64 = 14;
const MOST: i64 = 90;

pub(super) struct Plot {
    /// Oldest first, with gaps filled.
    pub(super) bars: Vec<Bar>,
    /// Of the drawing, in the bars' unit.
    pub(super) width: i64,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) most: String,
    /// `2026-11-20:3 2026-11-21:7`
    pub(super) data: String,
}

pub(super) struct Bar {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) height: i64,
}

impl Plot {
    /// None without a report in the time that is drawn.
    pub(super) fn of(days: &[DayOfDrift], today: Day) -> Option<Self> {
        let ago = |day: Day| (today.0 - day.0).num_days();
        let first = days
            .iter()
            .map(|one| ago(one.day))
            .filter(|ago| *ago < MOST)
            .max()?;
        let span = (first + 1).clamp(FEWEST, MOST);
        let mut counts = vec![0; usize::try_from(span).ok()?];
        for one in days {
            // A clock that is ahead counts today.
            let ago = ago(one.day).max(0);
            if ago < span
                && let Ok(place) = usize::try_from(span - 1 - ago)
            {
                counts[place] += one.reports;
            }
        }
        let most = counts.iter().copied().max().filter(|most| *most > 0)?;
        let day_of = |place: usize| {
            let ago = span - 1 - i64::try_from(place).unwrap_or(0);
            today.start().minus_seconds(ago * 86_400).day()
        };
        let mut data = String::new();
        let mut bars = Vec::new();
        for (place, count) in counts.iter().enumerate() {
            let _ = write!(data, "{}:{count} ", day_of(place));
            // Whatever there was can be seen.
            let height = if *count == 0 {
                0
            } else {
                (count * 100 / most).max(2)
            };
            bars.push(Bar {
                x: i64::try_from(place).unwrap_or(0) * 10 + 1,
                y: 100 - height,
                height,
            });
        }
        Some(Self {
            bars,
            width: span * 10,
            first: day_of(0).0.format("%-d %b").to_string(),
            last: day_of(counts.len() - 1).0.format("%-d %b").to_string(),
            most: grouped(most),
            data: data.trim_end().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use drift_schema::Micros;

    use super::*;

    fn day(day: &str, reports: i64) -> DayOfDrift {
        DayOfDrift {
            day: day.parse().unwrap(),
            reports,
            fresh: false,
            first_seen: Micros(0),
            last_seen: Micros(0),
        }
    }

    #[test]
    fn days_without_a_report_have_their_place() {
        let today: Day = "2026-11-21".parse().unwrap();
        let plot = Plot::of(&[day("2026-11-21", 1), day("2026-11-19", 400)], today).unwrap();
        assert_eq!(plot.bars.len(), 14);
        let heights: Vec<i64> = plot.bars[11..].iter().map(|bar| bar.height).collect();
        assert_eq!(heights, [100, 0, 2]);
        assert!(
            plot.data
                .ends_with("2026-11-19:400 2026-11-20:0 2026-11-21:1")
        );
        assert_eq!(
            (plot.first.as_str(), plot.last.as_str()),
            ("8 Nov", "21 Nov")
        );
    }

    #[test]
    fn what_is_long_ago_is_not_drawn() {
        let today: Day = "2026-11-21".parse().unwrap();
        assert!(Plot::of(&[day("2025-11-21", 9)], today).is_none());
        assert!(Plot::of(&[], today).is_none());
        let plot = Plot::of(&[day("2026-11-01", 9), day("2025-11-21", 9)], today).unwrap();
        assert_eq!(plot.bars.len(), 21);
    }
}
