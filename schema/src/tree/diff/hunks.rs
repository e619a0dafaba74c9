//! Hunks: the edits as lines, by the part of the page they are in, the nearest to the failing element first.

use std::collections::BTreeMap;

use super::matching::Tree;
use super::script::Step;
use super::{Edit, Hunk, Target};

/// Lines of a moved part that are shown on either side.
const OF_A_MOVE: usize = 3;

pub(super) fn hunks(
    before: &Tree<'_>,
    after: &Tree<'_>,
    steps: &[Step],
    target: Option<&Target>,
) -> Vec<Hunk> {
    let aim = target.and_then(|target| find(before, target));
    let mut places: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for step in steps {
        let place = match step.edit {
            Edit::Moved { .. } => before.nodes[step.near].parent,
            _ => step.near,
        };
        let lines = places.entry(place).or_default();
        match &step.edit {
            Edit::Removed { .. } => whole(before, step.before, '-', usize::MAX, lines),
            Edit::Added { .. } => whole(after, step.after, '+', usize::MAX, lines),
            Edit::Moved { to, .. } => {
                whole(before, step.before, '-', OF_A_MOVE, lines);
                lines.push(format!("+  (now in {to})"));
            }
            Edit::RoleChanged { .. }
            | Edit::Renamed { .. }
            | Edit::LevelChanged { .. }
            | Edit::Switched { .. } => {
                let old = step
                    .before
                    .and_then(|at| before.nodes[at].item)
                    .map(|item| format!("-  {}", item.line()));
                let new = step
                    .after
                    .and_then(|at| after.nodes[at].item)
                    .map(|item| format!("+  {}", item.line()));
                // A part that changed in two ways is shown once.
                if !old.as_ref().is_some_and(|old| lines.contains(old)) {
                    lines.extend(old.into_iter().chain(new));
                }
            }
        }
    }
    let mut hunks: Vec<(usize, Hunk)> = places
        .into_iter()
        .map(|(place, lines)| {
            let distance = aim.map_or(0, |aim| before.distance(place, aim));
            let reads = aim.is_some_and(|aim| place == aim || before.nodes[aim].parent == place);
            let note = target.filter(|_| reads).map(|target| target.note.clone());
            let path = before.path(place);
            (distance, Hunk { path, note, lines })
        })
        .collect();
    // A stable sort: as near, as on the page.
    hunks.sort_by_key(|(distance, _)| *distance);
    hunks.into_iter().map(|(_, hunk)| hunk).collect()
}

fn whole(tree: &Tree<'_>, at: Option<usize>, sign: char, most: usize, into: &mut Vec<String>) {
    let Some(item) = at.and_then(|at| tree.nodes[at].item) else {
        return;
    };
    let mut lines = Vec::new();
    item.lines(0, &mut lines);
    let more = lines.len().saturating_sub(most);
    into.extend(
        lines
            .iter()
            .take(most)
            .map(|line| format!("{sign}  {line}")),
    );
    if more > 0 {
        into.push(format!("{sign}    … {more} more"));
    }
}

/// The element of the failing step: its role, and a label that says its name.
fn find(tree: &Tree<'_>, target: &Target) -> Option<usize> {
    let named = |at: &usize| {
        let label = tree.nodes[*at].item.and_then(|item| item.label.as_deref());
        match (&target.name, label) {
            (None, _) => true,
            (Some(name), Some(label)) => label
                .trim_matches(['"', '/'])
                .eq_ignore_ascii_case(name.trim()),
            (Some(_), None) => false,
        }
    };
    let of_role = |at: &usize| tree.role(*at) == target.role;
    let all = 1..tree.nodes.len();
    all.clone()
        .find(|at| of_role(at) && named(at))
        .or_else(|| all.clone().find(of_role))
}
