//! What the runner writes into issues: pure functions from a story to Markdown. Every value that came from outside passes
//! `neutral` on its way.

mod body;
mod comment;
mod folded;
pub mod neutral;
pub mod own;

use chrono::{DateTime, SecondsFormat, Utc};
use drift_schema::{Micros, TripwireKind};

pub use body::{COUNTERS, LIMIT, PICTURES, body, counters, pictures};
pub use comment::{Comment, bump_news, reopened, settled};
pub use folded::{folded_body, folded_title, has_row, row, with_row};
pub use own::Identity;

use super::Story;

pub fn title(story: &Story<'_>) -> String {
    let at = story.proof.map_or(story.now, |proof| proof.at);
    format!("{}{}", title_start(story), second(at))
}

/// By which a title is known to be still the one we gave.
pub fn title_start(story: &Story<'_>) -> String {
    format!(
        "drift({}): {} failing as of ",
        story.service, story.drift.step
    )
}

fn datetime(at: Micros) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.0).unwrap_or_default()
}

/// `2026-11-21T14:45:12Z`
fn second(at: Micros) -> String {
    datetime(at).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `2026-11-21 14:45 UTC`
fn minute(at: Micros) -> String {
    datetime(at).format("%Y-%m-%d %H:%M UTC").to_string()
}

fn plural(number: i64, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

fn kind_name(kind: TripwireKind) -> &'static str {
    match kind {
        TripwireKind::SelectorMissing => "selector-missing",
        TripwireKind::UnexpectedNav => "unexpected-nav",
        TripwireKind::Timeout => "timeout",
    }
}
