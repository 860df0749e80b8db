//! Where an event's type, time and id stand: options of the subcommands that read files of events.

use clap::Args;

use crate::decode::{FieldNames, TypeSource};

/// The fields that every event has.
#[derive(Debug, Args)]
pub(super) struct Names {
    /// The field that holds the event's type, as a dotted path
    #[arg(long, value_name = "FIELD", default_value = "type")]
    r#type: String,
    /// The one type of all events, in place of a field
    #[arg(long, value_name = "TYPE", conflicts_with = "type")]
    pub(super) event: Option<String>,
    /// The field that holds the time (ms since the epoch or RFC 3339)
    /// [default: the first present of ts, time, timestamp, event_time, @timestamp]
    #[arg(long, value_name = "FIELD")]
    time: Option<String>,
    /// The field that holds the event's id [default: the first present of event_id, id]
    #[arg(long, value_name = "FIELD")]
    id: Option<String>,
}

impl Names {
    /// The field names that were given, and else the defaults.
    pub(super) fn field_names(&self, defaults: FieldNames) -> FieldNames {
        let one = |field: &Option<String>, default| field.as_ref().map_or(default, |field| vec![field.clone()]);
        FieldNames {
            event_type: match &self.event {
                Some(event) => TypeSource::Fixed(event.clone()),
                None => TypeSource::Fields(vec![self.r#type.clone()]),
            },
            time: one(&self.time, defaults.time),
            id: one(&self.id, defaults.id),
        }
    }
}
