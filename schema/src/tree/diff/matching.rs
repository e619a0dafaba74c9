//! Which part of the one shape is which part of the other. Siblings are matched where their parents are: first those with
//! the same line, then those of the same role, in order; what is left over may have moved elsewhere as a whole.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::tree::outline::Item;

/// Siblings that are compared each with each; more than this are matched from both ends only.
const MOST: usize = 600;

/// A shape with ids, the root being 0 and no part itself.
pub(super) struct Tree<'s> {
    pub(super) nodes: Vec<Node<'s>>,
}

pub(super) struct Node<'s> {
    /// None for the root.
    pub(super) item: Option<&'s Item>,
    pub(super) parent: usize,
    pub(super) children: Vec<usize>,
    pub(super) depth: usize,
    hash: u64,
    pub(super) size: usize,
    pub(super) partner: Option<usize>,
    /// The partner stands below another parent.
    pub(super) moved: bool,
}

impl<'s> Tree<'s> {
    pub(super) fn of(items: &'s [Item]) -> Self {
        let mut tree = Self { nodes: Vec::new() };
        tree.push(None, items, 0, 0);
        tree
    }

    fn push(
        &mut self,
        item: Option<&'s Item>,
        children: &'s [Item],
        parent: usize,
        depth: usize,
    ) -> usize {
        let at = self.nodes.len();
        self.nodes.push(Node {
            item,
            parent,
            children: Vec::new(),
            depth,
            hash: 0,
            size: 1,
            partner: None,
            moved: false,
        });
        let mut hash = DefaultHasher::new();
        item.map(Item::head).hash(&mut hash);
        for child in children {
            let child = self.push(Some(child), &child.children, at, depth + 1);
            self.nodes[child].hash.hash(&mut hash);
            self.nodes[at].size += self.nodes[child].size;
            self.nodes[at].children.push(child);
        }
        self.nodes[at].hash = hash.finish();
        at
    }

    pub(super) fn role(&self, at: usize) -> &str {
        self.nodes[at].item.map_or("", |item| item.role.as_ref())
    }

    /// The way down to a part, the part included: `main > list`. The page itself is `page`.
    pub(super) fn path(&self, at: usize) -> String {
        let mut way: Vec<String> = Vec::new();
        let mut next = at;
        while let Some(item) = self.nodes[next].item {
            way.push(item.head());
            next = self.nodes[next].parent;
        }
        way.reverse();
        if way.is_empty() {
            "page".to_owned()
        } else {
            way.join(" > ")
        }
    }

    /// Steps between two parts, up and down.
    pub(super) fn distance(&self, mut one: usize, mut other: usize) -> usize {
        let mut steps = 0;
        while one != other {
            if self.nodes[one].depth >= self.nodes[other].depth {
                one = self.nodes[one].parent;
            } else {
                other = self.nodes[other].parent;
            }
            steps += 1;
        }
        steps
    }
}

pub(super) fn pair(before: &mut Tree<'_>, after: &mut Tree<'_>) {
    link(before, after, 0, 0);
    let mut waiting = vec![(0, 0)];
    while let Some((one, other)) = waiting.pop() {
        let (left, right) = (
            before.nodes[one].children.clone(),
            after.nodes[other].children.clone(),
        );
        for (a, b) in siblings(before, after, &left, &right) {
            link(before, after, a, b);
            waiting.push((a, b));
        }
    }
    moved(before, after);
}

fn link(before: &mut Tree<'_>, after: &mut Tree<'_>, a: usize, b: usize) {
    before.nodes[a].partner = Some(b);
    after.nodes[b].partner = Some(a);
}

fn siblings(
    before: &Tree<'_>,
    after: &Tree<'_>,
    left: &[usize],
    right: &[usize],
) -> Vec<(usize, usize)> {
    type Same = fn(&Tree<'_>, usize, &Tree<'_>, usize) -> bool;
    const LEVELS: [Same; 4] = [
        |before, a, after, b| before.nodes[a].hash == after.nodes[b].hash,
        |before, a, after, b| {
            before.nodes[a].item.map(Item::head) == after.nodes[b].item.map(Item::head)
        },
        |before, a, after, b| {
            let name = |item: &Item| (item.role.clone(), item.label.clone());
            before.nodes[a].item.map(name) == after.nodes[b].item.map(name)
        },
        |before, a, after, b| before.role(a) == after.role(b),
    ];
    let mut gaps = vec![(left.to_vec(), right.to_vec())];
    let mut pairs = Vec::new();
    for same in LEVELS {
        let mut rest = Vec::new();
        for (left, right) in gaps {
            let found = common(&left, &right, |a, b| same(before, a, after, b));
            let (mut from, mut to) = (0, 0);
            for (a, b) in &found {
                rest.push((left[from..*a].to_vec(), right[to..*b].to_vec()));
                pairs.push((left[*a], right[*b]));
                (from, to) = (a + 1, b + 1);
            }
            rest.push((left[from..].to_vec(), right[to..].to_vec()));
        }
        gaps = rest;
    }
    // One part in the place of one other: the same thing in another role.
    for (left, right) in gaps {
        if let ([a], [b]) = (&left[..], &right[..])
            && replaces(before.role(*a), after.role(*b))
        {
            pairs.push((*a, *b));
        }
    }
    pairs
}

fn replaces(before: &str, after: &str) -> bool {
    const ACTS: [&str; 6] = ["button", "link", "menuitem", "tab", "switch", "checkbox"];
    const FIELDS: [&str; 7] = [
        "textbox",
        "searchbox",
        "combobox",
        "spinbutton",
        "listbox",
        "slider",
        "radiogroup",
    ];
    const MANY: [&str; 7] = ["list", "table", "grid", "treegrid", "tree", "feed", "menu"];
    [&ACTS[..], &FIELDS[..], &MANY[..]]
        .iter()
        .any(|kind| kind.contains(&before) && kind.contains(&after))
}

/// The longest common subsequence, as places in both.
fn common(
    left: &[usize],
    right: &[usize],
    same: impl Fn(usize, usize) -> bool,
) -> Vec<(usize, usize)> {
    let most = left.len().min(right.len());
    let head = (0..most)
        .take_while(|at| same(left[*at], right[*at]))
        .count();
    let tail = (1..=most - head)
        .take_while(|back| same(left[left.len() - back], right[right.len() - back]))
        .count();
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|at| (at, at)).collect();
    let (rows, columns) = (left.len() - head - tail, right.len() - head - tail);
    if rows > 0 && columns > 0 && rows <= MOST && columns <= MOST {
        // lengths[i][j]: of the longest common part of what begins at i and at j.
        let mut lengths = vec![vec![0u32; columns + 1]; rows + 1];
        let alike: Vec<Vec<bool>> = (0..rows)
            .map(|i| {
                (0..columns)
                    .map(|j| same(left[head + i], right[head + j]))
                    .collect()
            })
            .collect();
        for i in (0..rows).rev() {
            for j in (0..columns).rev() {
                lengths[i][j] = if alike[i][j] {
                    lengths[i + 1][j + 1] + 1
                } else {
                    lengths[i + 1][j].max(lengths[i][j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < rows && j < columns {
            if alike[i][j] {
                pairs.push((head + i, head + j));
                (i, j) = (i + 1, j + 1);
            } else if lengths[i + 1][j] >= lengths[i][j + 1] {
                i += 1;
            } else {
                j += 1;
            }
        }
    }
    pairs.extend(
        (1..=tail)
            .rev()
            .map(|back| (left.len() - back, right.len() - back)),
    );
    pairs
}

/// What is gone here and new there, and says enough to be the same thing.
fn moved(before: &mut Tree<'_>, after: &mut Tree<'_>) {
    let mut gone: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, node) in before.nodes.iter().enumerate().rev() {
        let telling = node.size > 1 || node.item.is_some_and(|item| item.label.is_some());
        if node.partner.is_none() && telling {
            gone.entry(node.hash).or_default().push(at);
        }
    }
    // Parents first, so that a part moves as a whole.
    for b in 0..after.nodes.len() {
        if after.nodes[b].partner.is_some() {
            continue;
        }
        let Some(candidates) = gone.get_mut(&after.nodes[b].hash) else {
            continue;
        };
        candidates.retain(|a| before.nodes[*a].partner.is_none());
        let Some(a) = candidates.pop() else { continue };
        whole(before, after, a, b);
    }
}

fn whole(before: &mut Tree<'_>, after: &mut Tree<'_>, a: usize, b: usize) {
    before.nodes[a].moved = true;
    after.nodes[b].moved = true;
    let mut waiting = vec![(a, b)];
    while let Some((a, b)) = waiting.pop() {
        link(before, after, a, b);
        let children = before.nodes[a]
            .children
            .iter()
            .zip(&after.nodes[b].children);
        waiting.extend(children.map(|(a, b)| (*a, *b)));
    }
}
