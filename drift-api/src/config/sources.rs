//! Where values come from, before anybody asks what they mean.

use std::collections::HashMap;
use std::path::Path;

use super::SETTINGS;

/// Flags first, then the environment, then a file of `NAME=value` lines.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    flags: HashMap<&'static str, String>,
    environment: HashMap<String, String>,
    file: HashMap<String, String>,
    /// What could not even be read; told together with the values that make no sense.
    pub(super) problems: Vec<String>,
}

impl Sources {
    /// The environment of this process. The one place that reads it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where configuration is read"
    )]
    pub fn from_process() -> Self {
        let mut sources = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => {
                    sources.environment.insert(name, value);
                }
                Err(_) if is_setting(&name) => {
                    sources.problems.push(format!("{name} is not UTF-8"));
                }
                Err(_) => {}
            }
        }
        sources
    }

    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let environment = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            environment,
            ..Self::default()
        }
    }

    pub fn flag(&mut self, name: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.flags.insert(name, value);
        }
    }

    /// Reads a file like `.env.example`.
    pub fn read_file(&mut self, path: &Path) {
        let shown = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.problems.push(format!("{shown}: {error}")),
        };
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=') {
                Some((name, value)) if is_setting(name) => {
                    self.file
                        .insert(name.to_owned(), value.trim_matches('"').to_owned());
                }
                Some((name, _)) => self
                    .problems
                    .push(format!("{shown}:{number}: {name} is not a setting")),
                // Not echoed: a line that was cut may hold a secret.
                None => self
                    .problems
                    .push(format!("{shown}:{number}: is not NAME=value")),
            }
        }
    }

    /// An empty value is an absent one.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let found = self
            .flags
            .get(name)
            .or_else(|| self.environment.get(name))
            .or_else(|| self.file.get(name));
        found.filter(|value| !value.is_empty()).cloned()
    }
}

fn is_setting(name: &str) -> bool {
    let base = name.strip_suffix("_FILE").unwrap_or(name);
    let ours = SETTINGS
        .iter()
        .any(|setting| setting.name == name || (setting.secret && setting.name == base));
    ours || name.starts_with("OTEL_")
}
