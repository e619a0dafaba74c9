//! Flows as data: what a flow file says, once `read` has found no fault in it. The engine runs these, `check` only reads
//! them. The format is explained in `FLOWS.md`.

mod file;
pub mod locator;
pub mod pattern;
mod place;
mod read;
pub mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use drift_schema::words::{FailureCode, ResourceKind, ScraperVersion, Service, Step as StepName};
use regex::Regex;

pub use locator::{Locator, Locators};
pub use pattern::{TextPattern, UrlPattern};
pub use place::{Fault, Faults};
pub use read::duration;
pub use template::Template;

#[derive(Debug)]
pub struct Flow {
    pub file: PathBuf,
    pub service: Service,
    pub version: ScraperVersion,
    /// For everything, from the start to the last line.
    pub deadline: Duration,
    pub values: BTreeMap<String, Value>,
    pub mailbox: Option<Mailbox>,
    /// The value that is the provider's key.
    pub result: Option<String>,
    /// `--until last-safe` goes this far: nothing before it leaves a trace at the provider.
    pub last_safe_step: Option<StepName>,
    /// What may lie over a page at any time and has a button to be rid of.
    pub dismiss: Vec<Template>,
    /// Elements that no picture shows, beside those that none ever does.
    pub mask: Vec<Template>,
    /// The flow's own rules first, then those that hold for every page.
    pub not_drift: Vec<Rule>,
    pub steps: Vec<Step>,
    pub cleanup: Vec<Cleanup>,
}

/// Where a named value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub source: Source,
    /// Kept out of every output. What comes from the environment is masked in evidence too, unless it is `public`.
    pub secret: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Plain(Template),
    Environment {
        name: String,
        default: Option<String>,
        /// A fresh `+tag` before the @ for every run.
        plus: bool,
        /// Not about a person: evidence may show it.
        public: bool,
    },
    /// Letters of both cases, digits and a mark, this many.
    Random(usize),
}

#[derive(Debug, Clone)]
pub struct Mailbox {
    pub address: Template,
    pub password: Template,
    /// `host:port`; without one `imap.` and the domain of the address.
    pub server: Option<Template>,
    pub ca_file: Option<Template>,
}

/// A failure that has a name and is no drift: one of the elements is there, or the address fits.
#[derive(Debug, Clone)]
pub struct Rule {
    pub code: FailureCode,
    pub when: Vec<Template>,
    pub url: Option<Template>,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub name: StepName,
    pub deadline: Duration,
    /// How long a page has to be quiet before what is not there counts as missing.
    pub settle: Duration,
    /// The address on which the step begins.
    pub at: Option<Template>,
    pub actions: Vec<Action>,
    /// One of these is there when the step ended well.
    pub expect: Vec<Template>,
    pub expect_url: Option<Template>,
    pub creates: Vec<Creates>,
}

#[derive(Debug, Clone)]
pub struct Creates {
    pub kind: ResourceKind,
    pub id: Template,
}

#[derive(Debug, Clone)]
pub struct Cleanup {
    pub removes: ResourceKind,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Action {
    pub verb: Verb,
    /// Skipped where what comes next is there already.
    pub optional: bool,
}

/// Locators are alternatives in order, and texts until the values in them are known.
#[derive(Debug, Clone)]
pub enum Verb {
    Goto(Template),
    Fill {
        into: Vec<Template>,
        text: Template,
    },
    Click(Vec<Template>),
    Check {
        what: Vec<Template>,
        on: bool,
    },
    Select {
        what: Vec<Template>,
        option: Template,
    },
    Press(String),
    WaitFor(Vec<Template>),
    ExpectUrl(Template),
    Extract {
        from: Vec<Template>,
        pattern: Option<Regex>,
        attribute: Option<String>,
        save: String,
        /// Whether a value may count that stood on the page before the step.
        old: bool,
    },
    Otp {
        save: String,
        from: Option<TextPattern>,
        subject: Option<TextPattern>,
        to: Option<Template>,
        pattern: Regex,
    },
}

impl Verb {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Goto(_) => "goto",
            Self::Fill { .. } => "fill",
            Self::Click(_) => "click",
            Self::Check { on: true, .. } => "check",
            Self::Check { on: false, .. } => "uncheck",
            Self::Select { .. } => "select",
            Self::Press(_) => "press",
            Self::WaitFor(_) => "wait-for",
            Self::ExpectUrl(_) => "expect-url",
            Self::Extract { .. } => "extract",
            Self::Otp { .. } => "otp",
        }
    }

    /// Whether another page may be there afterwards, because somebody wanted to go on.
    pub fn may_leave(&self) -> bool {
        matches!(self, Self::Click(_) | Self::Press(_))
    }

    /// The element it acts on or looks for.
    pub fn locators(&self) -> Option<&[Template]> {
        match self {
            Self::Fill { into: found, .. }
            | Self::Click(found)
            | Self::Check { what: found, .. }
            | Self::Select { what: found, .. }
            | Self::WaitFor(found)
            | Self::Extract { from: found, .. } => Some(found),
            Self::Goto(_) | Self::Press(_) | Self::ExpectUrl(_) | Self::Otp { .. } => None,
        }
    }
}
