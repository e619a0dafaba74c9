//! What changed between the tree of the last good run and the one that tripped, as the issue tells it, too
//! (`drift_schema::tree`). Trees are named by their contents, so what was compared once need not be compared again.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use drift_schema::tree::Difference;
use drift_schema::{Code, Digest, Workspace};

use crate::http::State;
use crate::http::error::ApiError;

/// Lines that the page shows.
const MOST_LINES: usize = 160;
/// Of a line.
const MOST_CHARS: usize = 400;
/// Comparisons that are remembered.
const REMEMBERED: usize = 64;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// The change nearest to what failed, in words.
    pub(super) sentence: String,
    /// The others in words, a few lines.
    pub(super) others: Vec<String>,
    pub(super) hunks: Vec<Hunk>,
    /// Lines that had no room.
    pub(super) more: usize,
    /// Names and texts that are other ones now, which are in no hunk.
    pub(super) texts: i64,
    is_empty: bool,
}

/// What changed in one part of the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) path: String,
    pub(super) note: Option<String>,
    pub(super) lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) change: Change,
    pub(super) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Gone,
    New,
    Same,
}

impl Change {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::New => "new",
            Self::Same => "same",
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Gone => "\u{2212}",
            Self::New => "+",
            Self::Same => " ",
        }
    }
}

impl Line {
    fn read(line: &str) -> Self {
        let (change, text) = match (line.strip_prefix('-'), line.strip_prefix('+')) {
            (Some(gone), _) => (Change::Gone, gone),
            (_, Some(new)) => (Change::New, new),
            _ => (Change::Same, line.strip_prefix(' ').unwrap_or(line)),
        };
        Self {
            change,
            text: cut(text, MOST_CHARS),
        }
    }
}

impl Compared {
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    fn between(before: &str, after: &str) -> Self {
        let difference = Difference::of_trees(before, after, None);
        let (mut room, mut more) = (MOST_LINES, 0);
        let mut hunks = Vec::new();
        for hunk in &difference.hunks {
            let shown = hunk.lines.len().min(room);
            room -= shown;
            more += hunk.lines.len() - shown;
            if shown > 0 {
                hunks.push(Hunk {
                    path: hunk.path.clone(),
                    note: hunk.note.clone(),
                    lines: hunk.lines[..shown]
                        .iter()
                        .map(|it| Line::read(it))
                        .collect(),
                });
            }
        }
        let named = |sign| {
            let lines = difference.hunks.iter().flat_map(|hunk| &hunk.lines);
            lines
                .filter(|line| line.starts_with(sign) && line.contains('"'))
                .count()
        };
        let told = named('+').max(named('-'));
        Self {
            sentence: difference.sentence(),
            others: difference.other_changes(),
            hunks,
            more,
            texts: i64::try_from(difference.texts_changed.saturating_sub(told)).unwrap_or(i64::MAX),
            is_empty: difference.is_empty() && difference.texts_changed == 0,
        }
    }
}

pub(super) fn cut(line: &str, most: usize) -> String {
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}\u{2026}", &line[..end]),
        None => line.to_owned(),
    }
}

type Remembered = VecDeque<((Digest, Digest), Arc<Compared>)>;
static COMPARED: LazyLock<Mutex<Remembered>> = LazyLock::new(Mutex::default);

/// None: one of them is not kept.
pub(super) async fn trees(
    state: &State,
    workspace: &Workspace,
    good: &Digest,
    bad: &Digest,
) -> Result<Option<Arc<Compared>>, ApiError> {
    let both = (good.clone(), bad.clone());
    // Asked also for what is remembered: another workspace may not have it.
    for name in [good, bad] {
        let kept = state.store.artifact(workspace, name);
        if state.read(kept).await?.is_none() {
            return Ok(None);
        }
    }
    if let Some(known) = recall(&both) {
        return Ok(Some(known));
    }
    let before = state.find_artifact(workspace, good).await?;
    let after = state.find_artifact(workspace, bad).await?;
    let (Some((_, before)), Some((_, after))) = (before, after) else {
        return Ok(None);
    };
    // Large pages take a while: not on a thread that serves others.
    let comparing = tokio::task::spawn_blocking(move || {
        Compared::between(
            &String::from_utf8_lossy(&before),
            &String::from_utf8_lossy(&after),
        )
    });
    let compared = Arc::new(comparing.await.map_err(|_| Code::Internal)?);
    let mut remembered = COMPARED.lock().unwrap_or_else(PoisonError::into_inner);
    remembered.push_front((both, Arc::clone(&compared)));
    remembered.truncate(REMEMBERED);
    Ok(Some(compared))
}

fn recall(both: &(Digest, Digest)) -> Option<Arc<Compared>> {
    let remembered = COMPARED.lock().unwrap_or_else(PoisonError::into_inner);
    let found = remembered.iter().find(|(names, _)| names == both);
    found.map(|(_, compared)| Arc::clone(compared))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "- main:\n  - heading \"Sign up\"\n  - textbox \"Email\"\n  - button \"Create account\"\n  - link \"Help\"\n";

    #[test]
    fn a_change_is_told_in_words_and_in_lines() {
        let after = BEFORE.replace("button \"Create account\"", "button \"Continue\"");
        let compared = Compared::between(BEFORE, &after);
        assert!(!compared.is_empty());
        assert!(compared.sentence.contains("Continue"), "{compared:?}");
        let lines = compared.hunks.iter().flat_map(|hunk| &hunk.lines);
        let changes: Vec<_> = lines.map(|line| line.change).collect();
        assert!(changes.contains(&Change::Gone) && changes.contains(&Change::New));
    }

    #[test]
    fn another_page_altogether_is_cut_and_says_so() {
        let page = |name: &str| {
            (0..500)
                .map(|n| format!("- region \"{name} {n}\":\n  - button \"{name}\"\n"))
                .collect::<String>()
        };
        let compared = Compared::between(&page("a"), &page("b"));
        let shown: usize = compared.hunks.iter().map(|hunk| hunk.lines.len()).sum();
        assert!(shown <= MOST_LINES);
        assert!(Compared::between(BEFORE, BEFORE).is_empty());
        let long = format!("-{}", "x".repeat(2 * MOST_CHARS));
        assert_eq!(Line::read(&long).text.chars().count(), MOST_CHARS + 1);
    }
}
