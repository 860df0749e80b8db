//! Why a message is no event. Each reason has a stable word for metrics and dead-letter headers, and a sentence for
//! people that names the limit or the setting to look at. No message's content is repeated: it may be personal.

use thiserror::Error;

/// Why a message could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes are not one JSON text.
    #[error("not JSON at byte {at}: {problem}")]
    NotJson {
        /// The offset of the first byte that does not fit, from 0.
        at: usize,
        /// What does not fit, in the parser's words.
        problem: String,
    },
    /// The bytes are not text.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// The offset of the first byte that does not fit, from 0.
        at: usize,
    },
    /// JSON, but a list, a text or another single value.
    #[error("the body is JSON but not an object")]
    NotAnObject,
    /// Objects and lists within each other beyond the limit.
    #[error("nested deeper than {limit} levels: the setting max_event_depth in [limits]")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More bytes than the limit.
    #[error("{bytes} bytes, more than {limit}: the setting max_event_bytes in [limits]")]
    TooLarge {
        /// The message's size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A field that is read stands twice in its object. Parsers differ in which one they take, so that either choice
    /// could hide a value from the rules.
    #[error("the field `{field}` occurs twice")]
    DuplicateField {
        /// The field's dotted path.
        field: String,
    },
    /// None of the fields for the type is there.
    #[error("no event type: none of the fields {fields} is present; the source's setting type names the field")]
    NoType {
        /// The fields that were looked for.
        fields: String,
    },
    /// The type is empty or not text.
    #[error("the field `{field}` holds no event type: it is empty or not text")]
    BadType {
        /// The field's dotted path.
        field: String,
    },
    /// None of the fields for the time is there.
    #[error("no event time: none of the fields {fields} is present; the source's setting time names the field")]
    NoTime {
        /// The fields that were looked for.
        fields: String,
    },
    /// The time cannot be read.
    #[error("the field `{field}` holds no time: neither whole milliseconds since 1970 nor RFC 3339 text")]
    BadTime {
        /// The field's dotted path.
        field: String,
    },
    /// No change event of Debezium.
    #[error("no change event of Debezium: {problem}")]
    NotAChange {
        /// What it lacks.
        problem: &'static str,
    },
}

impl DecodeError {
    /// Every reason, for a metric that lists them all from the start.
    pub const REASONS: [&'static str; 11] = [
        "not_json",
        "not_utf8",
        "not_an_object",
        "too_deep",
        "too_large",
        "duplicate_field",
        "no_type",
        "bad_type",
        "no_time",
        "bad_time",
        "not_a_change",
    ];

    /// The reason as one stable word, for metrics and dead-letter headers.
    pub fn reason(&self) -> &'static str {
        match self {
            DecodeError::NotJson { .. } => "not_json",
            DecodeError::NotUtf8 { .. } => "not_utf8",
            DecodeError::NotAnObject => "not_an_object",
            DecodeError::TooDeep { .. } => "too_deep",
            DecodeError::TooLarge { .. } => "too_large",
            DecodeError::DuplicateField { .. } => "duplicate_field",
            DecodeError::NoType { .. } => "no_type",
            DecodeError::BadType { .. } => "bad_type",
            DecodeError::NoTime { .. } => "no_time",
            DecodeError::BadTime { .. } => "bad_time",
            DecodeError::NotAChange { .. } => "not_a_change",
        }
    }
}
