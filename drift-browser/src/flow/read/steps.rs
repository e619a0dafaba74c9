//! Steps of a flow, and those that it takes from a pattern.

use std::collections::BTreeMap;
use std::time::Duration;

use drift_schema::words::{ResourceKind, Step as StepName};
use toml::Spanned;

use super::{File, Reader, parse};
use crate::flow::file::{self, Locators as Several, Text};
use crate::flow::template::Template;
use crate::flow::{Cleanup, Creates, Step};

/// A page that changes nothing and asks the network for nothing for this long is done.
pub(super) const SETTLE: Duration = Duration::from_millis(800);
const DEADLINE: Duration = Duration::from_secs(20);

impl Reader<'_> {
    pub(super) fn steps(
        &mut self,
        written: Vec<Spanned<file::Step>>,
        settle: Duration,
    ) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for step in written {
            let span = step.span();
            let more = match &step.get_ref().pattern {
                Some(pattern) => self.pattern(pattern, step.get_ref(), settle),
                None => self
                    .step(step.into_inner(), span.clone(), settle)
                    .into_iter()
                    .collect(),
            };
            for step in more {
                if steps.iter().any(|before| before.name == step.name) {
                    self.fault(span.clone(), format!("there are two steps `{}`", step.name));
                }
                steps.push(step);
            }
        }
        steps
    }

    fn step(
        &mut self,
        written: file::Step,
        span: std::ops::Range<usize>,
        settle: Duration,
    ) -> Option<Step> {
        let Some(name) = &written.name else {
            self.fault(span, "a step needs a `name`, or `use` of a pattern");
            return None;
        };
        let name = self.word("name", name, StepName::parse)?;
        if !written.with.is_empty() {
            self.fault(
                span.clone(),
                format!("step `{name}`: `with` belongs to `use`"),
            );
        }
        let field = |what: &str| format!("step `{name}`, {what}");
        let at = written.at.as_ref();
        let at = at.and_then(|at| self.url(&field("at"), at));
        // What is written and wrong has its own fault.
        let says_nothing =
            written.actions.is_empty() && written.expect.is_none() && written.expect_url.is_none();
        let mut actions = Vec::new();
        for (number, action) in written.actions.into_iter().enumerate() {
            actions.extend(self.action(&field(&format!("action {}", number + 1)), action));
        }
        let expect = self.locators(&field("expect"), written.expect.as_ref());
        let expect_url = written.expect_url.as_ref();
        let expect_url = expect_url.and_then(|url| self.url(&field("expect-url"), url));
        if says_nothing {
            self.fault(
                span,
                format!("step `{name}` neither does nor expects anything"),
            );
        }
        let creates = written.creates.iter();
        let creates = creates.filter_map(|creates| {
            Some(Creates {
                kind: self.word(&field("creates"), &creates.kind, ResourceKind::parse)?,
                id: self.template(&field("creates"), &creates.id)?,
            })
        });
        Some(Step {
            creates: creates.collect(),
            deadline: self.duration(&field("deadline"), written.deadline.as_ref(), DEADLINE),
            settle: self.duration(&field("settle"), written.settle.as_ref(), settle),
            name,
            at,
            actions,
            expect,
            expect_url,
        })
    }

    pub(super) fn cleanups(
        &mut self,
        written: Vec<Spanned<file::Cleanup>>,
        settle: Duration,
    ) -> Vec<Cleanup> {
        let read = written.into_iter().filter_map(|cleanup| {
            let cleanup = cleanup.into_inner();
            let removes = self.word("cleanup.removes", &cleanup.removes, ResourceKind::parse);
            let steps = self.steps(cleanup.step, settle);
            Some(Cleanup {
                removes: removes?,
                steps,
            })
        });
        read.collect()
    }

    /// The steps of a pattern, its holes filled with what the flow says.
    fn pattern(&mut self, path: &Text, flow: &file::Step, settle: Duration) -> Vec<Step> {
        for (field, stands) in [
            ("name", flow.name.is_some()),
            ("at", flow.at.is_some()),
            ("do", !flow.actions.is_empty()),
            ("expect", flow.expect.is_some()),
            ("expect-url", flow.expect_url.is_some()),
            ("creates", !flow.creates.is_empty()),
            ("deadline", flow.deadline.is_some()),
        ] {
            if stands {
                let message =
                    format!("`{field}` does not go with `use`: the pattern has the steps");
                self.fault(path.span(), message);
            }
        }
        let folder = self.source.file.parent().unwrap_or("".as_ref());
        let file = folder.join(path.get_ref());
        let read =
            File::read(&file).and_then(|source| Ok((parse::<file::Pattern>(&source)?, source)));
        let (pattern, source) = match read {
            Ok(read) => read,
            Err(faults) => {
                let used = format!("use: {}", path.get_ref());
                self.fault(path.span(), format!("{used} cannot be used"));
                self.faults.extend(faults.0);
                return Vec::new();
            }
        };
        let settle = self.duration("settle", flow.settle.as_ref(), settle);
        let mut reader = Reader::new(&source);
        // First what it brings, then what the flow says instead.
        for (name, default) in &pattern.defaults {
            let list = reader.parameter(default);
            reader.filled.insert(name.get_ref().clone(), list);
        }
        for (name, value) in &flow.with {
            let needed = pattern
                .needs
                .iter()
                .any(|needs| needs.get_ref() == name.get_ref());
            if !needed && !reader.filled.contains_key(name.get_ref()) {
                let known: BTreeMap<&str, ()> = pattern
                    .needs
                    .iter()
                    .map(|needs| needs.get_ref().as_str())
                    .chain(pattern.defaults.keys().map(|name| name.get_ref().as_str()))
                    .map(|name| (name, ()))
                    .collect();
                let known: Vec<&str> = known.into_keys().collect();
                let message = format!(
                    "with.{}: {} has no such hole; it has {}",
                    name.get_ref(),
                    path.get_ref(),
                    known.join(", ")
                );
                self.fault(name.span(), message);
                continue;
            }
            let list = self.parameter(value);
            reader.filled.insert(name.get_ref().clone(), list);
        }
        for needed in &pattern.needs {
            if !reader.filled.contains_key(needed.get_ref()) {
                let message = format!("{} needs `with.{}`", path.get_ref(), needed.get_ref());
                self.fault(path.span(), message);
                // Its own places need not complain once more.
                reader
                    .filled
                    .insert(needed.get_ref().clone(), vec![Template::default()]);
                return Vec::new();
            }
        }
        let steps = reader.steps(pattern.step, settle);
        self.faults.extend(reader.faults);
        self.used.extend(reader.used);
        self.saved.extend(reader.saved);
        steps
    }

    /// A text or a list; what it is for shows where it is used.
    fn parameter(&mut self, written: &Spanned<Several>) -> Vec<Template> {
        match written.get_ref() {
            Several::One(text) => {
                let text = Spanned::new(written.span(), text.clone());
                self.template("with", &text).into_iter().collect()
            }
            Several::Several(texts) => texts
                .iter()
                .filter_map(|text| self.template("with", text))
                .collect(),
        }
    }
}
