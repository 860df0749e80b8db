//! What the configuration calls a source's fields and limits, as decoders and the engine understand them.

use crate::config::{EVENT_DEPTH_CEILING, EventFields, Late, Limits, TimeSettings};
use crate::decode::{DecodeLimits, FieldNames, JsonDecoder, TypeSource};
use crate::engine::{InputSettings, LatePolicy};
use crate::program::Program;

const _: () = assert!(EVENT_DEPTH_CEILING == DecodeLimits::DEPTH_CEILING, "the configuration promises this depth");

/// The decoder of a source.
pub(super) fn decoder(program: &Program, fields: &EventFields, limits: Limits) -> JsonDecoder {
    let limits = DecodeLimits { bytes_max: limits.event_bytes_max, depth_max: limits.event_depth_max };
    JsonDecoder::new(program, &field_names(fields), limits)
}

/// How a source's time is taken.
pub(super) fn input_settings(time: TimeSettings) -> InputSettings {
    let late = match time.late {
        Late::Drop => LatePolicy::Drop,
        Late::Process => LatePolicy::Process,
        Late::DeadLetter => LatePolicy::DeadLetter,
    };
    InputSettings { lateness_ms: time.lateness_ms, late }
}

fn field_names(fields: &EventFields) -> FieldNames {
    let mut names = FieldNames::default();
    if let Some(event) = &fields.event {
        names.event_type = TypeSource::Fixed(event.clone());
    } else if !fields.event_type.is_empty() {
        names.event_type = TypeSource::Fields(fields.event_type.clone());
    }
    if !fields.time.is_empty() {
        names.time.clone_from(&fields.time);
    }
    if !fields.id.is_empty() {
        names.id.clone_from(&fields.id);
    }
    names
}
