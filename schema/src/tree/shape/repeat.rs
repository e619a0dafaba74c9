//! N7 and N8: what repeats is shown once. Which siblings are a repetition, and the one part that stands for them all:
//! what most of them hold, however many they are and whatever one of them has besides.

mod held;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Form, Part};
use crate::tree::label::Label;
use crate::tree::role::Role;

/// Controls of one role side by side are no longer told apart from here on.
const MANY_CONTROLS: usize = 6;
/// Lists in which more items than this have fields of their own names are tables to be edited, not forms.
const MOST_FORMS: usize = 12;
/// Kinds of parallel groups that are looked for among one tag's siblings.
const MOST_KINDS: usize = 8;

/// What makes siblings one repetition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Kin {
    role: Role,
    /// A row with column headers, a link that is opened, a link that is not.
    apart: bool,
    /// The names of the fields inside: an item that is part of a form stands for itself.
    fields: Vec<Label>,
}

pub(super) fn represent_siblings(children: Vec<Part<'_>>) -> Vec<Part<'_>> {
    if children.len() < 2 {
        return children;
    }
    let mut classes: Vec<Option<usize>> = vec![None; children.len()];
    let mut count = 0;
    for class in by_role(&children).into_iter().chain(parallel(&children)) {
        for at in class {
            classes[at] = Some(count);
        }
        count += 1;
    }
    if count == 0 {
        return children;
    }
    let mut members: Vec<Vec<Part<'_>>> = Vec::new();
    members.resize_with(count, Vec::new);
    // Each representative stands where the first of its kind stood.
    let mut places: Vec<Result<Part<'_>, usize>> = Vec::new();
    for (child, class) in children.into_iter().zip(classes) {
        match class {
            None => places.push(Ok(child)),
            Some(class) => {
                if members[class].is_empty() {
                    places.push(Err(class));
                }
                members[class].push(child);
            }
        }
    }
    let mut represented = Vec::with_capacity(places.len());
    for place in places {
        match place {
            Ok(part) => represented.push(part),
            Err(class) => {
                represented.extend(stand_in(std::mem::take(&mut members[class])));
            }
        }
    }
    represented
}

/// Items by their role, and controls that are many.
fn by_role(children: &[Part<'_>]) -> Vec<Vec<usize>> {
    let mut kin: BTreeMap<Kin, Vec<usize>> = BTreeMap::new();
    let mut groups = Vec::new();
    for (at, child) in children.iter().enumerate() {
        let Some(role) = child.role() else { continue };
        if matches!(role, Role::Group | Role::Figure) {
            groups.push(at);
        } else if repeats(role) || role.repeats_by_six() {
            let apart = match role {
                Role::Row | Role::RowGroup => child.any(&mut |part| part.is(Role::ColumnHeader)),
                Role::Link => !child.children.is_empty(),
                _ => false,
            };
            let fields = if repeats(role) {
                fields(child)
            } else {
                Vec::new()
            };
            kin.entry(Kin {
                role,
                apart,
                fields,
            })
            .or_default()
            .push(at);
        }
    }
    let mut classes = Vec::new();
    let mut forms: BTreeMap<Role, Vec<Vec<usize>>> = BTreeMap::new();
    for (kin, members) in kin {
        if kin.role.repeats_by_six() {
            if members.len() >= MANY_CONTROLS {
                classes.push(members);
            }
        } else if kin.fields.is_empty() {
            classes.push(members);
        } else {
            forms.entry(kin.role).or_default().push(members);
        }
    }
    for (_, found) in forms {
        if found.len() > MOST_FORMS {
            classes.push(found.concat());
        } else {
            classes.extend(found);
        }
    }
    classes.extend(alike(children, &groups));
    classes
}

fn repeats(role: Role) -> bool {
    matches!(
        role,
        Role::ListItem
            | Role::Row
            | Role::Option
            | Role::Article
            | Role::TreeItem
            | Role::Link
            | Role::RowGroup
    )
}

/// The names of the fields in a part, in order of the alphabet.
fn fields(part: &Part<'_>) -> Vec<Label> {
    fn gather(part: &Part<'_>, into: &mut BTreeSet<Label>) {
        if part.role().is_some_and(Role::is_entry) {
            into.extend(part.label.clone());
        }
        part.children.iter().for_each(|child| gather(child, into));
    }
    let mut found = BTreeSet::new();
    gather(part, &mut found);
    found.into_iter().collect()
}

/// Groups without a role that are built alike, tag by tag.
fn parallel(children: &[Part<'_>]) -> Vec<Vec<usize>> {
    let mut tags: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, child) in children.iter().enumerate() {
        if child.form == Form::Group {
            tags.entry(child.tag).or_default().push(at);
        }
    }
    tags.values()
        .flat_map(|members| alike(children, members))
        .collect()
}

/// A child as far as it tells what its parent is: role, level, label.
type Holding = (Form, u8, Option<Label>);

/// Those that share at least half of what they hold with the commonest of them. Two at least.
fn alike(children: &[Part<'_>], among: &[usize]) -> Vec<Vec<usize>> {
    let mut waiting: Vec<(usize, BTreeSet<Holding>, Vec<Label>)> = among
        .iter()
        .map(|at| (*at, holdings(&children[*at]), fields(&children[*at])))
        .collect();
    let mut classes = Vec::new();
    for _ in 0..MOST_KINDS {
        let mut kinds: HashMap<(&BTreeSet<Holding>, &[Label]), usize> = HashMap::new();
        for (_, holdings, fields) in &waiting {
            *kinds.entry((holdings, fields)).or_default() += 1;
        }
        // Of kinds that are as common, the larger; then any, but the same one each time.
        let commonest = kinds.into_iter().max_by(|(a, count), (b, other)| {
            (count, a.0.len())
                .cmp(&(other, b.0.len()))
                .then_with(|| b.cmp(a))
        });
        let Some(((holdings, fields), _)) = commonest else {
            break;
        };
        let (holdings, fields) = (holdings.clone(), fields.to_vec());
        let (kin, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, other, others)| {
            let shared = holdings.intersection(other).count();
            let all = holdings.len() + other.len() - shared;
            *others == fields && shared * 2 >= all
        });
        waiting = rest;
        if kin.len() >= 2 {
            classes.push(kin.into_iter().map(|(at, ..)| at).collect());
        }
    }
    classes
}

/// What a part holds, as a set: roles with their labels, or its slots when it holds nothing else.
fn holdings(part: &Part<'_>) -> BTreeSet<Holding> {
    fn gather(part: &Part<'_>, slots: bool, into: &mut BTreeSet<Holding>) {
        for child in &part.children {
            match child.form {
                Form::Group => gather(child, slots, into),
                _ if child.is_slot() != slots => {}
                _ => drop(into.insert((child.form, child.level, child.label.clone()))),
            }
        }
    }
    let mut found = BTreeSet::new();
    gather(part, false, &mut found);
    if found.is_empty() {
        gather(part, true, &mut found);
    }
    found
}

/// A child's place in the vote. A label is part of it where enough items share the label; a cell's column always is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    form: Form,
    level: u8,
    label: Option<Label>,
    column: usize,
}

/// The part that stands for all of these, and is found in one of them; `None` for none.
fn stand_in(parts: Vec<Part<'_>>) -> Option<Part<'_>> {
    let items = distinct(parts.into_iter().map(|part| (part, 1)).collect());
    let voted = represent(items.clone())?;
    Some(held::as_far_as_held(voted, &items))
}

/// Equal ones as one, with their number.
fn distinct(parts: Vec<(Part<'_>, usize)>) -> Vec<(Part<'_>, usize)> {
    let mut distinct: Vec<(Part<'_>, usize)> = Vec::new();
    let mut known: HashMap<u64, usize> = HashMap::new();
    for (mut part, weight) in parts {
        if part.form == Form::Group {
            part.children = super::without_groups(part.children);
            // What several groups have in common is an item, and its text has a slot.
            part.children
                .iter_mut()
                .filter(|child| child.is_slot())
                .for_each(|child| child.shown = true);
        }
        match known.entry(part.fingerprint()) {
            std::collections::hash_map::Entry::Occupied(at) => distinct[*at.get()].1 += weight,
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(distinct.len());
                distinct.push((part, weight));
            }
        }
    }
    distinct
}

/// What most of these hold, each with how many there are of it.
fn represent(parts: Vec<(Part<'_>, usize)>) -> Option<Part<'_>> {
    let mut distinct = distinct(parts);
    if distinct.len() < 2 {
        return distinct.pop().map(|(part, _)| part);
    }
    let all: usize = distinct.iter().map(|(_, weight)| weight).sum();
    let enough = |weight: usize| weight * 2 >= all;
    // Two items with a name each agree on none, however often both stand there.
    let most = |weight: usize| weight * 2 > all;

    let mut head = Part::new(distinct[0].0.form);
    head.tag = distinct[0].0.tag;
    head.level = distinct[0].0.level;
    head.label = commonest(
        distinct
            .iter()
            .filter_map(|(part, weight)| Some((part.label.clone()?, *weight))),
    )
    .and_then(|(label, weight)| most(weight).then_some(label));
    let disabled: usize = distinct
        .iter()
        .filter(|(part, _)| part.disabled)
        .map(|(_, weight)| weight)
        .sum();
    head.disabled = most(disabled);
    head.shown = distinct.iter().any(|(part, _)| part.shown);
    head.phrases = distinct[0].0.phrases.clone();

    let mut labels: BTreeMap<Key, usize> = BTreeMap::new();
    for (part, weight) in &distinct {
        let named: BTreeSet<Key> = part
            .children
            .iter()
            .enumerate()
            .map(|(at, child)| key(at, child, true))
            .collect();
        for key in named.into_iter().filter(|key| key.label.is_some()) {
            *labels.entry(key).or_default() += weight;
        }
    }
    let keys_of = |part: &Part<'_>| -> Vec<Key> {
        let keys = part.children.iter().enumerate().map(|(at, child)| {
            let named = key(at, child, true);
            match labels.get(&named) {
                Some(weight) if most(*weight) => named,
                _ => key(at, child, false),
            }
        });
        keys.collect()
    };
    let keys: Vec<Vec<Key>> = distinct.iter().map(|(part, _)| keys_of(part)).collect();
    let mut votes: BTreeMap<&Key, usize> = BTreeMap::new();
    for (keys, (_, weight)) in keys.iter().zip(&distinct) {
        for key in keys.iter().collect::<BTreeSet<_>>() {
            *votes.entry(key).or_default() += weight;
        }
    }
    let remainders = keys.iter().zip(&distinct).map(|(keys, (_, weight))| {
        let mut seen = BTreeSet::new();
        let kept = keys
            .iter()
            .filter(|key| enough(votes[key]) && seen.insert(*key));
        (kept.cloned().collect::<Vec<Key>>(), *weight)
    });
    let (order, _) = commonest_of(remainders, |one, other| {
        one.len().cmp(&other.len()).then_with(|| other.cmp(one))
    })?;

    let mut voters: BTreeMap<Key, Vec<(Part<'_>, usize)>> = BTreeMap::new();
    for (keys, (part, weight)) in keys.into_iter().zip(distinct) {
        for (key, child) in keys.into_iter().zip(part.children) {
            voters.entry(key).or_default().push((child, weight));
        }
    }
    head.children = order
        .into_iter()
        .filter_map(|key| represent(voters.remove(&key)?))
        .collect();
    Some(head)
}

fn key(at: usize, child: &Part<'_>, named: bool) -> Key {
    let cell = child.role().is_some_and(Role::is_cell);
    Key {
        form: child.form,
        level: child.level,
        label: child.label.clone().filter(|_| named && !cell),
        column: if cell { at + 1 } else { 0 },
    }
}

fn commonest<T: Ord>(votes: impl Iterator<Item = (T, usize)>) -> Option<(T, usize)> {
    commonest_of(votes, |one, other| other.cmp(one))
}

/// The one with the most votes; of those with as many, the greatest by `order`.
fn commonest_of<T: Ord>(
    votes: impl Iterator<Item = (T, usize)>,
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> Option<(T, usize)> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for (vote, weight) in votes {
        *counts.entry(vote).or_default() += weight;
    }
    counts
        .into_iter()
        .max_by(|(one, count), (other, others)| count.cmp(others).then_with(|| order(one, other)))
}
