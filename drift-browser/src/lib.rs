//! Drives a real Chromium through flows that are data. A page whose shape changed ends in a tripwire with evidence that
//! is safe to show; every other failure has a name of its own. `cli` is what a person types.

pub mod browser;
pub mod capture;
pub mod cdp;
pub mod chromium;
pub mod cli;
pub mod engine;
pub mod evidence;
pub mod flow;
mod keys;
pub mod lines;
mod mail;
pub mod map;
pub mod page;
mod record;
mod session;
pub mod settings;
pub mod state;
pub mod tab;
pub mod values;
