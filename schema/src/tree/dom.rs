//! The document behind the accessibility tree: tag, attributes and parent of each node, by `backendNodeId`.

use std::collections::HashMap;
use std::ops::Range;

use serde::de::{Deserialize, DeserializeSeed as _, Deserializer, MapAccess, SeqAccess};

use super::capture::Invisible;
use super::capture::listen::{Key, Listen, Number, Span, Text, To, pass_over};

/// The answer of `DOM.getFlattenedDocument` or `DOM.getDocument`, with what the rules ask for.
#[derive(Debug, Clone, Default)]
pub struct Document {
    texts: String,
    nodes: Vec<Stored>,
    attributes: Vec<(Attribute, Span)>,
    by_backend: HashMap<i64, u32>,
    pub(super) invisible: Invisible,
}

#[derive(Debug, Clone, Default)]
struct Stored {
    id: Option<i64>,
    backend: Option<i64>,
    kind: Option<i64>,
    tag: Option<Span>,
    text: Option<Span>,
    frame: Option<Span>,
    attributes: Range<usize>,
    parent: Option<u32>,
    closed_root: bool,
}

/// An element, a text, a document or a shadow root.
#[derive(Debug)]
pub(super) struct Element<'a> {
    /// In lower case for HTML; empty for what is no element.
    pub(super) tag: &'a str,
    /// Of a text.
    pub(super) text: Option<&'a str>,
    pub(super) parent: Option<u32>,
    pub(super) closed_root: bool,
    pub(super) frame: Option<&'a str>,
    attributes: &'a [(Attribute, Span)],
    texts: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    AriaHidden,
    AriaInvalid,
    AriaLabel,
    AriaLabelledby,
    AriaLevel,
    Class,
    Href,
    Id,
    Inert,
    Name,
    Placeholder,
    Role,
    Scope,
    Src,
    Title,
    Type,
}

impl Attribute {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "aria-hidden" => Self::AriaHidden,
            "aria-invalid" => Self::AriaInvalid,
            "aria-label" => Self::AriaLabel,
            "aria-labelledby" => Self::AriaLabelledby,
            "aria-level" => Self::AriaLevel,
            "class" => Self::Class,
            "href" => Self::Href,
            "id" => Self::Id,
            "inert" => Self::Inert,
            "name" => Self::Name,
            "placeholder" => Self::Placeholder,
            "role" => Self::Role,
            "scope" => Self::Scope,
            "src" => Self::Src,
            "title" => Self::Title,
            "type" => Self::Type,
            _ => return None,
        })
    }
}

impl<'a> Element<'a> {
    pub(super) fn attribute(&self, name: Attribute) -> Option<&'a str> {
        let found = self.attributes.iter().find(|(one, _)| *one == name)?;
        Some(found.1.of(self.texts))
    }

    pub(super) fn says(&self, name: Attribute) -> bool {
        self.attributes.iter().any(|(one, _)| *one == name)
    }
}

impl Document {
    /// Whether something on the page may keep something else from being perceived. The tree itself does not always say so.
    pub(super) fn may_hide(&self) -> bool {
        self.attributes
            .iter()
            .any(|(name, _)| matches!(name, Attribute::Inert | Attribute::AriaHidden))
            || (0..self.len()).any(|at| self.tag(at) == "dialog")
    }

    fn tag(&self, at: usize) -> &str {
        self.nodes[at].tag.map_or("", |tag| tag.of(&self.texts))
    }

    pub(super) fn find(&self, backend: i64) -> Option<u32> {
        self.by_backend.get(&backend).copied()
    }

    pub(super) fn get(&self, at: u32) -> Element<'_> {
        let node = &self.nodes[at as usize];
        let text = |span: Option<Span>| span.map(|span| span.of(&self.texts));
        Element {
            tag: self.tag(at as usize),
            text: text(node.text),
            parent: node.parent,
            closed_root: node.closed_root,
            frame: text(node.frame),
            attributes: &self.attributes[node.attributes.clone()],
            texts: &self.texts,
        }
    }

    fn parent(&self, at: u32) -> Option<u32> {
        self.nodes[at as usize].parent
    }

    /// Whether it is a part of a table or a list that only lays something out, and says so.
    pub(super) fn is_laid_out(&self, at: u32) -> bool {
        let says_none = |element: Element<'_>| {
            let role = element.attribute(Attribute::Role).map(str::trim);
            matches!(role, Some("presentation" | "none"))
        };
        if let Element {
            tag: "li",
            parent: Some(list),
            ..
        } = self.get(at)
        {
            let list = self.get(list);
            return matches!(list.tag, "ul" | "ol") && says_none(list);
        }
        let mut next = Some(at);
        // A cell, its row, the group of rows, the table.
        for _ in 0..4 {
            let Some(element) = next.map(|at| self.get(at)) else {
                return false;
            };
            match element.tag {
                "table" => return says_none(element),
                "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" => next = element.parent,
                _ => return false,
            }
        }
        false
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What stands between a node and one further up, the node first. Nothing when `above` is not further up: the
    /// page may have moved the node there (`aria-owns`).
    pub(super) fn between(&self, at: u32, above: u32) -> Vec<u32> {
        const FAR: usize = 600;
        let mut path = vec![at];
        while let Some(parent) = path.last().and_then(|last| self.parent(*last)) {
            if parent == above {
                return path;
            }
            if path.len() == FAR {
                break;
            }
            path.push(parent);
        }
        vec![at]
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut document = Reading::default();
        To(&mut document).deserialize(deserializer)?;
        Ok(document.done())
    }
}

/// The answer: an object with a list of nodes, or with the root of all.
#[derive(Default)]
struct Reading {
    document: Document,
    /// What a node says of its parent.
    parent_ids: Vec<(u32, i64)>,
}

impl Reading {
    fn done(self) -> Document {
        let Self {
            mut document,
            parent_ids,
        } = self;
        let mut by_id = HashMap::with_capacity(document.nodes.len());
        for (at, node) in (0..).zip(&document.nodes) {
            if let Some(id) = node.id {
                by_id.entry(id).or_insert(at);
            }
            if let Some(backend) = node.backend {
                document.by_backend.entry(backend).or_insert(at);
            }
        }
        for (at, id) in parent_ids {
            document.nodes[at as usize].parent =
                by_id.get(&id).copied().filter(|parent| *parent != at);
        }
        document
    }

    /// One node, with all that nests in it.
    fn node(&mut self, parent: Option<u32>) -> Option<OneNode<'_>> {
        let at = u32::try_from(self.document.nodes.len()).ok()?;
        let stored = Stored {
            parent,
            ..Stored::default()
        };
        self.document.nodes.push(stored);
        Some(OneNode {
            at,
            before: Before {
                attributes: self.document.attributes.len(),
                parent_ids: self.parent_ids.len(),
                invisible: self.document.invisible,
            },
            name: None,
            parent_id: None,
            has_content: false,
            reading: self,
        })
    }
}

impl Listen for Reading {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Nodes => map.next_value_seed(To(&mut Nodes {
                parent: None,
                reading: self,
            })),
            Key::Root => match self.node(None) {
                Some(mut node) => {
                    map.next_value_seed(To(&mut node))?;
                    node.done();
                    Ok(())
                }
                None => pass_over(map),
            },
            _ => pass_over(map),
        }
    }
}

struct Nodes<'t> {
    parent: Option<u32>,
    reading: &'t mut Reading,
}

impl Listen for Nodes<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let Some(mut node) = self.reading.node(self.parent) else {
            return Ok(false);
        };
        let is_one = list.next_element_seed(To(&mut node))?.is_some();
        node.done();
        Ok(is_one)
    }
}

struct OneNode<'t> {
    at: u32,
    before: Before,
    /// `nodeName`, for an element without a `localName`.
    name: Option<Span>,
    parent_id: Option<i64>,
    has_content: bool,
    reading: &'t mut Reading,
}

/// How much there was of everything.
struct Before {
    attributes: usize,
    parent_ids: usize,
    invisible: Invisible,
}

impl OneNode<'_> {
    /// What does not say what it is was none, and nothing in it either.
    fn done(self) {
        let Reading {
            document,
            parent_ids,
        } = self.reading;
        let node = &mut document.nodes[self.at as usize];
        let Some(kind) = node.kind else {
            document.nodes.truncate(self.at as usize);
            document.attributes.truncate(self.before.attributes);
            document.invisible = self.before.invisible;
            parent_ids.truncate(self.before.parent_ids);
            return;
        };
        node.tag = match kind {
            1 => node.tag.filter(|tag| !tag.is_empty()).or(self.name),
            _ => None,
        };
        node.text = node.text.filter(|_| kind == 3);
        if node.parent.is_none()
            && let Some(id) = self.parent_id
        {
            parent_ids.push((self.at, id));
        }
        let tag = node.tag.map_or("", |tag| tag.of(&document.texts));
        let is_foreign = matches!(tag, "iframe" | "frame") && !self.has_content;
        let invisible = &mut document.invisible;
        invisible.closed_shadow_roots += u32::from(node.closed_root);
        invisible.canvases += u32::from(tag == "canvas");
        invisible.foreign_frames += u32::from(is_foreign);
    }
}

impl Listen for OneNode<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        let at = self.at;
        let document = &mut self.reading.document;
        let texts = &mut document.texts;
        let node = &mut document.nodes[at as usize];
        match key {
            Key::LocalName | Key::NodeName | Key::NodeValue | Key::FrameId => {
                let kept = match key {
                    Key::LocalName => &mut node.tag,
                    Key::NodeName => &mut self.name,
                    Key::NodeValue => &mut node.text,
                    _ => &mut node.frame,
                };
                map.next_value_seed(To(&mut Text { kept, texts }))
            }
            Key::NodeId | Key::BackendNodeId | Key::NodeType | Key::ParentId => {
                let mut number = Number::default();
                map.next_value_seed(To(&mut number))?;
                match key {
                    Key::NodeId => node.id = number.0,
                    Key::BackendNodeId => node.backend = number.0,
                    Key::NodeType => node.kind = number.0,
                    _ => self.parent_id = number.0,
                }
                Ok(())
            }
            Key::ShadowRootType => {
                let mut closed = IsClosed(false);
                map.next_value_seed(To(&mut closed))?;
                node.closed_root = closed.0;
                Ok(())
            }
            Key::Attributes => {
                let from = document.attributes.len();
                map.next_value_seed(To(&mut Pairs {
                    name: None,
                    is_value: false,
                    texts,
                    attributes: &mut document.attributes,
                }))?;
                node.attributes = from..document.attributes.len();
                Ok(())
            }
            Key::Children | Key::ShadowRoots => map.next_value_seed(To(&mut Nodes {
                parent: Some(at),
                reading: self.reading,
            })),
            Key::ContentDocument => {
                self.has_content = true;
                match self.reading.node(Some(at)) {
                    Some(mut inner) => {
                        map.next_value_seed(To(&mut inner))?;
                        inner.done();
                        Ok(())
                    }
                    None => pass_over(map),
                }
            }
            _ => pass_over(map),
        }
    }
}

struct IsClosed(bool);

impl Listen for IsClosed {
    fn text(&mut self, text: &str) {
        self.0 = text == "closed";
    }
}

/// Attributes: a name, its value, the next name.
struct Pairs<'t> {
    name: Option<Attribute>,
    is_value: bool,
    texts: &'t mut String,
    attributes: &'t mut Vec<(Attribute, Span)>,
}

impl Listen for Pairs<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let is_value = self.is_value;
        self.is_value = !is_value;
        let is_one = match (is_value, self.name.take()) {
            (false, _) => {
                let mut name = AttributeName(None);
                let is_one = list.next_element_seed(To(&mut name))?.is_some();
                self.name = name.0;
                is_one
            }
            (true, Some(name)) => {
                let (mut kept, texts) = (None, &mut *self.texts);
                let value = &mut Text {
                    kept: &mut kept,
                    texts,
                };
                let is_one = list.next_element_seed(To(value))?.is_some();
                self.attributes.extend(kept.map(|kept| (name, kept)));
                is_one
            }
            (true, None) => list.next_element::<serde::de::IgnoredAny>()?.is_some(),
        };
        Ok(is_one)
    }
}

struct AttributeName(Option<Attribute>);

impl Listen for AttributeName {
    fn text(&mut self, text: &str) {
        self.0 = Attribute::parse(text);
    }
}
