//! What people decide, and what comes of it; and who they are.

mod actions;
mod command;
mod forms;
mod github;
mod keys;
mod sign_in;
