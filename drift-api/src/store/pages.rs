//! What the pages for people read (`crate::pages`), each in one look at the database as of one moment. Every statement
//! walks an index and is bounded: a page of a store with ten million events costs what one of an empty store costs.

mod drift;
mod log;
mod overview;
mod runs;
mod signs;

pub use drift::{DayOfDrift, DriftLook};
pub use log::{LogFilter, LogKinds, LogLook};
pub use overview::{Concern, Heat, OverviewLook, ServiceLook};
pub use runs::{RunLook, RunsLook};
pub use signs::Verification;
pub(super) use signs::read_budget;
