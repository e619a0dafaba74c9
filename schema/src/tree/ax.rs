//! The accessibility tree as Chromium lists it, one frame at a time.

use std::collections::HashMap;

use serde_json::Value;

use super::dom::{list, word};

#[derive(Debug, Default)]
pub(super) struct Ax<'a> {
    nodes: Vec<AxNode<'a>>,
    by_id: HashMap<&'a str, u32>,
}

#[derive(Debug, Default)]
pub(super) struct AxNode<'a> {
    pub(super) role: &'a str,
    pub(super) name: &'a str,
    pub(super) ignored: bool,
    /// Ignored since nobody is to perceive it, not since it says nothing by itself.
    pub(super) hidden: bool,
    pub(super) backend: Option<i64>,
    children: &'a [Value],
    properties: &'a [Value],
}

impl<'a> Ax<'a> {
    pub(super) fn read(answer: &'a Value) -> Self {
        let mut ax = Self::default();
        for node in list(answer, "nodes") {
            let (Some(id), Ok(at)) = (word(node, "nodeId"), u32::try_from(ax.nodes.len())) else {
                continue;
            };
            let ignored = node.get("ignored").and_then(Value::as_bool) == Some(true);
            ax.nodes.push(AxNode {
                role: node
                    .get("role")
                    .and_then(|role| word(role, "value"))
                    .unwrap_or_default(),
                name: node
                    .get("name")
                    .and_then(|name| word(name, "value"))
                    .unwrap_or_default(),
                ignored,
                hidden: ignored && list(node, "ignoredReasons").iter().any(hides),
                backend: node.get("backendDOMNodeId").and_then(Value::as_i64),
                children: list(node, "childIds"),
                properties: list(node, "properties"),
            });
            ax.by_id.entry(id).or_insert(at);
        }
        ax
    }

    pub(super) fn get(&self, at: u32) -> &AxNode<'a> {
        &self.nodes[at as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The document itself: the first in the list, as Chromium has it.
    pub(super) fn root(&self) -> Option<u32> {
        let named = self
            .nodes
            .iter()
            .position(|node| node.role == "RootWebArea");
        let at = named.or((!self.nodes.is_empty()).then_some(0))?;
        u32::try_from(at).ok()
    }

    pub(super) fn children(&self, at: u32) -> impl DoubleEndedIterator<Item = u32> {
        let ids = self.get(at).children.iter();
        ids.filter_map(|id| self.by_id.get(id.as_str()?).copied())
    }
}

impl<'a> AxNode<'a> {
    pub(super) fn property(&self, name: &str) -> Option<&'a Value> {
        let found = self
            .properties
            .iter()
            .find(|one| word(one, "name") == Some(name))?;
        found.get("value")?.get("value")
    }

    pub(super) fn is(&self, property: &str) -> bool {
        match self.property(property) {
            Some(Value::Bool(set)) => *set,
            Some(Value::String(word)) => word == "true" || word == "mixed",
            _ => false,
        }
    }
}

fn hides(reason: &Value) -> bool {
    // Of Chromium's reasons these mean that nobody perceives the node; `uninteresting`, `presentationalRole`,
    // `emptyAlt` and the like mean that it adds nothing to what its children say.
    matches!(
        word(reason, "name"),
        Some(
            "ariaHiddenElement"
                | "ariaHiddenSubtree"
                | "notRendered"
                | "notVisible"
                | "inertElement"
                | "inertSubtree"
                | "activeModalDialog"
                | "activeFullscreenElement"
                | "hiddenByFallback"
        )
    )
}
