//! Reports per service and day, as a table whose cells are the warmer the more there were.

use std::collections::BTreeMap;

use drift_schema::{Day, Service};

use super::compact;
use crate::store::Heat;

/// From so many reports a day on a cell is one shade warmer.
const STEPS: [i64; 5] = [1, 4, 16, 64, 256];

pub(super) struct HeatMap {
    /// Oldest first; the last is today.
    pub(super) days: Vec<DayHead>,
    /// The service with the most reports first.
    pub(super) rows: Vec<HeatRow>,
    /// Services that had no room.
    pub(super) more: usize,
}

pub(super) struct DayHead {
    /// `21`
    pub(super) number: String,
    /// `2026-11-21`
    pub(super) exact: String,
    /// `Sat 21 Nov`
    pub(super) words: String,
    pub(super) is_weekend: bool,
}

pub(super) struct HeatRow {
    pub(super) service: Service,
    pub(super) cells: Vec<Cell>,
    pub(super) total: i64,
}

pub(super) struct Cell {
    /// 0 for nothing, 5 for the most.
    pub(super) level: usize,
    pub(super) reports: i64,
    pub(super) shown: String,
}

impl HeatMap {
    pub(super) fn new(heat: &[Heat], today: Day, days: i64, most: usize) -> Self {
        let days: Vec<Day> = (0..days)
            .rev()
            .map(|ago| today.start().minus_seconds(ago * 86_400).day())
            .collect();
        let mut services: BTreeMap<&Service, Vec<i64>> = BTreeMap::new();
        for one in heat {
            // A report from a clock that is ahead is not in the table.
            if let Ok(place) = days.binary_search(&one.day) {
                let row = services
                    .entry(&one.service)
                    .or_insert_with(|| vec![0; days.len()]);
                row[place] += one.reports;
            }
        }
        let mut rows: Vec<HeatRow> = services
            .into_iter()
            .map(|(service, counts)| HeatRow {
                service: service.clone(),
                total: counts.iter().sum(),
                cells: counts.into_iter().map(Cell::new).collect(),
            })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.total));
        let more = rows.len().saturating_sub(most);
        rows.truncate(most);
        Self {
            days: days.into_iter().map(DayHead::new).collect(),
            rows,
            more,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl DayHead {
    fn new(day: Day) -> Self {
        let weekday = day.0.format("%a").to_string();
        Self {
            number: day.0.format("%-d").to_string(),
            exact: day.to_string(),
            words: day.0.format("%a %-d %b").to_string(),
            is_weekend: matches!(weekday.as_str(), "Sat" | "Sun"),
        }
    }
}

impl Cell {
    fn new(reports: i64) -> Self {
        Self {
            level: STEPS.iter().filter(|step| reports >= **step).count(),
            reports,
            shown: compact(reports),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heat(service: &str, day: &str, reports: i64) -> Heat {
        Heat {
            service: Service::parse(service).unwrap(),
            day: day.parse().unwrap(),
            reports,
        }
    }

    #[test]
    fn each_service_has_a_row_with_a_cell_for_each_day() {
        let today = "2026-11-21".parse().unwrap();
        let heat = [
            heat("openai", "2026-11-21", 3),
            heat("openai", "2026-11-19", 300),
            heat("quiet", "2026-11-20", 1),
            // Too old, and in the future.
            heat("openai", "2026-11-18", 9),
            heat("openai", "2026-11-22", 9),
        ];
        let map = HeatMap::new(&heat, today, 3, 1);
        assert_eq!(map.days[0].words, "Thu 19 Nov");
        assert!(map.days[2].is_weekend);
        assert_eq!((map.rows.len(), map.more), (1, 1));
        let row = &map.rows[0];
        assert_eq!((row.service.as_str(), row.total), ("openai", 303));
        let cells: Vec<_> = row.cells.iter().map(|it| (it.reports, it.level)).collect();
        assert_eq!(cells, [(300, 5), (0, 0), (3, 1)]);
    }
}
