//! The runner: asks the backend what was reported, replays those scrapers, and keeps one issue for each drift.
//!
//! `tick` is the story; `api` talks to the backend, `replay` and `verdict` find out, `tracker` tells people. `cli` is what a
//! person types.

pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod doctor;
pub mod replay;
pub mod telemetry;
pub mod tick;
pub mod tracker;
pub mod verdict;
