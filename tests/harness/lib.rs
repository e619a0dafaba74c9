//! What the stories stand on: databases, a running server, clients, fakes of the outside world.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod postgres;
