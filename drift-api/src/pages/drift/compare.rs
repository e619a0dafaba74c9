//! What changed between the tree of the last good run and the one that tripped. Trees are named by their contents, so
//! what was compared once need not be compared again.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use drift_schema::{Code, Digest, Workspace};
use similar::{ChangeTag, TextDiff};

use crate::http::State;
use crate::http::error::ApiError;

/// Lines that stay around a change.
const CONTEXT: usize = 2;
/// Lines that the page shows.
const MOST_LINES: usize = 160;
/// Of a line.
const MOST_CHARS: usize = 400;
/// Trees that have little in common could take for ever; what was found by then is still a diff, only a longer one.
const PATIENCE: Duration = Duration::from_millis(500);
/// Comparisons that are remembered.
const REMEMBERED: usize = 64;

/// Lines in groups.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) gone: i64,
    pub(super) new: i64,
    pub(super) groups: Vec<Vec<Line>>,
    /// Lines that had no room.
    pub(super) more: usize,
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

impl Compared {
    pub(super) fn is_empty(&self) -> bool {
        self.gone + self.new == 0
    }

    fn between(before: &str, after: &str) -> Self {
        let diff = TextDiff::configure()
            .timeout(PATIENCE)
            .diff_lines(before, after);
        let mut compared = Self::default();
        let mut shown = 0;
        for group in diff.grouped_ops(CONTEXT) {
            let mut lines = Vec::new();
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let tag = match change.tag() {
                    ChangeTag::Delete => Change::Gone,
                    ChangeTag::Insert => Change::New,
                    ChangeTag::Equal => Change::Same,
                };
                compared.gone += i64::from(tag == Change::Gone);
                compared.new += i64::from(tag == Change::New);
                shown += 1;
                if shown > MOST_LINES {
                    compared.more += 1;
                    continue;
                }
                lines.push(Line {
                    change: tag,
                    text: cut(change.value().trim_end_matches(['\n', '\r'])),
                });
            }
            if !lines.is_empty() {
                compared.groups.push(lines);
            }
        }
        compared
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MOST_CHARS) {
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
    // Half a second at worst: not on a thread that serves others.
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
    fn a_change_stands_between_the_lines_around_it() {
        let after = BEFORE.replace("button \"Create account\"", "button \"Continue\"");
        let compared = Compared::between(BEFORE, &after);
        assert_eq!((compared.gone, compared.new, compared.more), (1, 1, 0));
        let lines: Vec<String> = compared.groups[0]
            .iter()
            .map(|line| format!("{}{}", line.change.sign(), line.text))
            .collect();
        assert_eq!(
            lines,
            [
                "   - heading \"Sign up\"",
                "   - textbox \"Email\"",
                "\u{2212}  - button \"Create account\"",
                "+  - button \"Continue\"",
                "   - link \"Help\"",
            ]
        );
    }

    #[test]
    fn another_page_altogether_is_cut_and_says_so() {
        let page = |name: &str| {
            (0..5_000)
                .map(|n| format!("- button \"{name} {n}\"\n"))
                .collect::<String>()
        };
        let compared = Compared::between(&page("a"), &page("b"));
        let shown: usize = compared.groups.iter().map(Vec::len).sum();
        assert_eq!((shown, shown + compared.more), (MOST_LINES, 10_000));
        assert!(Compared::between(BEFORE, BEFORE).is_empty());
        let long = "x".repeat(2 * MOST_CHARS);
        let line = &Compared::between("", &long).groups[0][0];
        assert_eq!(line.text.chars().count(), MOST_CHARS + 1);
    }
}
