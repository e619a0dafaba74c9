//! N11 to N13: what is on the page and no part of its shape. Advertising, consent layers, notices that come and go, and
//! frames that are no challenge.

use super::page::{Kind, Node, Page};
use super::record::Overlay;
use super::role::Role;
use super::words;

/// More nodes than any consent layer that is told by its words alone.
const LARGE: u32 = 150;

pub(super) struct Pruned {
    /// For each node of the page, whether it and all below stays out of the shape.
    pub(super) out: Vec<bool>,
    pub(super) overlays: Vec<Overlay>,
    /// The browser's numbers of the overlays' elements.
    pub(super) layers: Vec<i64>,
}

/// What a node has below it, itself included.
#[derive(Debug, Clone, Copy, Default)]
struct Below {
    nodes: u32,
    /// The page's own landmarks: no overlay holds them.
    frame: bool,
    entry: bool,
    action: bool,
    link: bool,
    structure: bool,
    speaks_of_consent: bool,
    answers_consent: bool,
}

impl Below {
    fn of(node: &Node<'_>) -> Self {
        let mut below = Self {
            nodes: 1,
            ..Self::default()
        };
        if node.kind == Kind::Text || node.role().is_some_and(Role::is_dialog) {
            below.speaks_of_consent = words::speaks_of_consent(&node.name);
        }
        let Some(role) = node.role() else {
            return below;
        };
        below.frame = matches!(
            role,
            Role::Main | Role::Banner | Role::ContentInfo | Role::Navigation | Role::Search
        );
        below.entry = role.is_entry();
        below.action = role == Role::Button;
        below.link = role == Role::Link;
        below.structure = role.is_control()
            || role.is_table()
            || matches!(role, Role::Heading | Role::List | Role::Link);
        below.answers_consent =
            matches!(role, Role::Button | Role::Link) && words::answers_consent(&node.name);
        below
    }

    fn add(&mut self, other: Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.frame |= other.frame;
        self.entry |= other.entry;
        self.action |= other.action;
        self.link |= other.link;
        self.structure |= other.structure;
        self.speaks_of_consent |= other.speaks_of_consent;
        self.answers_consent |= other.answers_consent;
    }
}

pub(super) fn prune(page: &Page<'_>) -> Pruned {
    let nodes = &page.nodes;
    let mut below: Vec<Below> = nodes.iter().map(Below::of).collect();
    for at in (1..nodes.len()).rev() {
        let found = below[at];
        below[nodes[at].parent as usize].add(found);
    }
    let mut pruned = Pruned {
        out: vec![false; nodes.len()],
        overlays: Vec::new(),
        layers: Vec::new(),
    };
    // A form's own consent box is a field like the others.
    let mut in_form = vec![false; nodes.len()];
    for (at, node) in nodes.iter().enumerate().skip(1) {
        let parent = node.parent as usize;
        in_form[at] = in_form[parent] || node.tag == "form" && below[at].entry;
        let frame = node.is(Role::Iframe) && !node.challenge;
        if pruned.out[parent] || frame || is_ad(node, below[at]) || is_passing(node, below[at]) {
            pruned.out[at] = true;
        } else if !in_form[at] && is_consent(page, &below, at) {
            pruned.out[at] = true;
            pruned.overlays.push(Overlay::consent(node));
            pruned.layers.extend(node.backend);
        }
    }
    for (at, node) in nodes.iter().enumerate().skip(1) {
        if node.kind == Kind::Text
            && !pruned.out[at]
            && words::names_an_ad(node.name.trim())
            && let Some(ad) = labelled_ad(page, &below, at)
        {
            pruned.take_out(page, ad);
        }
        // A frame's own document is in the snapshot alone.
        if node.is(Role::Iframe) {
            for child in &node.children {
                pruned.out[*child as usize] = true;
            }
        }
        if pruned.out[node.parent as usize] {
            pruned.out[at] = true;
        }
    }
    pruned
}

impl Pruned {
    fn take_out(&mut self, page: &Page<'_>, at: usize) {
        self.out[at] = true;
        let mut waiting: Vec<u32> = page.nodes[at].children.clone();
        while let Some(next) = waiting.pop() {
            self.out[next as usize] = true;
            waiting.extend(&page.nodes[next as usize].children);
        }
    }
}

fn is_ad(node: &Node<'_>, below: Below) -> bool {
    let named = node.kind != Kind::Text
        && !node.role().is_some_and(Role::is_control)
        && words::names_an_ad(&node.name);
    (node.marks.ad || named) && !below.frame && !node.is(Role::Cell)
}

fn is_passing(node: &Node<'_>, below: Below) -> bool {
    if node.role().is_some_and(Role::is_passing) {
        return true;
    }
    let notice = node.marks.passing && !below.frame && !below.entry;
    // Announced prose. A list of results may be announced too, and is the page.
    notice || (node.live && !below.structure && !node.is(Role::Alert))
}

fn is_consent(page: &Page<'_>, below: &[Below], at: usize) -> bool {
    let node = &page.nodes[at];
    let inside = below[at];
    if inside.frame || inside.entry || node.kind == Kind::Text {
        return false;
    }
    let Some(role) = node.role() else {
        return (node.marks.consent && (inside.action || inside.link && inside.nodes < LARGE))
            || asks(page, below, at);
    };
    match role {
        Role::ListItem | Role::Article | Role::Row | Role::Option | Role::Heading | Role::Cell => {
            false
        }
        Role::Dialog | Role::AlertDialog => {
            node.marks.consent
                || inside.speaks_of_consent && inside.answers_consent
                || words::speaks_of_consent(&node.name)
        }
        Role::Button | Role::Link => node.marks.consent,
        Role::Region
        | Role::Complementary
        | Role::Form
        | Role::Group
        | Role::Note
        | Role::Alert => {
            (node.marks.consent && (inside.action || inside.link)) || asks(page, below, at)
        }
        _ => false,
    }
}

/// Without a mark in its markup: the smallest part of the page that speaks of cookies and has the button that ends it.
fn asks(page: &Page<'_>, below: &[Below], at: usize) -> bool {
    let both = |below: &Below| below.speaks_of_consent && below.answers_consent;
    let inside = &below[at];
    both(inside)
        && inside.nodes <= LARGE
        && at != 0
        && !page.nodes[at]
            .children
            .iter()
            .any(|child| both(&below[*child as usize]))
}

/// What a line of text that says "Sponsored" stands in: the item of a list, or the nearest group that is no more.
fn labelled_ad(page: &Page<'_>, below: &[Below], text: usize) -> Option<usize> {
    const FAR: usize = 8;
    const SMALL: u32 = 60;
    let fits = |at: usize| !below[at].frame && !below[at].entry && below[at].nodes <= SMALL;
    let mut at = page.nodes[text].parent as usize;
    let mut group = None;
    for _ in 0..FAR {
        if at == 0 || !fits(at) {
            break;
        }
        let node = &page.nodes[at];
        match node.role() {
            Some(
                Role::ListItem
                | Role::Article
                | Role::Row
                | Role::Figure
                | Role::Group
                | Role::Region,
            ) => return Some(at),
            Some(role) if role.is_control() || role.is_cell() || role == Role::Heading => {
                return None;
            }
            _ if group.is_none() && node.kind == Kind::Block && below[at].nodes > 2 => {
                group = Some(at);
            }
            _ => {}
        }
        at = node.parent as usize;
    }
    group
}
