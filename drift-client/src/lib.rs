//! The client side of the drift tracker: runs scrapers, keeps keys that a live service has verified, keeps what a
//! tripwire leaves behind, and sends reports for those who agreed to.
//!
//! `agentkeys` is this library with a command line (`cli`) and an MCP server (`mcp`) in front of it. The runner uses
//! `scraper` and `scrapers`.

pub mod audit;
pub mod cli;
pub mod config;
pub mod fallback;
pub mod guard;
pub mod home;
mod http;
pub mod mask;
mod mcp;
pub mod metrics;
pub mod provision;
pub mod scraper;
pub mod scrapers;
pub mod services;
pub mod store;
pub mod telemetry;
pub mod verify;

/// What the repository's README says in Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
