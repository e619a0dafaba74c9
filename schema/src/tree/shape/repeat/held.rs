//! What stands for all items is found in one of them. Each level is voted on by itself, so that two parts which most
//! items have may never stand in the same one; a shape with both would be that of no page.

use crate::tree::label::Label;
use crate::tree::shape::part::{Form, Part};

/// `voted`, without what none of the items has together with the rest.
pub(super) fn as_far_as_held<'a>(voted: Part<'a>, items: &[(Part<'a>, usize)]) -> Part<'a> {
    if items.len() < 2 || items.iter().any(|(item, _)| holds(item, &voted)) {
        return voted;
    }
    let cuts = items.iter().map(|(item, _)| cut(&voted, item));
    // The largest; of those as large any, but the same one whatever the items' order.
    let largest = cuts.max_by(|one, other| {
        let (one, other) = (lines(one), lines(other));
        one.len().cmp(&other.len()).then_with(|| one.cmp(&other))
    });
    largest.unwrap_or(voted)
}

fn holds(item: &Part<'_>, voted: &Part<'_>) -> bool {
    if !same_kind(item, voted)
        || voted.disabled && !item.disabled
        || voted.label.is_some() && voted.label != item.label
    {
        return false;
    }
    let mut children = item.children.iter();
    let mut found = |child| children.any(|other| holds(other, child));
    voted.children.iter().all(&mut found)
}

fn same_kind(one: &Part<'_>, other: &Part<'_>) -> bool {
    one.form == other.form && one.level == other.level
}

fn cut<'a>(voted: &Part<'a>, item: &Part<'a>) -> Part<'a> {
    let mut rest = item.children.as_slice();
    let mut children = Vec::new();
    for child in &voted.children {
        let whole = rest.iter().position(|other| holds(other, child));
        let Some(at) = whole.or_else(|| rest.iter().position(|other| same_kind(other, child)))
        else {
            continue;
        };
        children.push(cut(child, &rest[at]));
        rest = &rest[at + 1..];
    }
    Part {
        label: voted
            .label
            .clone()
            .filter(|label| item.label.as_ref() == Some(label)),
        disabled: voted.disabled && item.disabled,
        phrases: voted.phrases.clone(),
        children,
        ..*voted
    }
}

/// A part as a list that can be put in order: its depth, what it is, what it says.
fn lines<'p>(part: &'p Part<'_>) -> Vec<(usize, Form, u8, Option<&'p Label>, bool)> {
    fn gather<'p>(
        part: &'p Part<'_>,
        depth: usize,
        into: &mut Vec<(usize, Form, u8, Option<&'p Label>, bool)>,
    ) {
        let label = part.label.as_ref();
        into.push((depth, part.form, part.level, label, part.disabled));
        for child in &part.children {
            gather(child, depth + 1, into);
        }
    }
    let mut lines = Vec::new();
    gather(part, 0, &mut lines);
    lines
}
