//! What a run prints: each number beside the limit it is held against, its target, and whether it was met.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::load::Outcome;

#[derive(Debug, Serialize)]
pub struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    /// What `value` is divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct Limit {
    name: &'static str,
    value: f64,
}

impl Row {
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            value,
            unit,
            limit: None,
            ratio: None,
            target: None,
            met: None,
            note: None,
        }
    }

    pub fn rate(what: impl Into<String>, rate: f64) -> Self {
        Self::new(what, rate, "/s")
    }

    pub fn against(mut self, name: &'static str, limit: f64) -> Self {
        self.ratio = Some(self.value / limit);
        self.limit = Some(Limit { name, value: limit });
        self
    }

    /// The ratio has to reach this.
    pub fn at_least(mut self, ratio: f64) -> Self {
        self.met = self.ratio.map(|own| own >= ratio);
        self.target = Some(format!("≥ {ratio:.2}"));
        self
    }

    /// The ratio may not exceed this.
    pub fn at_most(mut self, ratio: f64) -> Self {
        self.met = self.ratio.map(|own| own <= ratio);
        self.target = Some(format!("≤ {ratio:.2}"));
        self
    }

    /// The value itself has to stay under this.
    pub fn under(mut self, value: f64) -> Self {
        self.met = Some(self.value < value);
        self.target = Some(format!("< {} {}", number(value), self.unit));
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// CPU time per request, as milliseconds per 1,000 requests (which is microseconds each), and how much of a
    /// core others took meanwhile.
    pub fn cpu(self, outcome: &Outcome) -> Self {
        let cpu = outcome.cpu;
        let per_thousand = |time: Duration| time.as_secs_f64() * 1e6 / outcome.worth.max(1) as f64;
        let (server, database) = (per_thousand(cpu.server), per_thousand(cpu.database));
        let generator = per_thousand(cpu.generator);
        let others = cpu.others().as_secs_f64() * outcome.rate / outcome.worth.max(1) as f64;
        self.note(format!(
            "CPU ms per 1,000: server {server:.1}, database {database:.1}, generator {generator:.1}; others {others:.2} cores"
        ))
    }

    fn cells(&self) -> [String; 7] {
        let met = match self.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        [
            self.what.clone(),
            format!("{} {}", number(self.value), self.unit),
            self.limit.as_ref().map_or(String::new(), |limit| {
                format!("{} = {}", limit.name, number(limit.value))
            }),
            self.ratio
                .map_or(String::new(), |ratio| format!("{ratio:.2}")),
            self.target.clone().unwrap_or_default(),
            met.to_owned(),
            self.note.clone().unwrap_or_default(),
        ]
    }
}

#[derive(Debug, Serialize)]
pub struct Table {
    pub title: String,
    rows: Vec<Row>,
}

impl Table {
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; shows on stderr how far the run has come.
    pub fn push(&mut self, row: Row) {
        let line = row.cells().map(|cell| cell.trim().to_owned()).join("  ");
        eprintln!("  {}", line.trim());
        self.rows.push(row);
    }

    pub fn all_met(&self) -> bool {
        self.rows.iter().all(|row| row.met != Some(false))
    }

    /// As Markdown, which is also readable as it is.
    pub fn text(&self) -> String {
        let head = ["", "measured", "limit", "ratio", "target", "", "note"].map(str::to_owned);
        let lines: Vec<[String; 7]> = std::iter::once(head)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let width: Vec<usize> = (0..7)
            .map(|i| {
                lines
                    .iter()
                    .map(|cells| cells[i].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = format!("\n### {}\n\n", self.title);
        for (number, cells) in lines.iter().enumerate() {
            let padded = cells
                .iter()
                .zip(&width)
                .map(|(cell, &width)| format!("{cell:width$}"));
            let _ = writeln!(text, "| {} |", padded.collect::<Vec<_>>().join(" | "));
            if number == 0 {
                let rules: Vec<String> = width
                    .iter()
                    .map(|&width| "-".repeat(width.max(3)))
                    .collect();
                let _ = writeln!(text, "| {} |", rules.join(" | "));
            }
        }
        text
    }
}

/// Everything that one invocation has measured.
#[derive(Debug, Serialize)]
pub struct Findings {
    pub machine: String,
    pub tables: Vec<Table>,
    #[serde(skip)]
    pub as_json: bool,
}

impl Findings {
    pub fn render(&self) -> anyhow::Result<String> {
        if self.as_json {
            return Ok(serde_json::to_string_pretty(self)?);
        }
        Ok(self
            .tables
            .iter()
            .fold(self.machine.clone() + "\n", |text, table| {
                text + &table.text()
            }))
    }

    pub fn all_met(&self) -> bool {
        self.tables.iter().all(Table::all_met)
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Three digits that mean something, with thousands apart.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => {
            let digits = format!("{value:.0}");
            let first = digits.len() % 3;
            let mut text = digits[..first].to_owned();
            for group in digits.as_bytes()[first..].chunks(3) {
                if !text.is_empty() {
                    text.push(',');
                }
                text.extend(group.iter().map(|&digit| char::from(digit)));
            }
            text
        }
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_its_target_was_met() {
        let met = |row: Row| row.met;
        assert_eq!(
            met(Row::rate("ours", 60.0).against("L", 100.0).at_least(0.5)),
            Some(true)
        );
        assert_eq!(
            met(Row::rate("ours", 40.0).against("L", 100.0).at_least(0.5)),
            Some(false)
        );
        assert_eq!(met(Row::new("p99", 41.0, "ms").under(40.0)), Some(false));
        assert_eq!(met(Row::rate("H", 1.0)), None);
    }

    #[test]
    fn numbers_are_short_and_grouped() {
        let shown = [0.1234, 1.234, 12.34, 123.4, 1234.5, 123_456.0, 1_234_567.0].map(number);
        assert_eq!(
            shown,
            [
                "0.123",
                "1.23",
                "12.3",
                "123",
                "1,234",
                "123,456",
                "1,234,567"
            ]
        );
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(
            (
                median(vec![3.0, 1.0, 2.0]),
                median(vec![4.0, 1.0, 2.0, 3.0])
            ),
            (2.0, 2.5)
        );
    }
}
