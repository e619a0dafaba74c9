//! The endings of a run, each with a name.

use std::fmt;
use std::time::Duration;

use drift_schema::scraper::{ApiKey, Failure, Malformed, Tripped};

#[derive(Debug)]
pub enum Outcome {
    /// The page has another shape. A handoff, not an error.
    Tripwire(Tripped),
    Success(ApiKey),
    /// The scraper gave up, and says why.
    Error(Failure),
    /// The scraper did not keep to the protocol.
    Broken(Broken),
}

/// How a run can break the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("it could not be started: {why}")]
    NotStarted { why: String },
    #[error("it was not done after {after:?}, and was ended with all that it had started")]
    Deadline { after: Duration },
    #[error("line {line} of its output is not one of the protocol: {why}")]
    Malformed { line: u64, why: Malformed },
    #[error("line {line} of its output is over {} MiB", super::LONGEST_LINE / 1024 / 1024)]
    LineTooLong { line: u64 },
    #[error("it ended in the middle of line {line}")]
    CutShort { line: u64 },
    #[error("it ended{} without a tripwire, a success or an error", said(*exit))]
    NoTerminalLine { exit: Option<Exit> },
    #[error("line {line} of its output is a second tripwire, success or error")]
    TwoTerminalLines { line: u64 },
    #[error("line {line} of its output comes after the one that ends it")]
    OutputAfterTerminal { line: u64 },
    #[error("it said success and then ended{}", said(Some(*exit)))]
    NonZeroExit { exit: Exit },
    #[error("line {line} of its output names one resource too many for one run")]
    TooManyResources { line: u64 },
}

impl Broken {
    /// Stable: programs match on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotStarted { .. } => "SCRAPER_NOT_STARTED",
            Self::Deadline { .. } => "SCRAPER_DEADLINE",
            Self::Malformed { .. } => "SCRAPER_MALFORMED_LINE",
            Self::LineTooLong { .. } => "SCRAPER_LINE_TOO_LONG",
            Self::CutShort { .. } => "SCRAPER_CUT_SHORT",
            Self::NoTerminalLine { .. } => "SCRAPER_NO_TERMINAL_LINE",
            Self::TwoTerminalLines { .. } => "SCRAPER_TWO_TERMINAL_LINES",
            Self::OutputAfterTerminal { .. } => "SCRAPER_OUTPUT_AFTER_TERMINAL",
            Self::NonZeroExit { .. } => "SCRAPER_NON_ZERO_EXIT",
            Self::TooManyResources { .. } => "SCRAPER_TOO_MANY_RESOURCES",
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// The supervisor was killed before it could say.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("an unknown exit code"),
        }
    }
}

fn said(exit: Option<Exit>) -> String {
    exit.map_or_else(String::new, |exit| format!(" with {exit}"))
}
