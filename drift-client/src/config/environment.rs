//! The environment, read once. What a scraper is granted is taken from here, too.

use std::collections::HashMap;

use secrecy::SecretString;

/// Variables and their values. Prints names only: some values are passwords.
#[derive(Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// Of this process. The one place that reads it. What is not UTF-8 is left out.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where configuration is read"
    )]
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(pairs.into_iter().map(owned).collect())
    }

    /// An empty value is an absent one.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// As it stands, also when empty.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of `NAME`, or of the file that `NAME_FILE` names.
    pub fn secret(&self, name: &str) -> Result<Option<String>, String> {
        if let Some(value) = self.get(name) {
            return Ok(Some(value.to_owned()));
        }
        let Some(file) = self.get(&format!("{name}_FILE")) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{name}_FILE names {file}, which cannot be read: {error}"))?;
        let value = text.trim_end_matches(['\r', '\n']);
        Ok(Some(value.to_owned()).filter(|value| !value.is_empty()))
    }

    /// What a child may see: the plain variables, and those that were granted by name.
    pub fn granted(&self, names: &[String]) -> Result<Vec<(String, SecretString)>, String> {
        let mut granted = Vec::new();
        for name in crate::scraper::PLAIN_VARIABLES {
            if let Some(value) = self.raw(name) {
                granted.push((name.to_owned(), value.into()));
            }
        }
        for name in names {
            let value = match self.raw(name) {
                Some(value) => Some(value.to_owned()),
                None => self.secret(name)?,
            };
            if let Some(value) = value {
                granted.push((name.clone(), value.into()));
            }
        }
        Ok(granted)
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
