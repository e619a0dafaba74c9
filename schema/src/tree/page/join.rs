//! From what Chromium says to one tree: its accessibility tree, with tag and attributes from the document. What has no
//! role and no block of its own is dissolved into its parent here, and a frame's tree stands below its element.

use std::collections::HashMap;

use super::{Kind, Node, Page};
use crate::tree::ax::{AxTree, Property, Told};
use crate::tree::capture::{Capture, Invisible};
use crate::tree::dom::{Attribute, Document, Element};
use crate::tree::role::Role;
use crate::tree::words::{self, Marks};
use crate::tree::{Mask, implied, text};

/// Levels of roles that are kept. Chromium's own parser stops at 512 elements; what is deeper was built to be deep.
const DEEPEST: u16 = 160;

/// One node that waits to be visited.
struct Waiting {
    frame: usize,
    at: u32,
    parent: u32,
    /// The element of the parent in the accessibility tree, where the way up through the document ends.
    below: Option<u32>,
}

pub(super) struct Join<'a, 'm> {
    dom: &'a Document,
    frames: Vec<(Option<&'a str>, &'a AxTree)>,
    seen: Vec<Vec<bool>>,
    marks: Vec<Option<Marks>>,
    closed: Vec<Option<bool>>,
    mask: Mask<'m>,
    /// Texts that a style sheet shows in other letters, by what both have in common.
    restyled: HashMap<String, String>,
    nodes: Vec<Node<'a>>,
}

impl<'a, 'm> Join<'a, 'm> {
    /// Lays the trees beside one another.
    pub(super) fn of(capture: &'a Capture, mask: Mask<'m>) -> Self {
        let dom = &capture.dom;
        let mut frames = vec![(None, &capture.ax)];
        frames.extend(
            capture
                .frames
                .iter()
                .map(|frame| (Some(frame.frame_id.as_str()), &frame.ax)),
        );
        Self {
            seen: frames.iter().map(|(_, ax)| vec![false; ax.len()]).collect(),
            marks: vec![None; dom.len()],
            closed: vec![None; dom.len()],
            nodes: vec![Node::new(Kind::Block, 0, 0)],
            dom,
            frames,
            mask,
            restyled: HashMap::new(),
        }
    }

    /// `told` is what only the caller can know.
    pub(super) fn page(mut self, told: Invisible) -> Page<'a> {
        self.walk();
        self.right_the_case();
        self.lone_headers();
        super::seams::find(&mut self.nodes, &self.restyled);
        let found = self.dom.invisible;
        Page {
            nodes: self.nodes,
            invisible: Invisible {
                canvases: found.canvases.saturating_add(told.canvases),
                closed_shadow_roots: found
                    .closed_shadow_roots
                    .saturating_add(told.closed_shadow_roots),
                foreign_frames: found.foreign_frames.saturating_add(told.foreign_frames),
            },
        }
    }

    fn walk(&mut self) {
        let mut waiting: Vec<Waiting> = Vec::new();
        waiting.extend(self.frames[0].1.root().map(|at| Waiting {
            frame: 0,
            at,
            parent: 0,
            below: None,
        }));
        while let Some(next) = waiting.pop() {
            let Waiting {
                frame,
                at,
                parent,
                below,
            } = next;
            if std::mem::replace(&mut self.seen[frame][at as usize], true) {
                continue;
            }
            let element = self.frames[frame]
                .1
                .get(at)
                .backend
                .and_then(|id| self.dom.find(id));
            let Some((inside, children)) = self.visit(frame, at, parent, element, below) else {
                continue;
            };
            let below = element.or(below);
            if let Children::Frame(id) = children {
                let inner = self.frames.iter().position(|(frame, _)| *frame == Some(id));
                waiting.extend(inner.and_then(|frame| {
                    let at = self.frames[frame].1.root()?;
                    Some(Waiting {
                        frame,
                        at,
                        parent: inside,
                        below: None,
                    })
                }));
                continue;
            }
            let children = self.frames[frame].1.children(at).rev();
            waiting.extend(children.map(|at| Waiting {
                frame,
                at,
                parent: inside,
                below,
            }));
        }
    }

    /// Adds the node, if it is one, and says under which node its children go; `None` when they go nowhere.
    fn visit(
        &mut self,
        frame: usize,
        at: u32,
        parent: u32,
        element: Option<u32>,
        below: Option<u32>,
    ) -> Option<(u32, Children<'a>)> {
        let marks = self.marks_on_the_way(element, below);
        let secret = element.or(below).is_some_and(|at| self.is_closed(at));
        let source = element;
        let ax = self.frames[frame].1.get(at);
        let element = element.map(|at| self.dom.get(at));
        let kind = match ax.role {
            "InlineTextBox" | "ListMarker" | "Video" | "Audio" => return None,
            "LineBreak" | "StaticText" if secret => return None,
            "LineBreak" => {
                self.text(parent, " ".to_owned());
                return None;
            }
            "StaticText" if source.is_none() && is_ornament(ax.name) => return None,
            "StaticText" => {
                let text = self.static_text(frame, at, source)?;
                self.text(parent, text);
                return None;
            }
            // What a picture of a page cannot show: it stands in for one that a script draws.
            "Canvas" => return None,
            _ => {
                let laid_out = source.is_some_and(|at| self.dom.is_laid_out(at));
                implied::kind(&ax, element.as_ref(), laid_out)
            }
        };
        let challenge = kind == Some(Kind::Role(Role::Iframe))
            && (element.as_ref().is_some_and(is_challenge) || words::is_challenge(ax.name));
        let kind = match kind {
            _ if secret && !challenge => return Some((parent, Children::Here)),
            None if marks.any() => Kind::Block,
            None => return Some((parent, Children::Here)),
            Some(kind) => kind,
        };
        let depth = self.nodes[parent as usize].depth + u16::from(matches!(kind, Kind::Role(_)));
        if depth > DEEPEST {
            return None;
        }
        let mut node = Node::new(kind, parent, depth);
        node.tag = element.as_ref().map_or("", |element| element.tag);
        node.marks = marks;
        node.challenge = challenge;
        node.unseen = secret;
        node.backend = ax.backend;
        if let Kind::Role(role) = kind {
            node.fill(role, &ax, element.as_ref(), self.mask);
        }
        node.live = ax
            .property(Property::Live)
            .is_some_and(|live| matches!(live, Told::Yes | Told::Mixed | Told::Word));
        let children = match kind {
            Kind::Role(Role::Iframe) => element
                .and_then(|element| element.frame)
                .map(Children::Frame),
            // What somebody typed is in there.
            Kind::Role(Role::Textbox | Role::Searchbox | Role::SpinButton | Role::Slider) => None,
            // A browser's own parts, and signs that mean something to somebody who reads them.
            Kind::Role(role) if role == Role::Math || node.tag == "input" => None,
            _ => Some(Children::Here),
        };
        let at = self.push(node);
        children.map(|children| (at, children))
    }

    /// The marks of an element and of those above it that the accessibility tree left out.
    fn marks_on_the_way(&mut self, element: Option<u32>, below: Option<u32>) -> Marks {
        let mut marks = Marks::default();
        let path = match (element, below) {
            (Some(element), Some(below)) if element != below => self.dom.between(element, below),
            (element, _) => element.into_iter().collect(),
        };
        for at in path {
            marks.add(self.marks_of(at));
        }
        marks
    }

    /// Whether an element stands in a closed shadow root, where no script can reach it.
    fn is_closed(&mut self, at: u32) -> bool {
        let mut path = Vec::new();
        let mut next = Some(at);
        let closed = loop {
            let Some(at) = next else { break false };
            if let Some(known) = self.closed[at as usize] {
                break known;
            }
            // What a circle leads back to is not known yet, and cannot be closed by it.
            self.closed[at as usize] = Some(false);
            path.push(at);
            let element = self.dom.get(at);
            if element.closed_root {
                break true;
            }
            next = element.parent;
        };
        for at in path {
            self.closed[at as usize] = Some(closed);
        }
        closed
    }

    fn push(&mut self, node: Node<'a>) -> u32 {
        let at = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes[node.parent as usize].children.push(at);
        self.nodes.push(node);
        at
    }

    fn text(&mut self, parent: u32, text: String) {
        let depth = self.nodes[parent as usize].depth;
        let mut node = Node::new(Kind::Text, parent, depth);
        node.name = text;
        self.push(node);
    }

    /// A run of text, in the letters of the document: the tree has those of the style sheet.
    fn static_text(&mut self, frame: usize, at: u32, source: Option<u32>) -> Option<String> {
        let ax = self.frames[frame].1.get(at);
        // What somebody typed is no part of the page.
        if ax.ignored || ax.property(Property::Editable).is_some() {
            return None;
        }
        let source = source.and_then(|at| self.dom.get(at).text);
        let source = source.filter(|source| *source != ax.name);
        let Some(source) = source
            .filter(|source| source.len() < 4 * ax.name.len() + 64 && text::alike(source, ax.name))
        else {
            return Some((self.mask)(ax.name).into_owned());
        };
        let written = (self.mask)(source).into_owned();
        let plain = text::tidy(&written);
        if plain != text::tidy(ax.name) {
            self.restyled.insert(text::letters(&plain), plain);
        }
        Some(written)
    }

    fn marks_of(&mut self, at: u32) -> Marks {
        if let Some(marks) = self.marks[at as usize] {
            return marks;
        }
        let element = self.dom.get(at);
        let mut marks = Marks::default();
        // The page itself is no overlay, whatever state its classes speak of.
        if !matches!(element.tag, "" | "html" | "body" | "main") {
            for name in [Attribute::Id, Attribute::Class, Attribute::AriaLabel] {
                if let Some(value) = element.attribute(name) {
                    marks.read(value);
                }
            }
            if element.tag.contains('-') {
                marks.read(element.tag);
            }
        }
        self.marks[at as usize] = Some(marks);
        marks
    }

    /// The only cell of a table is no header of anything, though it is a `th`.
    fn lone_headers(&mut self) {
        for at in 1..self.nodes.len() {
            let node = &self.nodes[at];
            let parent = |node: &Node<'_>| node.parent as usize;
            let header = node.is(Role::ColumnHeader) || node.is(Role::RowHeader);
            let row = &self.nodes[parent(node)];
            if !header || node.tag != "th" || !row.is(Role::Row) || row.children.len() > 1 {
                continue;
            }
            let mut table = &self.nodes[parent(row)];
            if table.is(Role::RowGroup) {
                table = &self.nodes[parent(table)];
            }
            let child = |at: &u32| &self.nodes[*at as usize];
            let rows = table
                .children
                .iter()
                .map(child)
                .map(|part| match part.kind {
                    Kind::Role(Role::Row) => 1,
                    Kind::Role(Role::RowGroup) => part.children.len(),
                    _ => 0,
                });
            let says = |name| {
                let element = node.backend.and_then(|id| self.dom.find(id));
                element.is_some_and(|at| self.dom.get(at).says(name))
            };
            if rows.sum::<usize>() == 1 && !says(Attribute::Scope) && !says(Attribute::Role) {
                self.nodes[at].kind = Kind::Block;
            }
        }
    }

    /// A style sheet that writes capitals changes names, too: of what it changed, the letters of the document count.
    fn right_the_case(&mut self) {
        if self.restyled.is_empty() {
            return;
        }
        for node in &mut self.nodes {
            if node.kind != Kind::Text
                && let Some(written) = self.restyled.get(&text::letters(&node.name))
            {
                node.name.clone_from(written);
            }
        }
    }
}

enum Children<'a> {
    Here,
    /// Those of the document in this frame.
    Frame(&'a str),
}

/// What the browser itself sets before an item of a list, or around a quotation.
fn is_ornament(text: &str) -> bool {
    matches!(
        text.trim(),
        "•" | "◦" | "▪" | "▸" | "▾" | "“" | "”" | "‘" | "’" | "«" | "»"
    )
}

fn is_challenge(element: &Element<'_>) -> bool {
    use Attribute::{Class, Id, Name, Src, Title};
    [Src, Title, Name, Id, Class]
        .into_iter()
        .filter_map(|name| element.attribute(name))
        .any(words::is_challenge)
}
