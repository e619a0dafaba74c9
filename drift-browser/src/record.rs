//! A recording: what a person did on a page, and the flow that would do the same. What was typed is never known here;
//! the draft has named values in its place.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::json;

use crate::cdp::{Error, Events};
use crate::engine::host;
use crate::page::Page;

const SCRIPT: &str = include_str!("record.js");

pub struct Recording {
    url: String,
    events: Events,
    steps: Vec<Step>,
}

#[derive(Debug, PartialEq)]
struct Step {
    url: String,
    actions: Vec<Action>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Action {
    kind: String,
    #[serde(default)]
    locators: Vec<String>,
    url: String,
    #[serde(default)]
    option: Option<String>,
    #[serde(default)]
    key: Option<String>,
    /// What the field is called, and whether it hides what is typed.
    #[serde(default)]
    field: String,
    #[serde(default)]
    secret: bool,
}

impl Recording {
    pub async fn begin(page: &Page, url: &str) -> Result<Self, Error> {
        let events = page.events();
        page.tell("Page.enable", json!({})).await?;
        page.tell("Runtime.enable", json!({})).await?;
        page.tell("Runtime.addBinding", json!({"name": "driftRecord"}))
            .await?;
        let script = json!({"source": SCRIPT});
        page.tell("Page.addScriptToEvaluateOnNewDocument", script)
            .await?;
        page.tell("Page.navigate", json!({"url": url})).await?;
        Ok(Self {
            url: url.to_owned(),
            events,
            steps: Vec::new(),
        })
    }

    /// Until the tab or the browser is closed.
    pub async fn listen(&mut self) {
        while let Some(event) = self.events.recv().await {
            match event.method.as_str() {
                "Runtime.bindingCalled" if event.params["name"] == "driftRecord" => {
                    let told = event.params["payload"].as_str().unwrap_or_default();
                    if let Ok(action) = serde_json::from_str(told) {
                        self.add(action);
                    }
                }
                "Inspector.detached" | "Inspector.targetCrashed" => return,
                _ => {}
            }
        }
    }

    /// One step for each page.
    fn add(&mut self, action: Action) {
        let bare = action.url.split(['?', '#']).next().unwrap_or_default();
        match self.steps.last_mut() {
            Some(step) if step.url == bare => {
                // A field that was left and filled again is filled once.
                let again = |before: &Action| {
                    before.kind == "fill"
                        && action.kind == "fill"
                        && before.locators == action.locators
                };
                if !step.actions.last().is_some_and(again) {
                    step.actions.push(action);
                }
            }
            _ => self.steps.push(Step {
                url: bare.to_owned(),
                actions: vec![action],
            }),
        }
    }

    pub fn draft(&self) -> String {
        let mut values: BTreeMap<String, bool> = BTreeMap::new();
        let mut steps = String::new();
        for (number, step) in self.steps.iter().enumerate() {
            let name = step_name(&step.url, number);
            let _ = writeln!(steps, "\n[[step]]\nname = \"{name}\"");
            if number > 0 {
                let _ = writeln!(steps, "at = {}", quoted(&step.url));
            }
            steps += "do = [\n";
            if number == 0 {
                let _ = writeln!(steps, "    {{ goto = {} }},", quoted(&self.url));
            }
            for action in &step.actions {
                steps += &line(action, &mut values);
            }
            steps += "]\n";
            let next = self.steps.get(number + 1);
            match next {
                Some(next) => {
                    let _ = writeln!(steps, "expect-url = {}", quoted(&next.url));
                }
                None => {
                    steps +=
                        "# expect = 'heading \"…\"'   # what is to be seen when it went well\n";
                }
            }
        }
        let service = host(&self.url).unwrap_or_default();
        let service = name_of(service.trim_start_matches("www."));
        let mut draft = format!(
            "# Recorded; a first draft. Read it, name the steps, say what each expects, and run\n\
             # `drift-scraper check` and `drift-scraper run` on it.\n\
             service = \"{service}\"\nversion = \"0.1.0\"\n"
        );
        for (secret, table) in [(false, "values"), (true, "secrets")] {
            let names: Vec<&String> = values
                .iter()
                .filter_map(|(name, is)| (*is == secret).then_some(name))
                .collect();
            if !names.is_empty() {
                let _ = writeln!(draft, "\n[{table}]");
            }
            for name in names {
                let variable = name.to_uppercase().replace(['-', '.'], "_");
                let _ = writeln!(draft, "{name} = {{ env = \"{variable}\" }}");
            }
        }
        draft + &steps
    }
}

fn line(action: &Action, values: &mut BTreeMap<String, bool>) -> String {
    let locators: Vec<String> = action.locators.iter().map(|one| quoted(one)).collect();
    let what = match &locators[..] {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let rest = match action.kind.as_str() {
        "press" => {
            return format!(
                "    {{ press = {} }},\n",
                quoted(action.key.as_deref().unwrap_or("Enter"))
            );
        }
        "fill" => {
            let name = match name_of(&action.field) {
                name if name.is_empty() => format!("value-{}", values.len() + 1),
                name => name,
            };
            values.insert(name.clone(), action.secret);
            format!(", with = \"${{{name}}}\"")
        }
        "select" => format!(
            ", option = {}",
            quoted(action.option.as_deref().unwrap_or_default())
        ),
        _ => String::new(),
    };
    format!("    {{ {} = {what}{rest} }},\n", action.kind)
}

/// A text as TOML has it: plain where it can be, so that locators stay readable.
fn quoted(text: &str) -> String {
    if text.contains(['\'', '\n']) || text.chars().any(char::is_control) {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        return format!("\"{text}\"").replace("${", "$${");
    }
    format!("'{text}'").replace("${", "$${")
}

fn name_of(text: &str) -> String {
    let mapped = text.to_lowercase();
    let words: Vec<&str> = mapped
        .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()))
        .filter(|word| !word.is_empty())
        .take(4)
        .collect();
    words.join("-")
}

fn step_name(url: &str, number: usize) -> String {
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    match name_of(path) {
        name if name.is_empty() => format!("step-{}", number + 1),
        name => format!("{}-{name}", number + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Flow;

    #[test]
    fn a_recording_is_a_flow_that_can_be_read() {
        let (_, events) = tokio::sync::mpsc::unbounded_channel();
        let mut recording = Recording {
            url: "https://www.acme.example/join".to_owned(),
            events,
            steps: Vec::new(),
        };
        let told = [
            r#"{"kind":"fill","locators":["textbox \"Bob's mail\"","css input[name=m]"],"url":"https://www.acme.example/join?x=1","field":"Bob's mail"}"#,
            r#"{"kind":"fill","locators":["label \"Password\""],"url":"https://www.acme.example/join","field":"Password","secret":true}"#,
            r#"{"kind":"press","url":"https://www.acme.example/join","key":"Enter"}"#,
            r#"{"kind":"select","locators":["combobox \"Plan\""],"url":"https://www.acme.example/plan","option":"Free ${x}"}"#,
            r#"{"kind":"click","locators":["button \"Go\""],"url":"https://www.acme.example/plan"}"#,
        ];
        for told in told {
            recording.add(serde_json::from_str(told).unwrap());
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("draft.toml");
        std::fs::write(&file, recording.draft()).unwrap();
        let flow = Flow::read(&file).unwrap();
        assert_eq!(flow.service.as_str(), "acme-example");
        assert_eq!(flow.steps.len(), 2);
        assert_eq!(flow.steps[0].actions.len(), 4);
        assert!(flow.values["password"].secret && !flow.values["bob-s-mail"].secret);
    }
}
