//! The life of a drift and of a service's replays, as pure functions: a state is what its events made of it
//! (`apply`), and what may happen next is decided from the state alone. The store calls these inside its
//! transactions; nothing here reads a clock or a database.

pub mod drift;
pub mod run;
pub mod service;

pub use drift::Drift;
pub use run::RunLog;
pub use service::ServiceState;

/// Why something cannot happen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    #[error("this run does not hold the lease")]
    LeaseLost,
    #[error("the run was not given this step")]
    NotClaimed,
    #[error("a confirmed drift needs its proof, and no other verdict has one")]
    ProofMismatch,
    #[error("that was not asked for")]
    NotAsked,
    #[error("the run said otherwise before")]
    Contradiction,
}
