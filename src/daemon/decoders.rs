//! What the configuration calls a source's fields and limits, as decoders and the engine understand them.

use crate::config::{EVENT_DEPTH_CEILING, EventFields, Format, Late, Limits, TimeSettings};
use crate::decode::{self, DecodeLimits, Decoder, FieldNames, TypeSource};
use crate::engine::{DropDuplicates, InputSettings, LatePolicy};
use crate::program::Program;

const _: () = assert!(EVENT_DEPTH_CEILING == DecodeLimits::DEPTH_CEILING, "the configuration promises this depth");

/// The decoder of a source.
pub(super) fn decoder(program: &Program, fields: &EventFields, limits: Limits) -> Decoder {
    let limits = DecodeLimits { bytes_max: limits.event_bytes_max, depth_max: limits.event_depth_max };
    let format = match fields.format {
        Format::Json => decode::Format::Json,
        Format::Debezium => decode::Format::Debezium,
    };
    Decoder::new(program, format, &field_names(fields), limits)
}

/// How a source's time is taken, and which repeats are left out.
pub(super) fn input_settings(time: TimeSettings, limits: Limits) -> InputSettings {
    let late = match time.late {
        Late::Drop => LatePolicy::Drop,
        Late::Process => LatePolicy::Process,
        Late::DeadLetter => LatePolicy::DeadLetter,
    };
    let ids_max = limits.remembered_ids_max;
    let duplicates = time.drop_duplicates_ms.map(|window_ms| DropDuplicates { window_ms, ids_max });
    InputSettings { lateness_ms: time.lateness_ms, late, duplicates }
}

fn field_names(fields: &EventFields) -> FieldNames {
    let mut names = match (fields.format, &fields.event) {
        (Format::Debezium, Some(event)) => FieldNames::of_changes(event),
        _ => FieldNames::default(),
    };
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
