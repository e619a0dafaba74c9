//! From a flow file to a flow, with every fault named at its place. Patterns are filled in here, so that the engine sees
//! plain steps.

mod action;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use drift_schema::words::{FailureCode, ScraperVersion, Service, Step as StepName};
use serde::de::DeserializeOwned;

use super::file::{self, Locators as Several, Text};
use super::locator::Locator;
use super::pattern::UrlPattern;
use super::place::{Fault, Faults, Source as File};
use super::template::{Template, is_name};
use super::{Flow, Mailbox, Rule, Source, Value};

const DEADLINE: Duration = Duration::from_secs(100);

/// Rules for bot walls, rate limits and their like that no flow has to repeat.
const COMMON_RULES: &str = include_str!("not_drift.toml");

impl Flow {
    pub fn read(path: &Path) -> Result<Self, Faults> {
        let source = File::read(path)?;
        let written: file::Flow = parse(&source)?;
        let mut reader = Reader::new(&source);
        let flow = reader.flow(written, path);
        match (flow, reader.faults) {
            (Some(flow), faults) if faults.is_empty() => Ok(flow),
            (_, mut faults) => {
                faults.sort_by_key(|fault| (fault.file.clone(), fault.line_and_column));
                Err(Faults(faults))
            }
        }
    }
}

fn parse<T: DeserializeOwned>(source: &File) -> Result<T, Faults> {
    toml::from_str(&source.text).map_err(|error| {
        let message = error.message().replace('\n', " ");
        Faults(vec![source.fault(error.span(), message)])
    })
}

/// Reads one file, and gathers what is wrong with it.
struct Reader<'a> {
    source: &'a File,
    faults: Vec<Fault>,
    /// What a pattern's holes are filled with; empty in a flow.
    filled: BTreeMap<String, Vec<Template>>,
    /// Values that are used, with the place of their use.
    used: Vec<(String, Fault)>,
    /// Values that a step saves.
    saved: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a File) -> Self {
        Self {
            source,
            faults: Vec::new(),
            filled: BTreeMap::new(),
            used: Vec::new(),
            saved: BTreeSet::new(),
        }
    }

    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(self.source.fault(Some(span), message));
    }

    /// A text that has to be a word; a fault where it is none.
    fn word<T, E: std::fmt::Display>(
        &mut self,
        field: &str,
        text: &Text,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(text.get_ref()) {
            Ok(word) => Some(word),
            Err(error) => {
                self.fault(text.span(), format!("{field}: {error}"));
                None
            }
        }
    }

    fn flow(&mut self, written: file::Flow, path: &Path) -> Option<Flow> {
        let service = self.word("service", &written.service, Service::parse);
        let version = self.word("version", &written.version, ScraperVersion::parse);
        let deadline = self.duration("deadline", written.deadline.as_ref(), DEADLINE);
        let settle = self.duration("settle", written.settle.as_ref(), steps::SETTLE);
        let values = self.values(written.values, written.secrets);
        let mailbox = written.mailbox.map(|mailbox| self.mailbox(&mailbox));
        let dismiss = self.locators("dismiss", written.dismiss.as_ref());
        let mask = self.locators("mask", written.mask.as_ref());
        let mut not_drift = self.rules(&written.not_drift);
        not_drift.extend(common_rules());
        let steps = self.steps(written.step, settle);
        let cleanup = self.cleanups(written.cleanup, settle);
        let last_safe_step = written.last_safe_step.as_ref().and_then(|step| {
            self.word("last-safe-step", step, StepName::parse)
                .zip(Some(step))
        });
        if let Some((name, text)) = &last_safe_step
            && !steps.iter().any(|step| step.name == *name)
        {
            self.fault(
                text.span(),
                format!("last-safe-step: there is no step `{name}`"),
            );
        }
        let uses_mail = steps.iter().flat_map(|step| &step.actions);
        if mailbox.is_none() && uses_mail.map(|a| a.verb.name()).any(|verb| verb == "otp") {
            let message = "an `otp` action needs a [mailbox] with address and password";
            self.faults.push(self.source.fault(None, message));
        }
        if let Some(result) = &written.result {
            let reader = self.source.fault(Some(result.span()), "result");
            self.used.push((result.get_ref().clone(), reader));
        }
        for (name, mut fault) in std::mem::take(&mut self.used) {
            let is_resource = matches!(name.as_str(), "resource.id" | "resource.kind");
            if !values.contains_key(&name) && !self.saved.contains(&name) && !is_resource {
                fault.message = format!(
                    "{}: there is no value `{name}`; name it in [values] or [secrets], or save it in a step",
                    fault.message
                );
                self.faults.push(fault);
            }
        }
        Some(Flow {
            file: path.to_owned(),
            service: service?,
            version: version?,
            deadline,
            values,
            mailbox: mailbox.flatten(),
            result: written.result.map(toml::Spanned::into_inner),
            last_safe_step: last_safe_step.map(|(name, _)| name),
            dismiss,
            mask,
            not_drift,
            steps,
            cleanup,
        })
    }

    fn values(
        &mut self,
        values: file::Table<file::Value>,
        secrets: file::Table<file::Value>,
    ) -> BTreeMap<String, Value> {
        let mut read = BTreeMap::new();
        let all = values.into_iter().map(|entry| (entry, false));
        let all = all.chain(secrets.into_iter().map(|entry| (entry, true)));
        for ((name, value), secret) in all {
            let span = value.span();
            if !is_name(name.get_ref()) {
                self.fault(
                    name.span(),
                    "a name has lower-case letters, digits, - and _",
                );
                continue;
            }
            let source = match value.into_inner() {
                file::Value::Plain(_) if secret => {
                    self.fault(
                        span,
                        format!(
                            "secrets.{}: a secret does not stand in a file; write {{ env = \"NAME\" }} or {{ random = 20 }}",
                            name.get_ref()
                        ),
                    );
                    continue;
                }
                file::Value::Plain(text) => self.template_at("values", span.clone(), &text),
                file::Value::Source(source) => value_source(source).map_or_else(
                    |message| {
                        self.fault(span.clone(), format!("{}: {message}", name.get_ref()));
                        None
                    },
                    Some,
                ),
            };
            let Some(source) = source else { continue };
            let before = read.insert(name.get_ref().clone(), Value { source, secret });
            if before.is_some() {
                self.fault(name.span(), format!("`{}` stands twice", name.get_ref()));
            }
        }
        read
    }

    fn template_at(&mut self, field: &str, span: Range<usize>, text: &str) -> Option<Source> {
        let text = toml::Spanned::new(span, text.to_owned());
        self.template(field, &text).map(Source::Plain)
    }

    fn mailbox(&mut self, written: &file::Mailbox) -> Option<Mailbox> {
        let mut optional =
            |field: &str, text: Option<&Text>| text.map(|text| self.template(field, text));
        let server = optional("mailbox.server", written.server.as_ref());
        let ca_file = optional("mailbox.ca-file", written.ca_file.as_ref());
        Some(Mailbox {
            address: self.template("mailbox.address", &written.address)?,
            password: self.template("mailbox.password", &written.password)?,
            server: server.flatten(),
            ca_file: ca_file.flatten(),
        })
    }

    fn rules(&mut self, written: &[toml::Spanned<file::Rule>]) -> Vec<Rule> {
        let mut rules = Vec::new();
        for rule in written {
            let span = rule.span();
            let rule = rule.get_ref();
            let code = self.word("not-drift.code", &rule.code, FailureCode::parse);
            let when = self.locators("not-drift.when", rule.when.as_ref());
            let url = rule
                .url
                .as_ref()
                .and_then(|url| self.url("not-drift.url", url));
            if rule.when.is_none() && rule.url.is_none() {
                self.fault(
                    span,
                    "not-drift: says neither `when` nor `url`, so it never holds",
                );
            }
            if let Some(code) = code {
                rules.push(Rule { code, when, url });
            }
        }
        rules
    }

    /// A text with values in it, holes filled.
    fn template(&mut self, field: &str, text: &Text) -> Option<Template> {
        let template = self.word(field, text, Template::parse)?;
        let mut lists = Vec::new();
        let filled = template.fill(|name| match self.filled.get(name).map(Vec::as_slice) {
            Some([one]) => Some(one.clone()),
            Some(_) => {
                lists.push(name.to_owned());
                None
            }
            None => None,
        });
        for name in &lists {
            self.fault(
                text.span(),
                format!("{field}: `{name}` is a list, and here stands one text"),
            );
        }
        for name in filled.names() {
            if !lists.iter().any(|list| list == name) {
                let place = self.source.fault(Some(text.span()), field);
                self.used.push((name.to_owned(), place));
            }
        }
        Some(filled)
    }

    /// An address pattern, which may have values in it.
    fn url(&mut self, field: &str, text: &Text) -> Option<Template> {
        let template = self.template(field, text)?;
        let example = template.render(|_| Some("https://value".to_owned()));
        let example = example.unwrap_or_default();
        // Only where the value comes first can it be the beginning.
        let example = match example.rfind("https://value") {
            Some(at) if at > 0 => example.replace("https://value", "value"),
            _ => example,
        };
        match UrlPattern::parse(&example) {
            Ok(_) => Some(template),
            Err(error) => {
                self.fault(text.span(), format!("{field}: {error}"));
                None
            }
        }
    }

    /// Alternatives, where one that is a hole of a list becomes the list.
    fn locators(&mut self, field: &str, written: Option<&toml::Spanned<Several>>) -> Vec<Template> {
        let Some(written) = written else {
            return Vec::new();
        };
        let one;
        let texts = match written.get_ref() {
            Several::One(text) => {
                one = [toml::Spanned::new(written.span(), text.clone())];
                &one[..]
            }
            Several::Several(texts) => texts,
        };
        if texts.is_empty() {
            self.fault(
                written.span(),
                format!("{field}: an empty list finds nothing"),
            );
        }
        let mut read = Vec::new();
        for text in texts {
            let hole = text.get_ref().strip_prefix("${");
            let hole = hole.and_then(|rest| rest.strip_suffix('}'));
            if let Some(list) = hole.and_then(|hole| self.filled.get(hole)) {
                read.extend(list.iter().cloned());
                continue;
            }
            let Some(template) = self.template(field, text) else {
                continue;
            };
            let example = template.render(|_| Some("value".to_owned()));
            match Locator::parse(&example.unwrap_or_default()) {
                Ok(_) => read.push(template),
                Err(error) => self.fault(text.span(), format!("{field}: {error}")),
            }
        }
        read
    }

    fn duration(&mut self, field: &str, text: Option<&Text>, otherwise: Duration) -> Duration {
        text.and_then(|text| self.word(field, text, duration))
            .unwrap_or(otherwise)
    }
}

fn value_source(written: file::Source) -> Result<Source, &'static str> {
    match (written.env, written.random) {
        (Some(name), None) => Ok(Source::Environment {
            name,
            default: written.default,
            plus: written.plus.unwrap_or_default(),
            public: written.public.unwrap_or_default(),
        }),
        (None, Some(length)) if written.default.is_none() && written.plus.is_none() => {
            if (8..=128).contains(&length) {
                Ok(Source::Random(length))
            } else {
                Err("random: 8 to 128 characters")
            }
        }
        (None, Some(_)) => Err("`random` stands alone"),
        (Some(_), Some(_)) => Err("`env` or `random`, not both"),
        (None, None) => Err("needs `env` or `random`"),
    }
}

/// `800ms`, `20s`, `2m`.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    const RULE: &str = "a time such as 800ms, 20s or 2m, at most 10m";
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(RULE)?;
    let number: u64 = text[..split].parse().map_err(|_| RULE)?;
    let duration = match &text[split..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(RULE),
    };
    if duration.is_zero() || duration > Duration::from_secs(600) {
        return Err(RULE);
    }
    Ok(duration)
}

fn common_rules() -> Vec<Rule> {
    let source = File {
        file: "not_drift.toml".into(),
        text: COMMON_RULES.to_owned(),
    };
    let Ok(written) = parse::<file::Rules>(&source) else {
        // A unit test reads them.
        return Vec::new();
    };
    Reader::new(&source).rules(&written.not_drift)
}

/// Whether the rules that come with us are without fault; for the test.
#[cfg(test)]
pub(super) fn faults_of_common_rules() -> Vec<Fault> {
    let source = File {
        file: "not_drift.toml".into(),
        text: COMMON_RULES.to_owned(),
    };
    let written: file::Rules = match parse(&source) {
        Ok(written) => written,
        Err(Faults(faults)) => return faults,
    };
    let mut reader = Reader::new(&source);
    reader.rules(&written.not_drift);
    reader.faults
}
