//! Texts with values in them: `${email}`. A dollar sign that means itself before a brace is written `$${`.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Value(String),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

impl Template {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                plain.push_str(&rest[..at - 1]);
                plain.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            plain.push_str(&rest[..at]);
            let (name, after) = rest[at + 2..]
                .split_once('}')
                .ok_or("`${` without its closing brace")?;
            if !is_name(name) {
                return Err(format!(
                    "`${{{name}}}`: a name has lower-case letters, digits, - and _"
                ));
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Value(name.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The names of the values in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Value(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// Replaces some of the values by texts; what `known` does not know stays.
    pub fn fill(&self, mut known: impl FnMut(&str) -> Option<Template>) -> Self {
        let filled = self.0.iter().flat_map(|piece| match piece {
            Piece::Value(name) => known(name).map_or(vec![piece.clone()], |known| known.0),
            Piece::Text(_) => vec![piece.clone()],
        });
        Self(filled.collect())
    }

    /// The text, once every value is known; else the name of the first that is not.
    pub fn render(&self, value: impl Fn(&str) -> Option<String>) -> Result<String, &str> {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Ok(text.clone()),
                Piece::Value(name) => value(name).ok_or(name.as_str()),
            })
            .collect()
    }
}

pub(super) fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().next().is_some_and(plain)
        && text
            .bytes()
            .all(|b| plain(b) || matches!(b, b'-' | b'_' | b'.'))
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Value(name) => write!(f, "${{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_braces_and_a_doubled_dollar_means_itself() {
        let template = Template::parse("a ${x} $${y} ${z-1}").unwrap();
        assert_eq!(template.names().collect::<Vec<_>>(), ["x", "z-1"]);
        let text = template.render(|name| Some(format!("<{name}>"))).unwrap();
        assert_eq!(text, "a <x> ${y} <z-1>");
        assert_eq!(template.render(|_| None), Err("x"));
        assert!(Template::parse("${x").is_err() && Template::parse("${X}").is_err());
    }
}
