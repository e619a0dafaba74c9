//! Reading JSON that may say anything: whoever listens takes what it knows, everything else is passed over, and nothing but
//! broken JSON is an error. Texts go into one long text, so that a page costs a few allocations and not a few for each node.

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// Where a text stands in the long one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::tree) struct Span(u32, u32);

impl Span {
    pub(in crate::tree) fn is_empty(self) -> bool {
        self.0 == self.1
    }

    pub(in crate::tree) fn of(self, texts: &str) -> &str {
        texts
            .get(self.0 as usize..self.1 as usize)
            .unwrap_or_default()
    }
}

/// The words of the protocol that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tree) enum Key {
    Attributes,
    BackendDomNodeId,
    BackendNodeId,
    ChildIds,
    Children,
    ContentDocument,
    FrameId,
    Ignored,
    IgnoredReasons,
    LocalName,
    Name,
    NodeId,
    NodeName,
    NodeType,
    NodeValue,
    Nodes,
    ParentId,
    Properties,
    Role,
    Root,
    ShadowRootType,
    ShadowRoots,
    Value,
    Other,
}

impl Key {
    fn parse(word: &str) -> Self {
        match word {
            "attributes" => Self::Attributes,
            "backendDOMNodeId" => Self::BackendDomNodeId,
            "backendNodeId" => Self::BackendNodeId,
            "childIds" => Self::ChildIds,
            "children" => Self::Children,
            "contentDocument" => Self::ContentDocument,
            "frameId" => Self::FrameId,
            "ignored" => Self::Ignored,
            "ignoredReasons" => Self::IgnoredReasons,
            "localName" => Self::LocalName,
            "name" => Self::Name,
            "nodeId" => Self::NodeId,
            "nodeName" => Self::NodeName,
            "nodeType" => Self::NodeType,
            "nodeValue" => Self::NodeValue,
            "nodes" => Self::Nodes,
            "parentId" => Self::ParentId,
            "properties" => Self::Properties,
            "role" => Self::Role,
            "root" => Self::Root,
            "shadowRootType" => Self::ShadowRootType,
            "shadowRoots" => Self::ShadowRoots,
            "value" => Self::Value,
            _ => Self::Other,
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Key;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, word: &str) -> Result<Key, E> {
                Ok(Key::parse(word))
            }
        }
        deserializer.deserialize_identifier(Word)
    }
}

/// Hears one value of JSON, whatever it is. What is not said otherwise goes in at one ear and out at the other.
pub(in crate::tree) trait Listen {
    fn text(&mut self, _text: &str) {}

    fn number(&mut self, _number: i64) {}

    fn truth(&mut self, _truth: bool) {}

    /// The value behind this key has to be taken from the map.
    fn entry<'de, A: MapAccess<'de>>(&mut self, _key: Key, map: &mut A) -> Result<(), A::Error> {
        pass_over(map)
    }

    /// False at the end of the list.
    fn element<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        Ok(list.next_element::<IgnoredAny>()?.is_some())
    }
}

pub(in crate::tree) fn pass_over<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

/// Has `serde` tell somebody.
pub(in crate::tree) struct To<'l, L>(pub(in crate::tree) &'l mut L);

impl<'de, L: Listen> DeserializeSeed<'de> for To<'_, L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, L: Listen> Visitor<'de> for To<'_, L> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.0.truth(truth);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.number(number);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        if let Ok(number) = i64::try_from(number) {
            self.0.number(number);
        }
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.text(text);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            self.0.entry(key, &mut map)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while self.0.element(&mut list)? {}
        Ok(())
    }
}

/// A text, kept.
pub(in crate::tree) struct Text<'t> {
    pub(in crate::tree) kept: &'t mut Option<Span>,
    pub(in crate::tree) texts: &'t mut String,
}

impl Listen for Text<'_> {
    fn text(&mut self, text: &str) {
        let from = u32::try_from(self.texts.len());
        let to = u32::try_from(self.texts.len() + text.len());
        if let (Ok(from), Ok(to)) = (from, to) {
            self.texts.push_str(text);
            *self.kept = Some(Span(from, to));
        }
    }
}

#[derive(Default)]
pub(in crate::tree) struct Number(pub(in crate::tree) Option<i64>);

impl Listen for Number {
    fn number(&mut self, number: i64) {
        self.0 = Some(number);
    }
}

#[derive(Default)]
pub(in crate::tree) struct Truth(pub(in crate::tree) bool);

impl Listen for Truth {
    fn truth(&mut self, truth: bool) {
        self.0 = truth;
    }
}

/// What stands behind `value` in an object.
pub(in crate::tree) struct ValueOf<'l, L>(pub(in crate::tree) &'l mut L);

impl<L: Listen> Listen for ValueOf<'_, L> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Value => map.next_value_seed(To(self.0)),
            _ => pass_over(map),
        }
    }
}
