//! What every part of the drift tracker agrees on: the words of the domain as types that cannot hold a
//! wrong value, the JSON that crosses the wire, and the events that the log keeps forever.
//!
//! Nothing here does I/O, reads a clock or draws a random number; who needs one of these passes it in.

pub mod action;
pub mod answer;
pub mod chain;
pub mod event;
pub mod pii;
pub mod problem;
pub mod report;
pub mod run;
pub mod scraper;
pub mod time;
pub mod tree;
pub mod words;

#[cfg(feature = "describe")]
pub mod describe;

pub use event::{Event, Recorded};
pub use problem::{Code, Problem, Refusal};
pub use report::{Report, Tripwire, TripwireKind};
pub use time::{Day, Micros};
pub use words::{Digest, Host, Scope, ScraperVersion, Service, Step, StepHash, Workspace};
