//! Texts and addresses that a page is compared with: `"Continue"`, `/code is (wrong|invalid)/i`, `https://a.example/**`.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Compiles what an author wrote. Text locators run the same expression in the page, so what the two dialects
/// understand differently is refused.
pub(super) fn regex(source: &str, any_case: bool) -> Result<Regex, String> {
    for (foreign, instead) in [
        ("(?i)", "write /…/i"),
        ("(?P<", "names are not used"),
        ("\\A", "use ^"),
        ("\\z", "use $"),
        ("[[:", "use \\d, \\s, a-z"),
        ("\\x{", "use \\u{…}"),
    ] {
        if source.contains(foreign) {
            return Err(format!("`{foreign}` is not understood here: {instead}"));
        }
    }
    let built = RegexBuilder::new(source)
        .case_insensitive(any_case)
        .size_limit(1 << 20)
        .build();
    built.map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or("not an expression");
        format!(
            "not a regular expression: {}",
            reason.trim_start_matches("error: ")
        )
    })
}

/// What a name or a text has to be.
#[derive(Debug, Clone)]
pub enum TextPattern {
    /// The whole text, in any case; white space counts as one space.
    Whole(String),
    /// Anywhere in the text.
    Regex {
        regex: Regex,
        source: String,
        any_case: bool,
    },
}

impl TextPattern {
    /// `"text"`, `'text'` or `/expression/`, with `i` behind it for any case.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        for quote in ['"', '\''] {
            let inner = text
                .strip_prefix(quote)
                .and_then(|rest| rest.strip_suffix(quote));
            if let Some(inner) = inner.filter(|inner| !inner.trim().is_empty()) {
                return Ok(Self::Whole(collapse(inner)));
            }
        }
        if let Some((source, flags)) = text
            .strip_prefix('/')
            .and_then(|rest| rest.rsplit_once('/'))
        {
            let any_case = match flags {
                "" => false,
                "i" => true,
                other => return Err(format!("`{other}` is no flag; there is only i")),
            };
            if source.is_empty() {
                return Err("an empty expression matches everything".to_owned());
            }
            return Ok(Self::Regex {
                regex: regex(source, any_case)?,
                source: source.to_owned(),
                any_case,
            });
        }
        Err(format!("expected \"text\" or /expression/, found `{text}`"))
    }

    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Whole(whole) => collapse(text).to_lowercase() == whole.to_lowercase(),
            Self::Regex { regex, .. } => regex.is_match(&collapse(text)),
        }
    }
}

impl fmt::Display for TextPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(text) => write!(f, "\"{text}\""),
            Self::Regex {
                source, any_case, ..
            } => write!(f, "/{source}/{}", if *any_case { "i" } else { "" }),
        }
    }
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An address that a page should have. `*` is anything within one part of the path, `**` anything at all. Query and
/// fragment only count when the pattern has them.
#[derive(Debug, Clone)]
pub struct UrlPattern {
    source: String,
    regex: Regex,
    with_query: bool,
}

impl UrlPattern {
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((source, flags)) = text
            .strip_prefix('/')
            .and_then(|rest| rest.rsplit_once('/'))
            && matches!(flags, "" | "i")
            && !source.is_empty()
        {
            return Ok(Self {
                source: text.to_owned(),
                regex: regex(source, flags == "i")?,
                with_query: true,
            });
        }
        let begins = ["http://", "https://", "**"];
        if !begins.iter().any(|begin| text.starts_with(begin)) {
            return Err(format!(
                "an address begins with https://, http:// or **: `{text}`"
            ));
        }
        let mut expression = String::from("^");
        for (number, part) in text.split("**").enumerate() {
            if number > 0 {
                expression.push_str(".*");
            }
            let parts: Vec<String> = part.split('*').map(regex::escape).collect();
            expression.push_str(&parts.join("[^/]*"));
        }
        expression.push('$');
        Ok(Self {
            source: text.to_owned(),
            regex: regex(&expression, false)?,
            with_query: text.contains(['?', '#']),
        })
    }

    pub fn matches(&self, url: &str) -> bool {
        if self.with_query {
            return self.regex.is_match(url);
        }
        let bare = url.split(['?', '#']).next().unwrap_or(url);
        // Whether a folder is written with its last stroke is the server's taste.
        self.regex.is_match(bare) || self.regex.is_match(bare.trim_end_matches('/'))
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_texts_are_whole_and_expressions_are_anywhere() {
        let whole = TextPattern::parse("\"Sign up\"").unwrap();
        assert!(whole.matches("  sign\n up ") && !whole.matches("Sign up with Google"));
        let part = TextPattern::parse("/e-?mail/i").unwrap();
        assert!(part.matches("Work E-Mail") && !part.matches("Phone"));
        for bad in ["", "\"\"", "Continue", "/a(/", "//", "/a/g", "/(?i)a/"] {
            assert!(TextPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_compared_without_their_query_unless_the_pattern_has_one() {
        let verify = UrlPattern::parse("https://a.example/*/verify").unwrap();
        assert!(verify.matches("https://a.example/u/verify?token=1#x"));
        assert!(verify.matches("https://a.example/u/verify/"));
        assert!(!verify.matches("https://a.example/u/v/verify"));
        assert!(!verify.matches("https://a.example.evil.example/u/verify"));
        let any = UrlPattern::parse("**/keys").unwrap();
        assert!(any.matches("https://a.example/settings/keys"));
        let query = UrlPattern::parse("https://a.example/?tab=keys").unwrap();
        assert!(query.matches("https://a.example/?tab=keys"));
        assert!(!query.matches("https://a.example/"));
        assert!(UrlPattern::parse("a.example").is_err());
    }
}
