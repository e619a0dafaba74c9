//! The client, by the real `agentkeys` with real scrapers: what a caller sees, and what is left on its disk.

mod faults;
mod key;
mod mcp;
mod protocol;
mod queue;
mod telemetry;
mod tripwire;
