//! The document behind the accessibility tree: tag, attributes and parent of each node, by `backendNodeId`.

use std::collections::HashMap;

use serde_json::Value;

use super::capture::Invisible;

#[derive(Debug, Default)]
pub(super) struct Dom<'a> {
    nodes: Vec<Element<'a>>,
    by_backend: HashMap<i64, u32>,
    pub(super) invisible: Invisible,
}

/// An element, a text, a document or a shadow root.
#[derive(Debug)]
pub(super) struct Element<'a> {
    /// In lower case for HTML; empty for what is no element.
    pub(super) tag: &'a str,
    /// Of a text.
    pub(super) text: Option<&'a str>,
    attributes: &'a [Value],
    pub(super) parent: Option<u32>,
    pub(super) closed_root: bool,
    pub(super) frame: Option<&'a str>,
}

impl<'a> Element<'a> {
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        let (pairs, _) = self.attributes.as_chunks::<2>();
        pairs
            .iter()
            .find(|[key, _]| key.as_str().is_some_and(|key| key == name))
            .and_then(|[_, value]| value.as_str())
    }
}

impl<'a> Dom<'a> {
    pub(super) fn read(answer: &'a Value) -> Self {
        let mut dom = Self::default();
        let mut by_id = HashMap::new();
        let mut unresolved = Vec::new();
        // A stack of our own: a document may be nested as deeply as memory allows.
        let mut waiting: Vec<(&Value, Option<u32>)> = Vec::new();
        waiting.extend(answer.get("root").map(|root| (root, None)));
        waiting.extend(list(answer, "nodes").iter().map(|node| (node, None)));
        while let Some((node, parent)) = waiting.pop() {
            let Ok(at) = u32::try_from(dom.nodes.len()) else {
                break;
            };
            let Some(element) = dom.element(node, parent) else {
                continue;
            };
            dom.nodes.push(element);
            if let Some(id) = node.get("nodeId").and_then(Value::as_i64) {
                by_id.entry(id).or_insert(at);
            }
            if let Some(id) = node.get("backendNodeId").and_then(Value::as_i64) {
                dom.by_backend.entry(id).or_insert(at);
            }
            if parent.is_none()
                && let Some(id) = node.get("parentId").and_then(Value::as_i64)
            {
                unresolved.push((at, id));
            }
            for key in ["children", "shadowRoots"] {
                waiting.extend(list(node, key).iter().map(|child| (child, Some(at))));
            }
            waiting.extend(node.get("contentDocument").map(|child| (child, Some(at))));
        }
        for (at, id) in unresolved {
            dom.nodes[at as usize].parent = by_id.get(&id).copied().filter(|parent| *parent != at);
        }
        dom
    }

    fn element(&mut self, node: &'a Value, parent: Option<u32>) -> Option<Element<'a>> {
        let kind = node.get("nodeType").and_then(Value::as_i64)?;
        let tag = match kind {
            1 => word(node, "localName")
                .filter(|name| !name.is_empty())
                .or_else(|| word(node, "nodeName"))
                .unwrap_or_default(),
            _ => "",
        };
        let closed_root = word(node, "shadowRootType") == Some("closed");
        self.invisible.closed_shadow_roots += u32::from(closed_root);
        self.invisible.canvases += u32::from(tag == "canvas");
        let frame = word(node, "frameId");
        let foreign = matches!(tag, "iframe" | "frame") && node.get("contentDocument").is_none();
        self.invisible.foreign_frames += u32::from(foreign);
        Some(Element {
            tag,
            text: (kind == 3).then(|| word(node, "nodeValue")).flatten(),
            attributes: list(node, "attributes"),
            parent,
            closed_root,
            frame,
        })
    }

    pub(super) fn find(&self, backend: i64) -> Option<u32> {
        self.by_backend.get(&backend).copied()
    }

    pub(super) fn get(&self, at: u32) -> &Element<'a> {
        &self.nodes[at as usize]
    }

    /// Whether it is a part of a table or a list that only lays something out, and says so.
    pub(super) fn is_laid_out(&self, at: u32) -> bool {
        let says_none = |element: &Element<'_>| {
            let role = element.attribute("role").map(str::trim);
            matches!(role, Some("presentation" | "none"))
        };
        if let Element {
            tag: "li",
            parent: Some(list),
            ..
        } = self.get(at)
        {
            let list = self.get(*list);
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
        while let Some(parent) = path.last().and_then(|last| self.get(*last).parent) {
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

pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

pub(super) fn word<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}
