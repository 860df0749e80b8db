//! The decoder of a source, by the form of its messages.

use crate::decode::{DebeziumDecoder, DecodeError, DecodeLimits, FieldNames, JsonDecoder};
use crate::event::Event;
use crate::program::Program;

/// The form of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// A JSON object with the event's fields.
    #[default]
    Json,
    /// Debezium's envelope around the change of a row.
    Debezium,
}

/// Makes events of a source's messages.
#[derive(Clone, Debug)]
pub enum Decoder {
    /// Of JSON objects.
    Json(JsonDecoder),
    /// Of changes.
    Debezium(DebeziumDecoder),
}

impl Decoder {
    /// A decoder for what `program` reads of messages of a form.
    pub fn new(program: &Program, format: Format, names: &FieldNames, limits: DecodeLimits) -> Decoder {
        match format {
            Format::Json => Decoder::Json(JsonDecoder::new(program, names, limits)),
            Format::Debezium => Decoder::Debezium(DebeziumDecoder::new(program, names, limits)),
        }
    }

    /// Decodes one message into `event`: see [`JsonDecoder::decode`].
    #[inline]
    pub fn decode(&mut self, bytes: &[u8], event: &mut Event) -> Result<(), DecodeError> {
        match self {
            Decoder::Json(decoder) => decoder.decode(bytes, event),
            Decoder::Debezium(decoder) => decoder.decode(bytes, event),
        }
    }
}
