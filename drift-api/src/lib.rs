//! The backend of the drift tracker. A report comes in through `http`, waits in `ingest` for the next group commit, and is
//! appended to the log by `store`, which derives the counters in the same transaction. `startup` puts these
//! together; `cli` is what a person types.

mod artifacts;
pub mod cli;
pub mod config;
mod connection;
mod contacts;
mod first_start;
mod http;
mod ingest;
mod keys;
pub mod lifecycle;
mod pages;
mod readiness;
mod retention;
pub mod session;
pub mod startup;
pub mod store;
pub mod telemetry;

pub use http::openapi_json;
