//! Taking a value off the page: only one that the page issued in this very step, and that is no example of one. Codes from
//! mails come in here too.

use std::collections::BTreeSet;
use std::time::Instant;

use regex::Regex;
use serde_json::json;
use tokio::time::timeout_at;

use super::wait::list;
use super::{Engine, Stop, code};
use crate::flow::{Step, Verb};
use crate::mail::{self, Wanted};

/// Values that stood on the page before a step, of the shape that the step extracts.
pub(super) type Seen = BTreeSet<String>;

impl Engine<'_> {
    /// What looks like a value that this step is going to extract, and is there already: an example, or an old one.
    pub(super) async fn seen_before(&mut self, step: &Step, ends: Instant) -> Seen {
        let patterns: Vec<&Regex> = step
            .actions
            .iter()
            .filter_map(|action| match &action.verb {
                Verb::Extract {
                    pattern: Some(pattern),
                    old: false,
                    ..
                } => Some(pattern),
                _ => None,
            })
            .collect();
        let mut seen = Seen::new();
        if patterns.is_empty() {
            return seen;
        }
        let frames = timeout_at(ends.into(), self.tab.frames()).await;
        let Ok(Ok(frames)) = frames else {
            return seen;
        };
        for frame in frames {
            let text = self.tab.ask::<String>(&frame, "__drift.text()");
            let Ok(Ok(text)) = timeout_at(ends.into(), text).await else {
                continue;
            };
            for pattern in &patterns {
                seen.extend(
                    pattern
                        .captures_iter(&text)
                        .filter_map(|found| value_of(&found)),
                );
            }
        }
        seen
    }

    pub(super) async fn extract(
        &mut self,
        verb: &Verb,
        step: &Step,
        before: &Seen,
        ends: Instant,
    ) -> Result<(), Stop> {
        let Verb::Extract {
            from,
            pattern,
            attribute,
            save,
            ..
        } = verb
        else {
            return Ok(());
        };
        let is_result = self.flow.result.as_ref() == Some(save);
        let locators = self.locators(from);
        let found = self
            .until(step, ends, async |engine| {
                let mut why = format!("found none of {}", list(from));
                for locator in &locators {
                    let mut values = BTreeSet::new();
                    for element in engine.tab.find(locator).await?.0 {
                        let attribute = json!({"value": attribute});
                        let text: String = engine.tab.on(&element, "read", &[attribute]).await?;
                        let found: Vec<String> = match pattern {
                            Some(pattern) => {
                                let found = pattern.captures_iter(&text);
                                found.filter_map(|found| value_of(&found)).collect()
                            }
                            None => vec![text.trim().to_owned()],
                        };
                        values.extend(found.into_iter().filter(|value| !value.is_empty()));
                        why = format!("{locator} has no value of the expected form");
                    }
                    let count = values.len();
                    values.retain(|value| !before.contains(value));
                    if is_result {
                        values.retain(|value| !is_example(value));
                    }
                    match values.len() {
                        1 => return Ok(values.pop_first().ok_or_else(String::new)),
                        0 if count > 0 => {
                            why =
                                format!("{locator} shows only an example, or a value from before");
                        }
                        0 => {}
                        many => why = format!("{locator} shows {many} different values"),
                    }
                }
                Ok(Err(why))
            })
            .await?;
        match found {
            Ok(value) => {
                self.values.put(save, value, true);
                Ok(())
            }
            Err(missing) => Err(self.judge(missing).await),
        }
    }

    pub(super) async fn otp(&mut self, verb: &Verb, ends: Instant) -> Result<(), Stop> {
        let Verb::Otp {
            save,
            from,
            subject,
            to,
            pattern,
        } = verb
        else {
            return Ok(());
        };
        let Some(mailbox) = &self.flow.mailbox else {
            return Ok(());
        };
        let to = match to {
            Some(to) => Some(self.text(to)?),
            None => None,
        };
        let optional = |text: &Option<crate::flow::Template>| match text {
            Some(text) => self.text(text).map(Some),
            None => Ok(None),
        };
        let mailbox = mail::Mailbox {
            address: self.text(&mailbox.address)?,
            password: self.text(&mailbox.password)?.into(),
            server: optional(&mailbox.server)?.filter(|server| !server.is_empty()),
            ca_file: optional(&mailbox.ca_file)?.filter(|file| !file.is_empty()),
        };
        let wanted = Wanted {
            since: self.mails_since,
            to,
            from: from.clone(),
            subject: subject.clone(),
            pattern: pattern.clone(),
        };
        match mail::wait_for_code(&mailbox, &wanted, ends).await {
            Ok(found) => {
                self.values.put(save, found, true);
                Ok(())
            }
            Err(error) => Err(Stop::Failed {
                code: code(error.code()),
                why: error.to_string(),
            }),
        }
    }
}

/// The first group of a match, or all of it.
fn value_of(found: &regex::Captures<'_>) -> Option<String> {
    let value = found.get(1).or_else(|| found.get(0))?;
    Some(value.as_str().to_owned())
}

/// Whether a key is one that documentation shows.
fn is_example(value: &str) -> bool {
    let low = value.to_ascii_lowercase();
    let words = [
        "fake",
        "example",
        "xxxx",
        "your",
        "placeholder",
        "redacted",
        "sample",
        "****",
        "...",
        "…",
        "•",
    ];
    let letters: BTreeSet<char> = low.chars().collect();
    words.iter().any(|word| low.contains(word)) || letters.len() < 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_keys_are_told_from_keys() {
        for example in [
            "sk-or-v1-FAKE",
            "sk-xxxxxxxxxxxx",
            "YOUR_API_KEY",
            "sk-0000000000000000",
            "sk-abcd…wxyz",
        ] {
            assert!(is_example(example), "{example}");
        }
        assert!(!is_example("sk-or-v1-8f14e45fceea167a5a36dedd4bea2543"));
    }
}
