//! From a browser's answers to the record: pages of 500 to 50,000 nodes, parsed and digested, beside the parsing alone,
//! which nobody gets around; and pages in a browser, beside fetching them.

mod fetched;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use drift_schema::tree::{Capture, Difference, Digested, Side, unmasked};
use serde_json::{Value, json};

use crate::report::{Row, Table};

/// Milliseconds that a page of so many nodes may take.
const TARGETS: [(usize, Option<f64>); 4] = [
    (500, None),
    (2_000, Some(10.0)),
    (5_000, Some(20.0)),
    (50_000, None),
];

/// The pages of the tests.
const PAGES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/suite/digest/pages"
);

pub async fn run(seconds: f64, pages: Option<&Path>) -> Result<Vec<Table>> {
    let mut saved = fetched::saved(pages.unwrap_or(Path::new(PAGES)))?;
    let made = tempfile::tempdir()?;
    for sections in [4, 10, 40] {
        let page = made
            .path()
            .join(format!("shop of {sections} sections.html"));
        std::fs::write(&page, fetched::shop(sections))?;
        saved.push(page);
    }
    Ok(vec![alone(seconds)?, fetched::run(seconds, &saved).await?])
}

fn alone(seconds: f64) -> Result<Table> {
    let mut table = Table::new("Digest, median");
    for (nodes, target) in TARGETS {
        let answers = answers(nodes).to_string();
        let each = Duration::from_secs_f64(seconds / TARGETS.len() as f64 / 2.0);
        let parsed = median(each, || serde_json::from_str::<Capture>(&answers).map(drop))?;
        let capture: Capture = serde_json::from_str(&answers)?;
        let digested = median(each, || {
            std::hint::black_box(Digested::of(&capture, &unmasked));
            Ok(())
        })?;
        let row = Row::new(format!("{nodes} nodes"), digested, "ms")
            .against("parsing the answers", parsed);
        table.push(match target {
            Some(target) => row.under(target),
            None => row,
        });
    }
    let shape = Digested::of(&serde_json::from_value(answers(5_000))?, &unmasked)
        .record
        .shape;
    let other = shape.replace("Search", "Find");
    let side = |shape| Side {
        shape,
        snapshot: None,
    };
    let compared = median(Duration::from_secs_f64(seconds / 8.0), || {
        std::hint::black_box(Difference::between(side(&shape), side(&other), None, None));
        Ok(())
    })?;
    table.push(Row::new(
        format!("comparing two shapes of {} lines", shape.lines().count()),
        compared,
        "ms",
    ));
    Ok(table)
}

fn median(time: Duration, mut work: impl FnMut() -> Result<(), serde_json::Error>) -> Result<f64> {
    let start = Instant::now();
    let mut took = Vec::new();
    while took.len() < 5 || start.elapsed() < time {
        let begin = Instant::now();
        work()?;
        took.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok(took[took.len() / 2])
}

/// A shop's page as Chromium tells it: sections of lists, cards with wrappers, a table, fields; as many nodes of the
/// accessibility tree as asked for, inline boxes and ignored wrappers among them.
fn answers(nodes: usize) -> Value {
    let mut page = Answers::default();
    let html = page.node(0, "RootWebArea", "html", "Shop");
    let header = page.node(html, "banner", "header", "");
    let search = page.node(header, "search", "form", "Site");
    page.text(search, "searchbox", "input", "Search");
    page.text(search, "button", "button", "Search");
    let main = page.node(html, "main", "main", "");
    let mut section = 0;
    while page.ax.len() < nodes {
        section += 1;
        page.text(main, "heading", "h2", &format!("Section {section}"));
        let list = page.node(main, "list", "ul", "");
        for item in 0..24 {
            let name = format!("Cordless drill no. {section}-{item}");
            let card = page.node(list, "listitem", "li", "");
            let wrapper = page.node(card, "generic", "div", "");
            page.text(wrapper, "link", "a", &name);
            let body = page.node(wrapper, "none", "div", "");
            page.text(body, "heading", "h3", &name);
            page.text(
                body,
                "generic",
                "div",
                &format!("${item}9.00, delivered on 21 November 2026"),
            );
            page.text(body, "button", "button", "Add to cart");
        }
        let table = page.node(main, "table", "table", "Stock");
        for row in 0..12 {
            let line = page.node(table, "row", "tr", "");
            for column in 0..4 {
                let role = if row == 0 { "columnheader" } else { "cell" };
                page.text(line, role, "td", &format!("Column {column}"));
            }
        }
    }
    json!({"ax": {"nodes": page.ax}, "dom": {"nodes": page.dom}})
}

#[derive(Default)]
struct Answers {
    ax: Vec<Value>,
    dom: Vec<Value>,
}

impl Answers {
    fn node(&mut self, parent: usize, role: &str, tag: &str, name: &str) -> usize {
        let id = self.ax.len() + 1;
        self.ax.push(json!({
            "nodeId": id.to_string(), "parentId": parent.to_string(), "backendDOMNodeId": id, "ignored": role == "none",
            "role": {"type": "role", "value": role}, "chromeRole": {"type": "internalRole", "value": 9},
            "name": {"type": "computedString", "value": name, "sources": [{"type": "contents", "value": {"type": "computedString", "value": name}}]},
            "properties": [{"name": "focusable", "value": {"type": "booleanOrUndefined", "value": true}}], "childIds": [],
        }));
        self.dom.push(json!({
            "nodeId": id, "parentId": parent, "backendNodeId": id, "nodeType": if tag == "#text" { 3 } else { 1 },
            "nodeName": tag.to_uppercase(), "localName": if tag == "#text" { "" } else { tag },
            "nodeValue": if tag == "#text" { name } else { "" },
            "attributes": ["class", "css-1x7f card__part", "data-id", id.to_string()],
        }));
        if parent > 0
            && let Some(children) = self.ax[parent - 1]["childIds"].as_array_mut()
        {
            children.push(id.to_string().into());
        }
        id
    }

    /// A node with its text, as both trees have it.
    fn text(&mut self, parent: usize, role: &str, tag: &str, name: &str) {
        let named = if role == "generic" { "" } else { name };
        let node = self.node(parent, role, tag, named);
        let text = self.node(node, "StaticText", "#text", name);
        self.node(text, "InlineTextBox", "", name);
    }
}
