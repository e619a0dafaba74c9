//! Real input: the browser moves a mouse and presses keys, as for a person. Before that an element has to be where a
//! person could use it: in view, at rest, enabled, and on top.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Element, Tab};
use crate::cdp::Error;
use crate::keys::KEYS;

/// Why an element that is there cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    Disabled,
    ReadOnly,
    /// No part of it can be brought into view.
    OutOfView,
    /// What is in the way.
    Covered(String),
    Gone,
}

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disabled => f.write_str("it is disabled"),
            Self::ReadOnly => f.write_str("it cannot be written to"),
            Self::OutOfView => f.write_str("it cannot be brought into view"),
            Self::Covered(by) => write!(f, "it is covered by {by}"),
            Self::Gone => f.write_str("it went away"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Point {
    x: f64,
    y: f64,
}

#[derive(Deserialize)]
struct Prepared {
    #[serde(default)]
    gone: bool,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    readonly: bool,
}

impl Tab {
    /// Where to click an element, once nothing is in the way.
    pub async fn reach(&self, element: &Element) -> Result<Result<Point, Blocked>, Error> {
        let prepared: Prepared = self.on(element, "prepare", &[]).await?;
        if prepared.gone {
            return Ok(Err(Blocked::Gone));
        }
        if prepared.disabled {
            return Ok(Err(Blocked::Disabled));
        }
        let params = json!({"objectId": element.object});
        let quads = self.page.call::<Value>("DOM.getContentQuads", params).await;
        let metrics: Value = self.page.call("Page.getLayoutMetrics", json!({})).await?;
        let view = &metrics["cssLayoutViewport"];
        let number = |value: &Value| value.as_f64().unwrap_or_default();
        let size = (number(&view["clientWidth"]), number(&view["clientHeight"]));
        let quads = quads.map(|answer| answer["quads"].clone());
        let point = match &quads {
            Ok(Value::Array(quads)) => quads.iter().find_map(|quad| middle(quad, size)),
            _ => None,
        };
        let Some(point) = point else {
            return Ok(Err(Blocked::OutOfView));
        };
        // The browser is asked in places of the document, not of the window.
        let params = json!({
            "x": (point.x + number(&view["pageX"])).round(),
            "y": (point.y + number(&view["pageY"])).round(),
            "includeUserAgentShadowDOM": false, "ignorePointerEventsNone": false,
        });
        let hit = self
            .page
            .call::<Value>("DOM.getNodeForLocation", params)
            .await?;
        let params = json!({
            "backendNodeId": hit["backendNodeId"], "executionContextId": element.world,
            "objectGroup": super::WORLD,
        });
        // A node of another frame has no place in this world.
        let Ok(hit) = self.page.call::<Value>("DOM.resolveNode", params).await else {
            return Ok(Err(Blocked::Covered("another frame".to_owned())));
        };
        let hit = json!({"objectId": hit["object"]["objectId"]});
        let obstacle: Option<String> = self.on(element, "obstacle", &[hit]).await?;
        Ok(match obstacle {
            Some(by) => Err(Blocked::Covered(by)),
            None => Ok(point),
        })
    }

    /// The same for an element that is to be typed into.
    pub async fn reach_field(&self, element: &Element) -> Result<Result<Point, Blocked>, Error> {
        let prepared: Prepared = self.on(element, "prepare", &[]).await?;
        if prepared.readonly {
            return Ok(Err(Blocked::ReadOnly));
        }
        self.reach(element).await
    }

    pub async fn click(&self, point: Point) -> Result<(), Error> {
        let Point { x, y } = point;
        let events = [
            json!({"type": "mouseMoved", "x": x, "y": y}),
            json!({"type": "mousePressed", "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}),
            json!({"type": "mouseReleased", "x": x, "y": y, "button": "left", "clickCount": 1}),
        ];
        for event in events {
            self.page.tell("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Types a text key by key, so that pages which listen to keys hear them.
    pub async fn type_text(&self, text: &str) -> Result<(), Error> {
        for letter in text.chars() {
            if !letter.is_ascii() || letter.is_ascii_control() {
                let params = json!({"text": letter});
                self.page.tell("Input.insertText", params).await?;
                continue;
            }
            let down = json!({"type": "keyDown", "key": letter, "text": letter});
            let up = json!({"type": "keyUp", "key": letter});
            self.page.tell("Input.dispatchKeyEvent", down).await?;
            self.page.tell("Input.dispatchKeyEvent", up).await?;
        }
        Ok(())
    }

    pub async fn press(&self, key: &str) -> Result<(), Error> {
        let Some((name, text, code)) = KEYS.iter().find(|(name, ..)| *name == key) else {
            return Ok(());
        };
        let key = if *name == "Space" { " " } else { name };
        let mut down =
            json!({"type": "keyDown", "key": key, "code": name, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            down["text"] = json!(text);
        }
        let up = json!({"type": "keyUp", "key": key, "code": name, "windowsVirtualKeyCode": code});
        self.page.tell("Input.dispatchKeyEvent", down).await?;
        self.page.tell("Input.dispatchKeyEvent", up).await
    }
}

/// The middle of the part of a quad that is in view.
fn middle(quad: &Value, (width, height): (f64, f64)) -> Option<Point> {
    let numbers: Vec<f64> = quad.as_array()?.iter().filter_map(Value::as_f64).collect();
    if numbers.len() != 8 {
        return None;
    }
    let range = |offset: usize, limit: f64| {
        let values = numbers.iter().skip(offset).step_by(2).copied();
        let least = values.clone().fold(f64::INFINITY, f64::min).max(0.0);
        let most = values.fold(f64::NEG_INFINITY, f64::max).min(limit);
        (most - least >= 1.0).then_some((least + most) / 2.0)
    };
    Some(Point {
        x: range(0, width)?,
        y: range(1, height)?,
    })
}
