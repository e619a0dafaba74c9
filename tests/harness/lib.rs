//! What the stories stand on: databases, a running server, clients, fakes of the outside world.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod agentkeys;
pub mod browser;
pub mod browser_story;
pub mod bucket;
pub mod database;
pub mod dovecot;
pub mod fake_http;
pub mod gate;
pub mod github;
pub mod http;
pub mod otlp;
pub mod outpost;
pub mod postgres;
pub mod provider;
pub mod proxy;
pub mod raw;
pub mod reports;
pub mod runner;
pub mod scraper;
pub mod server;
pub mod site;
pub mod viewer;
pub mod visitor;
mod workplace;

pub use agentkeys::Machine;
pub use database::Db;
pub use fake_http::{FakeHttp, Reply};
pub use outpost::Outpost;
pub use provider::Provider;
pub use reports::report;
pub use server::{Engine, Server};
pub use visitor::Visitor;

/// Tells a story once on each database: `on_both! { async fn a_sentence(engine: Engine) { … } }`.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($engine:ident: Engine) $body:block)*) => {
        $($(#[$meta])* mod $name {
            use super::*;

            async fn story($engine: $crate::Engine) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                story($crate::Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                story($crate::Engine::Postgres).await;
            }
        })*
    };
}

/// Waits for something that comes by itself, asking again and again; panics after twenty seconds.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "waited in vain: {what}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
