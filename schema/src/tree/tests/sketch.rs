//! Pages as a test draws them, and the answers a browser would give for them.

use serde_json::{Value, json};

use crate::tree::{Capture, Digested, unmasked};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sketch {
    pub(super) tag: &'static str,
    pub(super) role: &'static str,
    pub(super) name: String,
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) properties: Vec<(&'static str, Value)>,
    pub(super) children: Vec<Sketch>,
}

pub(super) fn part(
    tag: &'static str,
    role: &'static str,
    name: &str,
    children: Vec<Sketch>,
) -> Sketch {
    Sketch {
        tag,
        role,
        name: name.to_owned(),
        attributes: Vec::new(),
        properties: Vec::new(),
        children,
    }
}

pub(super) fn text(text: &str) -> Sketch {
    part("#text", "StaticText", text, Vec::new())
}

pub(super) fn button(name: &str) -> Sketch {
    part("button", "button", name, vec![text(name)])
}

pub(super) fn heading(level: u8, name: &str) -> Sketch {
    let mut heading = part("h2", "heading", name, vec![text(name)]);
    heading.properties.push(("level", json!(level)));
    heading
}

pub(super) fn wrapped(inside: Vec<Sketch>) -> Sketch {
    part("div", "generic", "", inside)
}

impl Sketch {
    pub(super) fn with(mut self, attribute: &'static str, value: &str) -> Self {
        self.attributes.push((attribute, value.to_owned()));
        self
    }

    /// Visits the part and all below it.
    pub(super) fn each(&mut self, change: &mut dyn FnMut(&mut Self)) {
        change(self);
        self.children
            .iter_mut()
            .for_each(|child| child.each(change));
    }
}

pub(super) fn capture(page: &Sketch) -> Capture {
    serde_json::from_value(answers(page)).unwrap()
}

/// As a browser that tells something else of the nodes of the accessibility tree.
pub(super) fn retold(page: &Sketch, change: impl FnMut(&mut Value)) -> Capture {
    let mut answers = answers(page);
    let nodes = answers["ax"]["nodes"].as_array_mut().unwrap();
    nodes.iter_mut().for_each(change);
    serde_json::from_value(answers).unwrap()
}

pub(super) fn answers(page: &Sketch) -> Value {
    let (mut ax, mut dom) = (Vec::new(), Vec::new());
    let mut waiting = vec![(page, 0i64)];
    let mut next = 1i64;
    // Ids are given when a node is put on the stack, so that parents can name their children.
    let mut ids = vec![next];
    while let Some((node, parent)) = waiting.pop() {
        let id = ids.pop().unwrap();
        let children: Vec<i64> = node
            .children
            .iter()
            .map(|_| {
                next += 1;
                next
            })
            .collect();
        ax.push(json!({
            "nodeId": id.to_string(), "parentId": parent.to_string(), "backendDOMNodeId": id, "ignored": false,
            "role": {"type": "role", "value": node.role}, "name": {"type": "computedString", "value": node.name},
            "childIds": children.iter().map(i64::to_string).collect::<Vec<_>>(),
            "properties": node.properties.iter().map(|(name, value)| json!({"name": name, "value": {"value": value}})).collect::<Vec<_>>(),
        }));
        let is_text = node.tag == "#text";
        dom.push(json!({
            "nodeId": id, "parentId": parent, "backendNodeId": id, "nodeType": if is_text { 3 } else { 1 },
            "localName": if is_text { "" } else { node.tag }, "nodeName": node.tag, "nodeValue": if is_text { &node.name } else { "" },
            "attributes": node.attributes.iter().flat_map(|(name, value)| [json!(name), json!(value)]).collect::<Vec<_>>(),
        }));
        for (child, child_id) in node.children.iter().zip(children).rev() {
            waiting.push((child, id));
            ids.push(child_id);
        }
    }
    json!({"ax": {"nodes": ax}, "dom": {"nodes": dom}})
}

pub(super) fn digest(page: &Sketch) -> Digested {
    Digested::of(&capture(page), &unmasked)
}

pub(super) fn shape(page: &Sketch) -> String {
    digest(page).record.shape
}
