//! What the door does with bytes that no honest client sends: always the 4xx with its stable code, never a stored
//! row, an echo of the value, a line with it in the log, or memory. Through a real socket, each class in its file.

mod door;
mod encodings;
mod fields;
mod framing;
mod json;
mod keys;
mod lines;
mod pii;
mod pipelines;
mod queries;
mod size;
mod slow;
