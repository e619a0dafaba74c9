//! Drives a real Chromium through flows that are data. A page whose shape changed ends in a tripwire with evidence that
//! is safe to show; every other failure has a name of its own. `cli` is what a person types.

pub mod capture;
pub mod cdp;
pub mod chromium;
pub mod flow;
pub mod keys;
pub mod page;
