//! Messages of the sources that a configuration names, as events: what the daemon does, and what a replay of its topics
//! has to do alike. Stands between `config` on one side and `decode` and `engine` on the other.

use std::sync::Arc;

use thiserror::Error;

use crate::config::{EVENT_DEPTH_CEILING, EventFields, Format, Late, Limits, TimeSettings, TopicSource};
use crate::decode::{self, DecodeError, DecodeLimits, Decoder, FieldNames, TypeSource};
use crate::engine::{DropDuplicates, InputSettings, LatePolicy};
use crate::event::{Event, Position, SourceId};
use crate::program::Program;

const _: () = assert!(EVENT_DEPTH_CEILING == DecodeLimits::DEPTH_CEILING, "the configuration promises this depth");

/// Makes events of a topic's messages.
#[derive(Clone, Debug)]
pub struct Intake {
    source: SourceId,
    decoder: Decoder,
    /// Whether messages without payload belong there: the ends of rows, which their deletion told already.
    has_tombstones: bool,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// An event.
    Event,
    /// The end of a row, which is nothing to judge.
    Tombstone,
}

/// Why a message is no event.
#[derive(Debug, Error)]
pub enum NoEvent {
    /// It has no body.
    #[error("no payload: a tombstone is no event")]
    Tombstone,
    /// Its body cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl NoEvent {
    /// A stable word for metrics and headers.
    pub fn reason(&self) -> &'static str {
        match self {
            NoEvent::Tombstone => "tombstone",
            NoEvent::Decode(error) => error.reason(),
        }
    }
}

impl Intake {
    /// Of a topic, and its place among the sources.
    pub fn new(program: &Program, at: usize, topic: &TopicSource, limits: Limits) -> Intake {
        Intake {
            source: SourceId(u16::try_from(at).unwrap_or(u16::MAX)),
            decoder: decoder(program, &topic.fields, limits),
            has_tombstones: has_tombstones(&topic.fields, program),
        }
    }

    /// Decodes a message into `event`, and says where it stands.
    pub fn take(
        &mut self,
        partition: i32,
        offset: i64,
        payload: Option<&[u8]>,
        event: &mut Event,
    ) -> Result<Taken, NoEvent> {
        let Some(bytes) = payload else {
            return if self.has_tombstones { Ok(Taken::Tombstone) } else { Err(NoEvent::Tombstone) };
        };
        self.decoder.decode(bytes, event)?;
        event.position = self.place(partition, offset);
        Ok(Taken::Event)
    }

    /// Where a message stands.
    pub fn place(&self, partition: i32, offset: i64) -> Position {
        Position {
            source: self.source,
            partition: u32::try_from(partition).unwrap_or_default(),
            offset: u64::try_from(offset).unwrap_or_default(),
        }
    }
}

/// The topics' names by their number, as positions in alerts carry them.
pub fn topic_names(topics: &[TopicSource]) -> Arc<[String]> {
    topics.iter().map(|topic| topic.topic.clone()).collect()
}

/// The decoder of a source.
pub fn decoder(program: &Program, fields: &EventFields, limits: Limits) -> Decoder {
    let limits = DecodeLimits { bytes_max: limits.event_bytes_max, depth_max: limits.event_depth_max };
    let format = match fields.format {
        Format::Json => decode::Format::Json,
        Format::Debezium => decode::Format::Debezium,
    };
    Decoder::new(program, format, &field_names(fields), limits)
}

/// How a source's time is taken, and which repeats are left out.
pub fn input_settings(time: TimeSettings, limits: Limits) -> InputSettings {
    let late = match time.late {
        Late::Drop => LatePolicy::Drop,
        Late::Process => LatePolicy::Process,
        Late::DeadLetter => LatePolicy::DeadLetter,
    };
    let ids_max = limits.remembered_ids_max;
    let duplicates = time.drop_duplicates_ms.map(|window_ms| DropDuplicates { window_ms, ids_max });
    InputSettings { lateness_ms: time.lateness_ms, late, duplicates }
}

/// Whether a topic is that of a table: compaction removes what a message without payload ends.
fn has_tombstones(fields: &EventFields, program: &Program) -> bool {
    let is_table = |event: &String| program.changes.iter().any(|(id, _)| program.schema.get(*id).name == *event);
    fields.format == Format::Debezium || fields.event.as_ref().is_some_and(is_table)
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
