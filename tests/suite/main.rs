//! Stories across the crates: one binary, so that it links once and shares one Postgres.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod client;
mod clock;
mod crowd;
mod digest;
mod evidence;
mod field;
mod forgetting;
mod generated;
mod golden;
mod hooks;
mod in_process;
mod ingest;
mod keys;
mod kill;
mod lifecycle;
mod log;
mod many_processes;
mod migrations;
mod model;
mod operations;
mod pages;
mod queries;
mod readme;
mod runner;
mod runs;
mod scraper;
mod statements;
mod tables;
mod telemetry;
mod throwaway_postgres;
mod totals;
mod tracker;
mod transfer;
mod triage;
mod triage_browser;
mod trouble;
