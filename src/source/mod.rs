//! Where bytes come from: messages with their place, and nothing about what they mean.
//!
//! - `file`  newline-delimited JSON from a file or from stdin, for a replay and for sources on disk;
//! - `kafka` partitions of topics, assigned by the consumer group;
//! - `table` the topic of a table, read whole;
//! - `range` topics from one time to another;
//! - `assigned` the client of both: it joins no group.
//!
//! Nothing here decodes, and nothing here knows rules or the engine.

mod assigned;
mod file;
pub mod kafka;
pub mod range;
pub mod table;

pub use file::{FileReader, Line, Progress, ReadError, read_file};
