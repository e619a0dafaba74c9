//! One action: exactly one verb, and only the fields that go with it.

use toml::Spanned;

use super::Reader;
use crate::flow::file::{self, Text};
use crate::flow::pattern::{self, TextPattern};
use crate::flow::template::is_name;
use crate::flow::{Action, Verb};
use crate::keys;

/// A code in a mail, where a flow does not say how it looks.
const CODE: &str = r"\b(\d{6})\b";

/// Which fields go with which verb, beside `optional`.
const VERBS: [(&str, &[&str]); 11] = [
    ("goto", &[]),
    ("fill", &["with"]),
    ("click", &[]),
    ("check", &[]),
    ("uncheck", &[]),
    ("select", &["option"]),
    ("press", &[]),
    ("wait-for", &[]),
    ("expect-url", &[]),
    ("extract", &["pattern", "attribute", "save", "old"]),
    ("otp", &["from", "subject", "to", "pattern"]),
];

impl file::Action {
    /// The names of all fields that stand.
    fn fields(&self) -> Vec<&'static str> {
        [
            ("goto", self.goto.is_some()),
            ("fill", self.fill.is_some()),
            ("with", self.with.is_some()),
            ("click", self.click.is_some()),
            ("check", self.check.is_some()),
            ("uncheck", self.uncheck.is_some()),
            ("select", self.select.is_some()),
            ("option", self.option.is_some()),
            ("press", self.press.is_some()),
            ("wait-for", self.wait_for.is_some()),
            ("expect-url", self.expect_url.is_some()),
            ("extract", self.extract.is_some()),
            ("pattern", self.pattern.is_some()),
            ("attribute", self.attribute.is_some()),
            ("save", self.save.is_some()),
            ("old", self.old.is_some()),
            ("otp", self.otp.is_some()),
            ("from", self.from.is_some()),
            ("subject", self.subject.is_some()),
            ("to", self.to.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, stands)| stands.then_some(name))
        .collect()
    }
}

impl Reader<'_> {
    pub(super) fn action(&mut self, place: &str, written: Spanned<file::Action>) -> Option<Action> {
        let span = written.span();
        let written = written.into_inner();
        let stand = written.fields();
        let verbs: Vec<_> = VERBS
            .iter()
            .filter(|(verb, _)| stand.contains(verb))
            .collect();
        let [(verb, theirs)] = verbs[..] else {
            let all: Vec<&str> = VERBS.iter().map(|(verb, _)| *verb).collect();
            let message = if verbs.is_empty() {
                format!("{place}: needs one of {}", all.join(", "))
            } else {
                let both: Vec<&str> = verbs.iter().map(|(verb, _)| *verb).collect();
                format!("{place}: {} are two actions; write two", both.join(" and "))
            };
            self.fault(span, message);
            return None;
        };
        for field in &stand {
            if field != verb && !theirs.contains(field) {
                self.fault(
                    span.clone(),
                    format!("{place}: `{field}` does not go with {verb}"),
                );
                return None;
            }
        }
        let place = format!("{place}, {verb}");
        let optional = written
            .optional
            .as_ref()
            .is_some_and(|flag| *flag.get_ref());
        let action = self.verb(&place, span.clone(), written)?;
        if optional && action.locators().is_none() {
            self.fault(
                span,
                format!("{place}: only what looks for an element can be optional"),
            );
        }
        Some(Action {
            verb: action,
            optional,
        })
    }

    fn verb(
        &mut self,
        place: &str,
        span: std::ops::Range<usize>,
        written: file::Action,
    ) -> Option<Verb> {
        let mut required = |name: &str, text: Option<Text>| {
            if text.is_none() {
                self.fault(span.clone(), format!("{place}: `{name}` is missing"));
            }
            text
        };
        if let Some(url) = written.goto {
            let begins = [
                "http://",
                "https://",
                "${",
                "file://",
                "data:",
                "about:blank",
            ];
            if !begins.iter().any(|begin| url.get_ref().starts_with(begin)) {
                self.fault(
                    url.span(),
                    format!("{place}: an address begins with https:// (or http://)"),
                );
                return None;
            }
            return Some(Verb::Goto(self.template(place, &url)?));
        }
        if let Some(into) = written.fill {
            let with = required("with", written.with)?;
            let into = self.locators(place, Some(&into));
            let text = self.template(place, &with)?;
            return Some(Verb::Fill { into, text });
        }
        if let Some(what) = written.click {
            return Some(Verb::Click(self.locators(place, Some(&what))));
        }
        if let Some(what) = written.check {
            let what = self.locators(place, Some(&what));
            return Some(Verb::Check { what, on: true });
        }
        if let Some(what) = written.uncheck {
            let what = self.locators(place, Some(&what));
            return Some(Verb::Check { what, on: false });
        }
        if let Some(what) = written.select {
            let option = required("option", written.option)?;
            let what = self.locators(place, Some(&what));
            let option = self.template(place, &option)?;
            return Some(Verb::Select { what, option });
        }
        if let Some(key) = written.press {
            return self.word(place, &key, keys::parse).map(Verb::Press);
        }
        if let Some(what) = written.wait_for {
            return Some(Verb::WaitFor(self.locators(place, Some(&what))));
        }
        if let Some(url) = written.expect_url {
            return Some(Verb::ExpectUrl(self.url(place, &url)?));
        }
        if let Some(from) = written.extract {
            let save = required("save", written.save)?;
            let save = self.name(place, &save)?;
            let from = self.locators(place, Some(&from));
            let pattern = match &written.pattern {
                Some(text) => Some(self.word(place, text, |text| pattern::regex(text, false))?),
                None => None,
            };
            return Some(Verb::Extract {
                from,
                pattern,
                attribute: written.attribute.map(Spanned::into_inner),
                save,
                old: written.old.is_some_and(Spanned::into_inner),
            });
        }
        let save = self.name(place, &written.otp?)?;
        let from = written.from.as_ref();
        let subject = written.subject.as_ref();
        let pattern = match &written.pattern {
            Some(text) => {
                let holes = self.template(place, text)?;
                let text = Spanned::new(text.span(), holes.to_string());
                self.word(place, &text, |text| pattern::regex(text, false))?
            }
            None => pattern::regex(CODE, false).ok()?,
        };
        Some(Verb::Otp {
            save,
            from: from.and_then(|text| self.text_pattern(place, text)),
            subject: subject.and_then(|text| self.text_pattern(place, text)),
            to: written.to.and_then(|to| self.template(place, &to)),
            pattern,
        })
    }

    /// A pattern for a text, which may come from a hole.
    fn text_pattern(&mut self, place: &str, text: &Text) -> Option<TextPattern> {
        let filled = self.template(place, text)?.to_string();
        let text = Spanned::new(text.span(), filled);
        self.word(place, &text, TextPattern::parse)
    }

    /// The name under which a value is saved.
    fn name(&mut self, place: &str, text: &Text) -> Option<String> {
        let name = self.template(place, text)?.to_string();
        if !is_name(&name) || name.starts_with("resource.") {
            self.fault(
                text.span(),
                format!("{place}: a name has lower-case letters, digits, - and _"),
            );
            return None;
        }
        self.saved.insert(name.clone());
        Some(name)
    }
}
