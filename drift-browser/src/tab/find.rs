//! From a locator to the elements that it means, in every frame. Roles and names are Chromium's own computation, the rest
//! is looked for by `page.js`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Element, Tab, WORLD};
use crate::cdp::Error;
use crate::flow::locator::{Locator, Part};
use crate::flow::pattern::TextPattern;

/// Elements that a locator means and that can be seen.
#[derive(Debug, Default)]
pub struct Found(pub Vec<Element>);

/// An accessibility tree, of which only this much is kept: of a page without end it has tens of megabytes.
#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    #[serde(default)]
    ignored: bool,
    #[serde(default)]
    role: Said,
    #[serde(default)]
    name: Said,
    #[serde(rename = "backendDOMNodeId")]
    element: Option<i64>,
}

#[derive(Deserialize, Default)]
struct Said {
    #[serde(default)]
    value: Value,
}

impl Said {
    fn text(&self) -> &str {
        self.value.as_str().unwrap_or_default()
    }
}

/// With more hits than this nobody means one of them.
const ENOUGH: usize = 50;
const QUERY_DEADLINE: Duration = Duration::from_millis(250);
/// Of more of one role, the first are looked at.
const MOST: usize = 500;

impl Tab {
    pub async fn find(&mut self, locator: &Locator) -> Result<Found, Error> {
        let mut all = Vec::new();
        for frame in self.frames().await? {
            // A frame that goes away while we look has nothing any more.
            match self.find_in(&frame, locator).await {
                Ok(found) => all.extend(found),
                Err(Error::Closed) => return Err(Error::Closed),
                Err(error) if frame == self.main_frame => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Found(all))
    }

    async fn find_in(&mut self, frame: &str, locator: &Locator) -> Result<Vec<Element>, Error> {
        let (document, world) = self.evaluate(frame, "document", false).await?;
        let Some(object) = document["objectId"].as_str() else {
            return Ok(Vec::new());
        };
        let mut within = vec![Element {
            object: object.to_owned(),
            frame: frame.to_owned(),
            world,
        }];
        for part in &locator.parts {
            let mut found = Vec::new();
            for root in within.iter().take(ENOUGH) {
                found.extend(self.part(root, part).await?);
            }
            within = found;
        }
        Ok(within)
    }

    async fn part(&self, root: &Element, part: &Part) -> Result<Vec<Element>, Error> {
        match part {
            Part::Role { role, name } => self.by_role(root, role, name.as_ref()).await,
            Part::Css(selector) => self.by_script(root, "css", json!(selector)).await,
            Part::Text(text) => self.by_script(root, "text", wanted(text)).await,
            Part::Label(text) => self.by_script(root, "label", wanted(text)).await,
            Part::Placeholder(text) => self.by_script(root, "placeholder", wanted(text)).await,
            Part::TestId(text) => self.by_script(root, "testid", wanted(text)).await,
        }
    }

    async fn by_script(
        &self,
        root: &Element,
        way: &str,
        wanted: Value,
    ) -> Result<Vec<Element>, Error> {
        let params = json!({
            "functionDeclaration": "function(way, wanted) { return __drift.find(this, way, wanted) }",
            "objectId": root.object, "objectGroup": WORLD,
            "arguments": [{"value": way}, {"value": wanted}],
        });
        let answer: Value = self.page.call("Runtime.callFunctionOn", params).await?;
        let list = super::result("Runtime.callFunctionOn", answer)?;
        let params = json!({"objectId": list["objectId"], "ownProperties": true});
        let properties: Value = self.page.call("Runtime.getProperties", params).await?;
        let objects = properties["result"].as_array().into_iter().flatten();
        let objects = objects.filter(|property| property["enumerable"] == true);
        let objects = objects.filter_map(|property| property["value"]["objectId"].as_str());
        Ok(objects.take(ENOUGH).map(|object| root.at(object)).collect())
    }

    async fn by_role(
        &self,
        root: &Element,
        role: &str,
        name: Option<&TextPattern>,
    ) -> Result<Vec<Element>, Error> {
        // Chromium's own word for it differs from the standard's in this one.
        let roles: &[&str] = if role == "img" {
            &["img", "image"]
        } else {
            &[role]
        };
        let mut found = Vec::new();
        for role in roles {
            let nodes = self.accessible(root, role).await?;
            let fitting = nodes.iter().filter(|node| {
                let is = node.name.text();
                !node.ignored && (is.is_empty() || name.is_none_or(|name| name.matches(is)))
            });
            for node in fitting.take(MOST) {
                let params = json!({
                    "backendNodeId": node.element,
                    "executionContextId": root.world, "objectGroup": WORLD,
                });
                let Ok(resolved) = self.page.call::<Value>("DOM.resolveNode", params).await else {
                    continue;
                };
                if let Some(object) = resolved["object"]["objectId"].as_str() {
                    let element = root.at(object);
                    let holder = json!({"objectId": root.object});
                    if !self.on(&element, "within", &[holder]).await? {
                        continue;
                    }
                    // Rows, items and paragraphs have no name of their own; what they say is theirs.
                    let is = node.name.text();
                    if let (true, Some(name)) = (is.is_empty(), name) {
                        let text: String = self.on(&element, "words", &[]).await?;
                        if !name.matches(&text) {
                            continue;
                        }
                    }
                    if self.on(&element, "visible", &[]).await? {
                        found.push(element);
                    }
                    if found.len() == ENOUGH {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Tab {
    /// The nodes of a role, below an element at least. Chromium answers this when it next draws the page, and a page
    /// with a frame that never loads may not be drawn again: then the whole tree is asked for, which is answered at once.
    async fn accessible(&self, root: &Element, role: &str) -> Result<Vec<Node>, Error> {
        let params = json!({"objectId": root.object, "role": role});
        let query = self.page.call::<Nodes>("Accessibility.queryAXTree", params);
        if let Ok(answer) = timeout(QUERY_DEADLINE, query).await {
            return Ok(answer?.nodes);
        }
        let params = json!({"frameId": root.frame});
        let all = self.page.call("Accessibility.getFullAXTree", params);
        let Nodes { mut nodes } = all.await?;
        nodes.retain(|node| node.role.text() == role);
        Ok(nodes)
    }
}

impl Element {
    /// Another element of the same world.
    fn at(&self, object: &str) -> Self {
        Self {
            object: object.to_owned(),
            frame: self.frame.clone(),
            world: self.world,
        }
    }
}

fn wanted(text: &TextPattern) -> Value {
    match text {
        TextPattern::Whole(whole) => json!({"whole": whole}),
        TextPattern::Regex {
            source, any_case, ..
        } => json!({"regex": source, "any_case": any_case}),
    }
}
