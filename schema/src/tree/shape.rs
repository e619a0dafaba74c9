//! From the page to its shape: rules N2 to N10 and N14 to N16, one pass from the leaves up. `repeat` has N7 and N8.
//!
//! While the shape is built, elements without a role stay in it as groups (their siblings are what a repetition is
//! looked for among), and prose stays as slots. Both are gone when it is finished.

mod part;
mod repeat;

use std::borrow::Cow;

use super::label::Label;
use super::outline::{Item, TEXT};
use super::page::{Kind, Node, Page};
use super::role::Role;
use super::text;
use part::{Form, Part, phrases};

/// Groups that hold groups, before the inner ones are dissolved whatever they hold.
const DEEPEST_GROUP: u16 = 100;

/// A page's shape, not yet in words.
pub(super) struct Shape<'a>(Vec<Part<'a>>);

impl<'a> Shape<'a> {
    pub(super) fn of(page: &Page<'a>, out: &[bool]) -> Self {
        let mut built: Vec<Vec<Part<'a>>> = Vec::new();
        built.resize_with(page.nodes.len(), Vec::new);
        for at in (0..page.nodes.len()).rev() {
            if out[at] {
                continue;
            }
            let node = &page.nodes[at];
            let mut children = Vec::new();
            for child in &node.children {
                children.append(&mut built[*child as usize]);
            }
            built[at] = if at == 0 {
                without_groups(tidy(children))
            } else {
                build(page, node, children)
            };
        }
        Self(built.swap_remove(0))
    }

    pub(super) fn outline(&self) -> Vec<Item> {
        finish(&self.0, false, true)
    }

    /// The same without labels.
    pub(super) fn skeleton(&self) -> Vec<Item> {
        finish(&self.0, false, false)
    }
}

fn build<'a>(page: &Page<'a>, node: &Node<'a>, children: Vec<Part<'a>>) -> Vec<Part<'a>> {
    match node.kind {
        Kind::Text if repeats_a_name(page, node) => Vec::new(),
        // A dot or a dash between two texts is no text.
        Kind::Text if node.name.chars().any(char::is_alphanumeric) => vec![Part::new(Form::Text)],
        Kind::Text => Vec::new(),
        Kind::Block => group(node, children),
        Kind::Role(role) if role.is_prose() => prose(role, children),
        Kind::Role(role) => part(node, role, children),
    }
}

/// Playwright leaves out the only text in a part that is called the same.
fn repeats_a_name(page: &Page<'_>, node: &Node<'_>) -> bool {
    let parent = &page.nodes[node.parent as usize];
    parent.role().is_some_and(Role::is_item)
        && parent.children.len() == 1
        && !parent.name.is_empty()
        && parent.name == text::tidy(&node.name)
}

/// Dissolved where it groups nothing: a wrapper of one part, or of prose.
fn group<'a>(node: &Node<'a>, children: Vec<Part<'a>>) -> Vec<Part<'a>> {
    let children = tidy(children);
    let depth = children.iter().map(|child| child.depth).max().unwrap_or(0) + 1;
    if children.len() < 2 || children.iter().all(Part::is_slot) || depth > DEEPEST_GROUP {
        return children;
    }
    let mut group = Part::new(Form::Group);
    group.tag = node.tag;
    group.depth = depth;
    group.phrases = phrases(&children);
    group.children = children;
    if group.is_card() {
        group.show_as_item();
    }
    vec![group]
}

/// N4. Prose with a control in it is a part like any other, since nothing is lifted over a level that is printed.
fn prose<'a>(role: Role, children: Vec<Part<'a>>) -> Vec<Part<'a>> {
    if children.iter().any(Part::has_control) {
        let mut part = Part::new(Form::Role(role));
        part.phrases = phrases(&children);
        part.children = without_groups(tidy(children));
        part.children.retain(|child| !child.is_slot());
        return vec![part];
    }
    if children.is_empty() {
        return Vec::new();
    }
    match role {
        Role::Paragraph => vec![Part::new(Form::Role(role))],
        role if role.is_mark() => vec![Part::new(Form::Mark(role))],
        _ => Vec::new(),
    }
}

fn part<'a>(node: &Node<'a>, role: Role, children: Vec<Part<'a>>) -> Vec<Part<'a>> {
    let mut part = Part::new(Form::Role(role));
    part.tag = node.tag;
    match role {
        Role::Heading | Role::Link => {
            part.level = if role == Role::Heading { node.level } else { 0 };
            part.phrases.extend(Label::of(&node.name));
            if children.iter().any(Part::is_structure) {
                part.phrases.extend(phrases(&children));
                part.children = without_groups(tidy(children));
            }
            return vec![part];
        }
        Role::Img => {
            part.phrases.extend(Label::of(&node.name));
            return if node.name.is_empty() {
                Vec::new()
            } else {
                vec![part]
            };
        }
        // Presence is what counts; a place that is kept for one has none.
        Role::Alert if children.is_empty() => return Vec::new(),
        _ => {}
    }
    // A group of options has no name in Playwright.
    if role.has_label() && node.tag != "optgroup" {
        part.label = Label::of(node.seamed.as_deref().unwrap_or(&node.name));
    }
    part.disabled = node.states.disabled && role.is_control();
    if role.is_cell() {
        part.phrases.extend(Label::of(&node.name));
    }
    part.phrases.extend(phrases(&children));
    if !role.is_leaf() {
        part.children = without_groups(tidy(children));
    }
    match role {
        // Playwright prints no groups of options here.
        Role::Combobox => part
            .children
            .retain(|child| matches!(child.form, Form::Role(Role::Option | Role::Listbox))),
        Role::MenuItem => part
            .children
            .retain(|child| matches!(child.form, Form::Role(Role::Menu | Role::Group))),
        role if role.is_cell() || matches!(role, Role::Row | Role::RowGroup) => {
            part.children.retain(|child| !child.is_slot());
        }
        role if role.is_table() => {
            part.children.retain(|child| !child.is_slot());
            part.forget_row_names();
        }
        _ => {}
    }
    if role.goes_when_empty() && part.children.iter().all(Part::is_slot) {
        return Vec::new();
    }
    part.forget_heading();
    if role.is_item() || role == Role::Row {
        let own = std::mem::take(&mut part.phrases);
        part.open_labels(&own);
        part.phrases = own;
    }
    vec![part]
}

/// Siblings with one slot of each kind, repetitions as one, and each thing once.
fn tidy(children: Vec<Part<'_>>) -> Vec<Part<'_>> {
    once(repeat::represent_siblings(one_slot_each(children)))
}

fn one_slot_each(mut children: Vec<Part<'_>>) -> Vec<Part<'_>> {
    let slot = |part: &Part<'_>| match part.form {
        Form::Text => Some(0),
        Form::Mark(_) => Some(1),
        Form::Role(Role::Paragraph) if part.is_slot() => Some(2),
        Form::Role(Role::Img) => Some(3),
        _ => None,
    };
    let (mut stands, mut shown) = ([false; 4], [false; 4]);
    for (slot, child) in children
        .iter()
        .filter_map(|child| Some((slot(child)?, child)))
    {
        stands[slot] = true;
        shown[slot] |= child.shown;
    }
    let text = stands[0];
    let mut seen = [false; 4];
    children.retain_mut(|child| match slot(child) {
        None => true,
        Some(1) if text => false,
        Some(slot) => {
            child.shown = shown[slot];
            !std::mem::replace(&mut seen[slot], true)
        }
    });
    children
}

/// N16. What frames the page stands as often as it is there, and so do cells: their number is the shape.
fn once(mut children: Vec<Part<'_>>) -> Vec<Part<'_>> {
    let mut seen = std::collections::HashSet::new();
    children.retain(|child| counts(child.role()) || seen.insert(child.fingerprint()));
    children
}

fn counts(role: Option<Role>) -> bool {
    role.is_some_and(|role| {
        role.is_cell() || role.is_landmark() || role.is_dialog() || role.is_table()
    })
}

/// Groups give way to what they hold.
fn without_groups(children: Vec<Part<'_>>) -> Vec<Part<'_>> {
    if !children.iter().any(|child| child.form == Form::Group) {
        return children;
    }
    let mut flat = Vec::new();
    for child in children {
        if child.form == Form::Group {
            flat.extend(without_groups(child.children));
        } else {
            flat.push(child);
        }
    }
    once(one_slot_each(flat))
}

fn finish(parts: &[Part<'_>], in_item: bool, labels: bool) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for part in parts {
        let (role, label) = match part.form {
            Form::Text if in_item || part.shown => (Cow::Borrowed(TEXT), Some(r"/\S/".to_owned())),
            Form::Mark(role) if in_item || part.shown => (Cow::Borrowed(role.word()), None),
            Form::Role(Role::Img) if !(in_item || part.shown) => continue,
            Form::Role(role) => {
                let label = part.label.as_ref().filter(|_| labels);
                (Cow::Borrowed(role.word()), label.map(Label::print))
            }
            _ => continue,
        };
        let inside = match part.role() {
            Some(role) if role.is_item() => true,
            Some(Role::Link | Role::Heading | Role::List | Role::Group) => in_item,
            _ => false,
        };
        let item = Item {
            role,
            label,
            level: part.level,
            disabled: part.disabled,
            children: finish(&part.children, inside, labels),
        };
        let once = !counts(part.role());
        if !once || seen.insert(item.clone()) {
            items.push(item);
        }
    }
    items
}
