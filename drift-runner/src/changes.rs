//! What changed between the tree of the last good run and the one that tripped. A tree is whatever text a scraper tells, line by
//! line; a scraper in another language has another form than ours.

use std::collections::HashSet;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// Lines of the diff that an issue shows.
const MOST_LINES: usize = 60;
/// Of what is named in words.
const MOST_NAMED: usize = 8;
/// Trees that have little in common could take for ever; what was found by then is still a diff, only a longer one.
const PATIENCE: Duration = Duration::from_secs(2);

/// For people: the issue shows it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    pub summary: String,
    pub lines: Vec<String>,
    /// Hunks as of a diff.
    pub diff: String,
}

/// None: nothing differs.
pub fn between(before: &str, after: &str) -> Option<Changes> {
    let diff = TextDiff::configure()
        .timeout(PATIENCE)
        .diff_lines(before, after);
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for change in diff.iter_all_changes() {
        let line = change.value().trim().to_owned();
        match change.tag() {
            ChangeTag::Delete => gone.push(line),
            ChangeTag::Insert => new.push(line),
            ChangeTag::Equal => {}
        }
    }
    // A part that only moved is named once, not as gone and as new.
    let arrived: HashSet<String> = new.iter().cloned().collect();
    let moved: HashSet<String> = gone
        .iter()
        .filter(|line| arrived.contains(*line))
        .cloned()
        .collect();
    gone.retain(|line| !moved.contains(line));
    new.retain(|line| !moved.contains(line));
    if gone.is_empty() && new.is_empty() && moved.is_empty() {
        return None;
    }
    let counted = |number: usize, what: &str| match number {
        0 => None,
        1 => Some(format!("1 line {what}")),
        number => Some(format!("{number} lines {what}")),
    };
    let summary = [
        counted(gone.len(), "gone"),
        counted(new.len(), "new"),
        counted(moved.len(), "moved"),
    ];
    let mut lines: Vec<String> = gone.iter().map(|line| format!("gone: {line}")).collect();
    lines.extend(new.iter().map(|line| format!("new: {line}")));
    let more = lines.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        lines.truncate(MOST_NAMED - 1);
        lines.push(format!("and {} more", more + 1));
    }
    Some(Changes {
        summary: summary.into_iter().flatten().collect::<Vec<_>>().join(", "),
        lines,
        diff: shortened(&diff.unified_diff().context_radius(2).to_string()),
    })
}

fn shortened(diff: &str) -> String {
    let lines: Vec<&str> = diff.lines().collect();
    if lines.len() <= MOST_LINES {
        return lines.join("\n");
    }
    let more = lines.len() - (MOST_LINES - 1);
    format!(
        "{}\n… {more} more lines",
        lines[..MOST_LINES - 1].join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "- main:\n  - heading \"Sign up\"\n  - textbox \"Email\"\n  - button \"Create account\"\n  - link \"Help\"\n";

    #[test]
    fn what_is_gone_and_what_is_new_is_named() {
        let after = BEFORE.replace("button \"Create account\"", "button \"Continue\"");
        let changes = between(BEFORE, &after).unwrap();
        assert_eq!(changes.summary, "1 line gone, 1 line new");
        assert_eq!(
            changes.lines,
            [
                "gone: - button \"Create account\"",
                "new: - button \"Continue\""
            ]
        );
        assert!(
            changes
                .diff
                .contains("\n-  - button \"Create account\"\n+  - button \"Continue\"\n"),
            "{}",
            changes.diff
        );
    }

    #[test]
    fn the_same_tree_has_no_changes() {
        assert_eq!(between(BEFORE, BEFORE), None);
        assert_eq!(between("", ""), None);
    }

    #[test]
    fn a_part_that_moved_is_neither_gone_nor_new() {
        let after = "- main:\n  - button \"Create account\"\n  - heading \"Sign up\"\n  - textbox \"Email\"\n  - link \"Help\"\n";
        assert_eq!(between(BEFORE, after).unwrap().summary, "1 line moved");
    }

    #[test]
    fn another_page_altogether_stays_short_and_quick() {
        let page = |name: &str| {
            (0..20_000)
                .map(|n| format!("- button \"{name} {n}\"\n"))
                .collect::<String>()
        };
        let changes = between(&page("a"), &page("b")).unwrap();
        assert_eq!(changes.lines.len(), MOST_NAMED);
        assert_eq!(changes.diff.lines().count(), MOST_LINES);
    }
}
