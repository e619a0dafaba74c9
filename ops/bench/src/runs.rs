//! One module per subcommand. Each returns its tables and leaves nothing running.

pub mod batch;
pub mod claim;
pub mod client;
pub mod digest;
pub mod flat;
pub mod ingest;
pub mod log;
pub mod pages;
pub mod scraper;
pub mod size;
pub mod tick;
