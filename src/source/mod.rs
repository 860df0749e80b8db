//! Where messages come from: raw bytes with their place. The daemon decodes them.
//!
//! - `kafka` partitions of topics, assigned by the consumer group.
//!
//! Nothing here knows events, rules or the engine.

pub mod kafka;
