//! Event declarations from a sample of events: what a newcomer begins with.
//!
//! - `json`   one message as a tree, its fields in their order;
//! - `seen`   what a field has held so far;
//! - `sample` the types and their fields, from message to message; limits;
//! - `write`  the declarations in the rule language, in its one form.
//!
//! A line counts as an event exactly where `replay` with the same field names would read it: the decoder says so.
//! Nothing here reads files or prints.

mod json;
mod sample;
mod seen;
mod write;

pub use sample::{Sample, Summary};

#[cfg(test)]
mod tests;
