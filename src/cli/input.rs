//! What the subcommands that read files of events have in common: how the lines are read, and in which order.

use clap::{Args, ValueEnum};

use crate::cli::names::Names;
use crate::decode::{DecodeLimits, FieldNames, Format};
use crate::engine::{DropDuplicates, End, InputSettings, LatePolicy, Limits};
use crate::replay::Settings;

/// How files of events are read.
#[derive(Debug, Args)]
pub(super) struct Input {
    /// How far events may be out of order: 2s, 500ms, 5m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    lateness: i64,
    /// What is done with later ones
    #[arg(long, value_enum, default_value_t = Late::Drop)]
    late: Late,
    /// Leave out an event if one with its id came before, in any of the files, with a time less than this apart
    #[arg(long, value_name = "DURATION", value_parser = window)]
    drop_duplicates: Option<i64>,
    /// What fires at the end of the input
    #[arg(long, value_enum, default_value_t = Ending::LastEvent)]
    end: Ending,
    /// The form of the lines; `debezium` needs --event
    #[arg(long, value_enum, default_value_t = Form::Json, requires_if("debezium", "event"))]
    format: Form,
    #[command(flatten)]
    names: Names,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// Objects with the event's fields
    Json,
    /// Debezium's envelopes around the changes of one table's rows
    Debezium,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Late {
    /// Left out, and counted
    Drop,
    /// Judged as if it came at the watermark
    Process,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ending {
    /// Deadlines up to the last event's time
    LastEvent,
    /// All deadlines
    Flush,
}

/// A duration such as `2s`, in ms.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("write a number and a unit: 500ms, 2s, 5m, 1h, 1d".to_owned()),
    };
    let n: i64 = digits.parse().map_err(|_| "write a whole number and a unit: 500ms, 2s, 5m".to_owned())?;
    n.checked_mul(scale).filter(|ms| *ms >= 0).ok_or_else(|| "the duration is out of range".to_owned())
}

/// A duration that is longer than nothing, in ms.
fn window(text: &str) -> Result<i64, String> {
    duration(text).and_then(|ms| if ms > 0 { Ok(ms) } else { Err("it must be longer than nothing".to_owned()) })
}

impl Input {
    /// What fires at the end.
    pub(super) fn end(&self) -> End {
        match self.end {
            Ending::LastEvent => End::LastEvent,
            Ending::Flush => End::Flush,
        }
    }

    /// The settings of a replay of files, on one thread.
    pub(super) fn settings(&self) -> Settings {
        let (format, defaults) = match (self.format, &self.names.event) {
            (Form::Debezium, Some(event)) => (Format::Debezium, FieldNames::of_changes(event)),
            _ => (Format::Json, FieldNames::default()),
        };
        Settings {
            format,
            names: self.names.field_names(defaults),
            limits: DecodeLimits::default(),
            open: Limits::default(),
            input: InputSettings {
                lateness_ms: self.lateness,
                late: match self.late {
                    Late::Drop => LatePolicy::Drop,
                    Late::Process => LatePolicy::Process,
                },
                duplicates: self
                    .drop_duplicates
                    .map(|window_ms| DropDuplicates { window_ms, ids_max: DropDuplicates::IDS_MAX }),
            },
            end: self.end(),
            threads: 1,
        }
    }
}
