//! What people decide, and what comes of it.

mod actions;
mod command;
