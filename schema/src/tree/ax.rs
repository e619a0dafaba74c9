//! The accessibility tree as Chromium lists it, one frame at a time.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use serde::de::{Deserialize, DeserializeSeed as _, Deserializer, MapAccess, SeqAccess};

use super::capture::listen::{Key, Listen, Number, Span, Text, To, Truth, ValueOf, pass_over};

/// The answer of `Accessibility.getFullAXTree`, with what the rules ask for.
#[derive(Debug, Clone, Default)]
pub struct AxTree {
    texts: String,
    nodes: Vec<Stored>,
    /// Ids of children, those of one node together.
    children: Vec<u64>,
    properties: Vec<(Property, Told)>,
    by_id: HashMap<u64, u32>,
}

#[derive(Debug, Clone, Default)]
struct Stored {
    id: u64,
    role: Option<Span>,
    name: Option<Span>,
    ignored: bool,
    hidden: bool,
    backend: Option<i64>,
    children: Range<usize>,
    properties: Range<usize>,
}

#[derive(Debug)]
pub(super) struct AxNode<'a> {
    pub(super) role: &'a str,
    pub(super) name: &'a str,
    pub(super) ignored: bool,
    /// Ignored since nobody is to perceive it, not since it says nothing by itself.
    pub(super) hidden: bool,
    pub(super) backend: Option<i64>,
    properties: &'a [(Property, Told)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Property {
    Checked,
    Disabled,
    Editable,
    Expanded,
    Level,
    Live,
    Pressed,
    Selected,
}

impl Property {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "checked" => Self::Checked,
            "disabled" => Self::Disabled,
            "editable" => Self::Editable,
            "expanded" => Self::Expanded,
            "level" => Self::Level,
            "live" => Self::Live,
            "pressed" => Self::Pressed,
            "selected" => Self::Selected,
            _ => return None,
        })
    }
}

/// The value of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Said with a word.
    Yes,
    /// And without one.
    True,
    Mixed,
    /// The word `off`.
    Off,
    /// Any other word.
    Word,
    Number(i64),
    Other,
}

impl AxTree {
    pub(super) fn get(&self, at: u32) -> AxNode<'_> {
        let Stored {
            id: _,
            role,
            name,
            ignored,
            hidden,
            backend,
            children: _,
            properties,
        } = &self.nodes[at as usize];
        let text = |span: &Option<Span>| span.map_or("", |span| span.of(&self.texts));
        AxNode {
            role: text(role),
            name: text(name),
            ignored: *ignored,
            hidden: *hidden,
            backend: *backend,
            properties: &self.properties[properties.clone()],
        }
    }

    /// How many nodes it has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The document itself: the first in the list, as Chromium has it.
    pub(super) fn root(&self) -> Option<u32> {
        let named = self.nodes.iter().position(|node| {
            node.role
                .is_some_and(|role| role.of(&self.texts) == "RootWebArea")
        });
        let at = named.or((!self.nodes.is_empty()).then_some(0))?;
        u32::try_from(at).ok()
    }

    pub(super) fn children(&self, at: u32) -> impl DoubleEndedIterator<Item = u32> {
        let ids = &self.children[self.nodes[at as usize].children.clone()];
        ids.iter().filter_map(|id| self.by_id.get(id).copied())
    }
}

impl AxNode<'_> {
    pub(super) fn property(&self, name: Property) -> Option<Told> {
        let found = self.properties.iter().find(|(one, _)| *one == name)?;
        Some(found.1)
    }

    pub(super) fn is(&self, property: Property) -> bool {
        matches!(
            self.property(property),
            Some(Told::Yes | Told::True | Told::Mixed)
        )
    }
}

impl<'de> Deserialize<'de> for AxTree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tree = Self::default();
        To(&mut tree).deserialize(deserializer)?;
        for (at, node) in (0..).zip(&tree.nodes) {
            tree.by_id.entry(node.id).or_insert(at);
        }
        Ok(tree)
    }
}

/// The answer: an object with a list of nodes.
impl Listen for AxTree {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Nodes => map.next_value_seed(To(&mut Nodes(self))),
            _ => pass_over(map),
        }
    }
}

struct Nodes<'t>(&'t mut AxTree);

impl Listen for Nodes<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut node = Reading {
            id: Id::default(),
            stored: Stored::default(),
            tree: self.0,
        };
        let is_one = list.next_element_seed(To(&mut node))?.is_some();
        let Reading {
            id: Id(id),
            mut stored,
            ..
        } = node;
        if let Some(id) = id {
            stored.id = id;
            stored.hidden &= stored.ignored;
            self.0.nodes.push(stored);
        }
        Ok(is_one)
    }
}

/// One node.
struct Reading<'t> {
    id: Id,
    stored: Stored,
    tree: &'t mut AxTree,
}

impl Listen for Reading<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        let Self { id, stored, tree } = self;
        match key {
            Key::NodeId => map.next_value_seed(To(id)),
            Key::Ignored => {
                let mut ignored = Truth::default();
                map.next_value_seed(To(&mut ignored))?;
                stored.ignored = ignored.0;
                Ok(())
            }
            Key::IgnoredReasons => {
                let mut reasons = Reasons(false);
                map.next_value_seed(To(&mut reasons))?;
                stored.hidden = reasons.0;
                Ok(())
            }
            Key::Role | Key::Name => {
                let kept = match key {
                    Key::Role => &mut stored.role,
                    _ => &mut stored.name,
                };
                let texts = &mut tree.texts;
                map.next_value_seed(To(&mut ValueOf(&mut Text { kept, texts })))
            }
            Key::BackendDomNodeId => {
                let mut backend = Number::default();
                map.next_value_seed(To(&mut backend))?;
                stored.backend = backend.0;
                Ok(())
            }
            Key::ChildIds => {
                let from = tree.children.len();
                map.next_value_seed(To(&mut Ids(&mut tree.children)))?;
                stored.children = from..tree.children.len();
                Ok(())
            }
            Key::Properties => {
                let from = tree.properties.len();
                map.next_value_seed(To(&mut Properties(&mut tree.properties)))?;
                stored.properties = from..tree.properties.len();
                Ok(())
            }
            _ => pass_over(map),
        }
    }
}

/// An id is a word, here known by its hash.
#[derive(Default)]
struct Id(Option<u64>);

impl Listen for Id {
    fn text(&mut self, text: &str) {
        let mut hash = DefaultHasher::new();
        text.hash(&mut hash);
        self.0 = Some(hash.finish());
    }
}

struct Ids<'t>(&'t mut Vec<u64>);

impl Listen for Ids<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut id = Id::default();
        let is_one = list.next_element_seed(To(&mut id))?.is_some();
        self.0.extend(id.0);
        Ok(is_one)
    }
}

struct Properties<'t>(&'t mut Vec<(Property, Told)>);

impl Listen for Properties<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut one = OneProperty::default();
        let is_one = list.next_element_seed(To(&mut one))?.is_some();
        self.0.extend(one.name.zip(one.value));
        Ok(is_one)
    }
}

#[derive(Default)]
struct OneProperty {
    name: Option<Property>,
    value: Option<Told>,
}

impl Listen for OneProperty {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Name => map.next_value_seed(To(&mut PropertyName(&mut self.name))),
            Key::Value => map.next_value_seed(To(&mut InnerValue(&mut self.value))),
            _ => pass_over(map),
        }
    }
}

struct PropertyName<'t>(&'t mut Option<Property>);

impl Listen for PropertyName<'_> {
    fn text(&mut self, text: &str) {
        *self.0 = Property::parse(text);
    }
}

/// A value is there once its key is, whatever it is.
struct InnerValue<'t>(&'t mut Option<Told>);

impl Listen for InnerValue<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        if key != Key::Value {
            return pass_over(map);
        }
        let mut told = Told::Other;
        map.next_value_seed(To(&mut told))?;
        *self.0 = Some(told);
        Ok(())
    }
}

impl Listen for Told {
    fn text(&mut self, text: &str) {
        *self = match text {
            "true" => Self::Yes,
            "mixed" => Self::Mixed,
            "off" => Self::Off,
            _ => Self::Word,
        };
    }

    fn number(&mut self, number: i64) {
        *self = Self::Number(number);
    }

    fn truth(&mut self, truth: bool) {
        *self = if truth { Self::True } else { Self::Other };
    }
}

/// Whether one of them hides the node.
struct Reasons(bool);

impl Listen for Reasons {
    fn element<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut reason = Reason(false);
        let is_one = list.next_element_seed(To(&mut reason))?.is_some();
        self.0 |= reason.0;
        Ok(is_one)
    }
}

struct Reason(bool);

impl Listen for Reason {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Name => map.next_value_seed(To(&mut Hides(&mut self.0))),
            _ => pass_over(map),
        }
    }
}

struct Hides<'t>(&'t mut bool);

impl Listen for Hides<'_> {
    fn text(&mut self, text: &str) {
        // Of Chromium's reasons these mean that nobody perceives the node; `uninteresting`, `presentationalRole`,
        // `emptyAlt` and the like mean that it adds nothing to what its children say.
        *self.0 = matches!(
            text,
            "ariaHiddenElement"
                | "ariaHiddenSubtree"
                | "notRendered"
                | "notVisible"
                | "inertElement"
                | "inertSubtree"
                | "activeModalDialog"
                | "activeFullscreenElement"
                | "hiddenByFallback"
        );
    }
}
