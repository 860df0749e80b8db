//! What flows: events, their values, and where they came from.
//!
//! - `value` one typed value, as fields, constants and results of expressions hold it;
//! - `compare` when two values are equal, and which is less;
//! - `event` an event as the engine sees it: type, time, position, and the fields that a program reads;
//! - `key`   the values of a rule's `for each`, as one comparable and hashable string of bytes;
//! - `sink`  where encoded bytes go;
//! - `sources` what the sources are called.
//!
//! Nothing here knows JSON, Kafka or rules.

mod compare;
mod event;
mod key;
mod sink;
mod sources;
mod value;

pub use compare::{equal, order, whole};
pub use event::{Event, EventId, Position, SourceId};
pub use key::{Key, KeyBuilder};
pub(crate) use sink::Sink;
pub use sources::Sources;
pub use value::{Point, Text, Value};
