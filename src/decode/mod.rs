//! Bytes to events: one message in, one [`Event`](crate::event::Event) of the fields that a program reads out.
//!
//! - `json`    the decoder: limits, the parse under the field filter, type, time, id and values;
//! - `debezium` the changes of a database's rows, from their envelope to JSON;
//! - `decoder` one of the two, by a source's format;
//! - `plan`    the field filter, compiled once from a program: a trie of the paths that any rule reads;
//! - `raw`     what the parse leaves of each such path, before its kind is known;
//! - `convert` raw to [`Value`](crate::event::Value) by the declared kind;
//! - `guard`   what is checked before a parser sees the bytes: depth, escapes, numbers beyond a float;
//! - `error`   why a message is no event.
//!
//! The type of an event may stand behind its fields, so the paths of all types are collected first and converted by
//! the event's own type afterwards. Nothing here knows rules, the engine, or where the bytes came from.

mod convert;
mod debezium;
mod decoder;
mod error;
mod guard;
mod json;
mod plan;
mod raw;
mod scan;
mod shape;
mod word;

pub use debezium::{DebeziumDecoder, row_of_change};
pub use decoder::{Decoder, Format};
pub use error::DecodeError;
pub(crate) use guard::without_huge_numbers;
pub use json::{DecodeLimits, JsonDecoder};
pub use plan::{FieldNames, TypeSource};

#[cfg(test)]
mod tests;
