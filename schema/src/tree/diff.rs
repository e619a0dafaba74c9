//! What changed between two captures of a page, for somebody who has to mend a scraper: one sentence, a few lines, and
//! hunks that begin with the element that failed. Only shapes are compared; of texts there is a count.

mod hunks;
mod matching;
mod reading;
mod script;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::outline::Item;
use super::signature::Signature;
use super::volatile::VolatileMask;
use super::{outline, snapshot};

/// Lines of [`Difference::what_changed`].
const MOST_CHANGES: usize = 8;
/// Lines of [`Difference::patch`], headings and the count of the rest included.
const MOST_LINES: usize = 60;

/// One of the two captures.
#[derive(Debug, Clone, Copy)]
pub struct Side<'s> {
    pub shape: &'s str,
    /// To count the texts that changed; without it they are not counted.
    pub snapshot: Option<&'s str>,
}

/// The element that the failing step looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub role: String,
    pub name: Option<String>,
    /// What stands beside its hunk: `step 4 reads this`.
    pub note: String,
}

/// One thing that somebody did to the page. A part is named by its line, `path` is what it stands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub enum Edit {
    Removed {
        what: String,
        path: String,
    },
    Added {
        what: String,
        path: String,
    },
    Renamed {
        role: String,
        from: Option<String>,
        to: Option<String>,
        path: String,
    },
    Moved {
        what: String,
        path: String,
        to: String,
    },
    RoleChanged {
        from: String,
        to: String,
        path: String,
    },
    LevelChanged {
        from: u8,
        to: u8,
        path: String,
    },
    Switched {
        what: String,
        disabled: bool,
        path: String,
    },
}

/// Edits in one part of the page, as lines that begin with `-` or `+`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunk {
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub lines: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    pub edits: Vec<Edit>,
    /// The nearest to the failing element first.
    pub hunks: Vec<Hunk>,
    /// How much the two agree beside what is volatile, 0 to 1.
    pub agreement: f64,
    /// Names and texts that are other ones now; they are in no hunk.
    pub texts_changed: usize,
    /// Parts that were left out of both as volatile.
    pub volatile_left_out: usize,
}

impl Difference {
    pub fn between(
        before: Side<'_>,
        after: Side<'_>,
        target: Option<&Target>,
        mask: Option<&VolatileMask>,
    ) -> Self {
        let (mut old, mut new) = (outline::parse(before.shape), outline::parse(after.shape));
        let left_out = mask.map_or(0, |mask| mask.take_out(&mut old) + mask.take_out(&mut new));
        let texts = before.snapshot.zip(after.snapshot);
        Self {
            texts_changed: texts.map_or(0, |(before, after)| texts_changed(before, after)),
            volatile_left_out: left_out,
            ..Self::of(&old, &new, target)
        }
    }

    /// Between two trees as they are stored: snapshots, or the outlines that scrapers of others tell.
    pub fn of_trees(before: &str, after: &str, target: Option<&Target>) -> Self {
        Self {
            texts_changed: texts_changed(before, after),
            ..Self::of(&reading::read(before), &reading::read(after), target)
        }
    }

    fn of(old: &[Item], new: &[Item], target: Option<&Target>) -> Self {
        let agreement = Signature::of(old).agreement(&Signature::of(new));
        let (mut one, mut other) = (matching::Tree::of(old), matching::Tree::of(new));
        matching::pair(&mut one, &mut other);
        let steps = script::steps(&one, &other);
        let hunks = hunks::hunks(&one, &other, &steps, target);
        Self {
            edits: steps.into_iter().map(|step| step.edit).collect(),
            hunks,
            agreement,
            texts_changed: 0,
            volatile_left_out: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// One sentence, for a title or a first line.
    pub fn sentence(&self) -> String {
        let Some(first) = self.nearest() else {
            return match self.texts_changed {
                0 => "Nothing changed.".to_owned(),
                1 => "Only one text changed.".to_owned(),
                texts => format!("Only texts changed ({texts})."),
            };
        };
        match self.edits.len() {
            1 => format!("{first}."),
            2 => format!("{first}, and one more change."),
            edits => format!("{first}, and {} more changes.", edits - 1),
        }
    }

    /// What changed, at most eight lines.
    pub fn what_changed(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.edits.iter().map(Edit::say).collect();
        lines.dedup();
        if lines.len() > MOST_CHANGES {
            let more = lines.len() - (MOST_CHANGES - 1);
            lines.truncate(MOST_CHANGES - 1);
            lines.push(format!("and {more} more changes"));
        }
        lines
    }

    /// Those that the sentence only counts.
    pub fn other_changes(&self) -> Vec<String> {
        let told = self.nearest();
        let mut lines = self.what_changed();
        lines.retain(|line| Some(line) != told.as_ref());
        lines
    }

    /// The hunks as the text of a `diff` block, at most sixty lines.
    pub fn patch(&self) -> String {
        const NOTE_AT: usize = 44;
        let mut lines = Vec::new();
        let all: usize = self.hunks.iter().map(|hunk| hunk.lines.len() + 1).sum();
        for hunk in &self.hunks {
            lines.push(match &hunk.note {
                Some(note) => format!(" {:NOTE_AT$} {note}", hunk.path),
                None => format!(" {}", hunk.path),
            });
            lines.extend(hunk.lines.iter().cloned());
        }
        if all > MOST_LINES {
            lines.truncate(MOST_LINES - 1);
            lines.push(format!(" … {} more lines", all - (MOST_LINES - 1)));
        }
        lines.join("\n")
    }

    /// The edit that the first hunk is about.
    pub fn nearest(&self) -> Option<String> {
        let near = self.hunks.first().map(|hunk| hunk.path.as_str());
        let edit = self.edits.iter().find(|edit| Some(edit.path()) == near);
        edit.or(self.edits.first()).map(Edit::say)
    }
}

impl Edit {
    pub fn path(&self) -> &str {
        match self {
            Self::Removed { path, .. }
            | Self::Added { path, .. }
            | Self::Renamed { path, .. }
            | Self::Moved { path, .. }
            | Self::RoleChanged { path, .. }
            | Self::LevelChanged { path, .. }
            | Self::Switched { path, .. } => path,
        }
    }

    /// In words, without the full stop.
    pub fn say(&self) -> String {
        let place = whereabouts(self.path());
        match self {
            Self::Removed { what, .. } => format!("{what} is gone from {place}"),
            Self::Added { what, .. } => format!("{what} is new in {place}"),
            Self::Renamed {
                role,
                from: Some(from),
                to: Some(to),
                ..
            } => format!("{role} {from} in {place} is called {to} now"),
            Self::Renamed {
                role,
                from: Some(from),
                ..
            } => format!("{role} {from} in {place} has no name any more"),
            Self::Renamed {
                role, to: Some(to), ..
            } => format!("a {role} in {place} is called {to} now"),
            Self::Renamed { role, .. } => format!("a {role} in {place} has another name"),
            Self::Moved { what, to, .. } => {
                format!("{what} moved from {place} to {}", whereabouts(to))
            }
            Self::RoleChanged { from, to, .. } => format!("{from} in {place} became {to}"),
            Self::LevelChanged { from, to, .. } => {
                format!("a heading in {place} went from level {from} to {to}")
            }
            Self::Switched {
                what,
                disabled: true,
                ..
            } => format!("{what} in {place} is disabled now"),
            Self::Switched { what, .. } => format!("{what} in {place} is enabled now"),
        }
    }
}

/// A path in words: what holds for the item that stands for many holds for every one.
fn whereabouts(path: &str) -> String {
    let (above, last) = path
        .rsplit_once(" > ")
        .map_or(("", path), |(above, last)| (above, last));
    let every = match last {
        "listitem" => "every item",
        "row" => "every row",
        "article" => "every article",
        "option" => "every option",
        _ => {
            return if path == "page" {
                "the page".to_owned()
            } else {
                path.to_owned()
            };
        }
    };
    if above.is_empty() {
        every.to_owned()
    } else {
        format!("{every} of {above}")
    }
}

/// How many texts stand in only one of the two, a changed one counted once.
fn texts_changed(before: &str, after: &str) -> usize {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for text in snapshot::texts(before) {
        *counts.entry(text).or_default() -= 1;
    }
    for text in snapshot::texts(after) {
        *counts.entry(text).or_default() += 1;
    }
    let gone: i64 = counts
        .values()
        .filter(|count| **count < 0)
        .map(|count| -count)
        .sum();
    let new: i64 = counts.values().filter(|count| **count > 0).sum();
    usize::try_from(gone.max(new)).unwrap_or(0)
}
