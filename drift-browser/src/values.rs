//! The named values of one run: where they come from, what they are now, and which of them no output may show.

use std::collections::{BTreeMap, HashMap};

use secrecy::{ExposeSecret, SecretString};

use crate::flow::{Flow, Source, Template};

/// What a value needs that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value `{name}` needs {needs}")]
pub struct Missing {
    pub name: String,
    pub needs: String,
}

pub struct Values {
    all: BTreeMap<String, Held>,
}

struct Held {
    value: SecretString,
    /// Whether evidence has to be without it.
    hidden: bool,
}

impl Values {
    pub fn empty() -> Self {
        Self {
            all: BTreeMap::new(),
        }
    }

    /// Draws and reads all values of a flow. `environment` is what our own process was given, `chosen` what the
    /// command line says instead, `before` what an earlier run had, when this one goes on with it.
    pub fn resolve(
        flow: &Flow,
        environment: &HashMap<String, SecretString>,
        chosen: &BTreeMap<String, String>,
        before: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<Missing>> {
        let mut values = Self::empty();
        let mut missing = Vec::new();
        let mut later = Vec::new();
        for (name, value) in &flow.values {
            let earlier = before.get(name).or_else(|| chosen.get(name));
            if let Some(earlier) = earlier {
                let public = matches!(
                    value.source,
                    Source::Plain(_) | Source::Environment { public: true, .. }
                );
                let hidden = value.secret || !public;
                values.put(name, earlier.clone(), hidden);
                continue;
            }
            match &value.source {
                Source::Plain(template) => later.push((name, template)),
                Source::Random(length) => match random(*length) {
                    Ok(drawn) => values.put(name, drawn, true),
                    Err(error) => missing.push(no_randomness(name, error)),
                },
                Source::Environment {
                    name: variable,
                    default,
                    plus,
                    public,
                } => {
                    let found = environment.get(variable).map(ExposeSecret::expose_secret);
                    match found.or(default.as_deref()) {
                        Some(text) if *plus && !text.contains('@') => missing.push(Missing {
                            name: name.clone(),
                            needs: format!("a mail address in {variable}: `plus` adds to one"),
                        }),
                        Some(text) if *plus => match plus_tagged(text) {
                            Ok(address) => values.put(name, address, true),
                            Err(error) => missing.push(no_randomness(name, error)),
                        },
                        Some(text) => {
                            let hidden = value.secret || (found.is_some() && !public);
                            values.put(name, text.to_owned(), hidden);
                        }
                        None => missing.push(Missing {
                            name: name.clone(),
                            needs: format!(
                                "{variable} (or {variable}_FILE) in the environment, which is not set"
                            ),
                        }),
                    }
                }
            }
        }
        for (name, value) in before {
            if !values.all.contains_key(name) {
                values.put(name, value.clone(), true);
            }
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        // Plain texts may be made of others, in any order but a circle.
        while !later.is_empty() {
            let count = later.len();
            later.retain(|(name, template)| match values.render(template) {
                Ok(text) => {
                    let made_of_hidden = template.names().any(|part| values.is_hidden(part));
                    values.put(name, text, made_of_hidden);
                    false
                }
                Err(_) => true,
            });
            if later.len() == count {
                let circle = later.iter().map(|(name, template)| Missing {
                    name: (*name).clone(),
                    needs: format!("`{template}`, which is not set"),
                });
                return Err(circle.collect());
            }
        }
        Ok(values)
    }

    pub fn put(&mut self, name: &str, value: String, hidden: bool) {
        let value = value.into();
        self.all.insert(name.to_owned(), Held { value, hidden });
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.all.get(name).map(|held| held.value.expose_secret())
    }

    fn is_hidden(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|held| held.hidden)
    }

    pub fn render(&self, template: &Template) -> Result<String, Missing> {
        let render = template.render(|name| self.get(name).map(str::to_owned));
        render.map_err(|name| Missing {
            name: name.to_owned(),
            needs: "a step that saves it before its first use".to_owned(),
        })
    }

    /// All texts that evidence must not show.
    pub fn hidden(&self) -> impl Iterator<Item = &str> {
        let hidden = self.all.values().filter(|held| held.hidden);
        hidden.map(|held| held.value.expose_secret())
    }

    /// Everything, for a file that only we read.
    pub fn all(&self) -> BTreeMap<String, String> {
        let entry =
            |(name, held): (&String, &Held)| (name.clone(), held.value.expose_secret().to_owned());
        self.all.iter().map(entry).collect()
    }
}

fn no_randomness(name: &str, error: getrandom::Error) -> Missing {
    Missing {
        name: name.to_owned(),
        needs: format!("random numbers of the system ({error})"),
    }
}

/// `alice@example.com` as `alice+d4k2w7xq@example.com`: the same mailbox, another account.
fn plus_tagged(address: &str) -> Result<String, getrandom::Error> {
    let Some((user, domain)) = address.rsplit_once('@') else {
        return Ok(address.to_owned());
    };
    let tag = drawn(7, b"abcdefghijklmnopqrstuvwxyz234567")?;
    Ok(format!("{user}+d{tag}@{domain}"))
}

/// A password that the usual rules accept: letters of both cases, digits, a mark.
fn random(length: usize) -> Result<String, getrandom::Error> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    Ok(drawn(length - 4, LETTERS)? + "aZ7-")
}

/// Letters at random. The alphabet's length divides 256, so each is as likely.
fn drawn<const N: usize>(length: usize, alphabet: &[u8; N]) -> Result<String, getrandom::Error> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)?;
    let letters = bytes
        .iter()
        .map(|byte| char::from(alphabet[usize::from(*byte) % N]));
    Ok(letters.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_address_reaches_the_same_mailbox() {
        let tagged = || plus_tagged("alice@a.example").unwrap();
        let (one, other) = (tagged(), tagged());
        assert!(one.starts_with("alice+d") && one.ends_with("@a.example"));
        assert_ne!(one, other);
    }

    #[test]
    fn a_drawn_password_has_its_length_and_is_another_each_time() {
        for length in [8, 20, 128] {
            assert_eq!(random(length).unwrap().len(), length);
        }
        assert_ne!(random(20).unwrap(), random(20).unwrap());
    }
}
