//! The types and fields of a sample, from message to message.

use std::collections::HashMap;

use crate::decode::{DecodeError, DecodeLimits, FieldNames, JsonDecoder, TypeSource, without_huge_numbers};
use crate::event::Event;
use crate::infer::json::{Json, TWICE};
use crate::infer::seen::Seen;
use crate::infer::write;
use crate::program::Program;

/// The most types; events of further ones are counted.
pub(super) const TYPES_MAX: usize = 200;
/// The most fields of all types together: what is written must be a rule file of less than 1 MiB.
pub(super) const FIELDS_MAX: usize = 2_000;
/// The most names on the path of a field.
pub(super) const PATH_MAX: usize = 8;

/// What was seen of a sample of events.
#[derive(Debug)]
pub struct Sample {
    names: FieldNames,
    decoder: JsonDecoder,
    pub(super) types: Vec<SeenType>,
    by_name: HashMap<String, usize>,
    fields: usize,
    pub(super) summary: Summary,
}

/// How much there was, and what did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events that were read.
    pub events: u64,
    /// Types that are declared.
    pub types: usize,
    /// Lines that are no events.
    pub refused: u64,
    /// Events of types beyond the limit.
    pub beyond_types: u64,
    /// Values of fields beyond the limit.
    pub beyond_fields: u64,
    /// Values of fields that are nested too deep.
    pub beyond_depth: u64,
}

/// An event type of the sample.
#[derive(Debug, Default)]
pub(super) struct SeenType {
    pub(super) name: String,
    pub(super) events: u64,
    pub(super) fields: Fields,
}

/// Fields in the order in which they first came.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) all: Vec<SeenField>,
    by_name: HashMap<String, usize>,
}

/// A field of an object.
#[derive(Debug, Default)]
pub(super) struct SeenField {
    pub(super) name: String,
    pub(super) present: u64,
    /// Whether the type, time or id of events stands in it.
    pub(super) holds_role: bool,
    pub(super) seen: Seen,
    pub(super) below: Fields,
}

impl Sample {
    /// No events yet, whose type, time and id stand at `names`.
    pub fn new(names: FieldNames, limits: DecodeLimits) -> Sample {
        Sample {
            decoder: JsonDecoder::new(&Program::default(), &names, limits),
            names,
            types: Vec::new(),
            by_name: HashMap::new(),
            fields: 0,
            summary: Summary::default(),
        }
    }

    /// Adds a line. An error says why it is no event; then it is only counted.
    pub fn add(&mut self, line: &[u8]) -> Result<(), DecodeError> {
        let read = self.read(line);
        match &read {
            Ok(json) => self.add_event(json),
            Err(_) => self.summary.refused += 1,
        }
        read.map(|_| ())
    }

    /// How much there was.
    pub fn summary(&self) -> Summary {
        Summary { types: self.types.len(), ..self.summary }
    }

    /// The declarations, as a rule file in its one form.
    pub fn declarations(&self) -> String {
        write::declarations(self)
    }

    /// Where type, time and id stand, for the comment at the head.
    pub(super) fn names(&self) -> &FieldNames {
        &self.names
    }

    fn read(&mut self, line: &[u8]) -> Result<Json, DecodeError> {
        self.decoder.decode(line, &mut Event::default())?;
        let parsed = serde_json::from_slice(line);
        let parsed = match (parsed, without_huge_numbers(line)) {
            (Err(_), Some(smaller)) => serde_json::from_slice(&smaller),
            (parsed, _) => parsed,
        };
        parsed.map_err(|error: serde_json::Error| {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            match message.strip_prefix(TWICE) {
                Some(field) => DecodeError::DuplicateField { field: field.to_owned() },
                None => DecodeError::NotJson { at: error.column().saturating_sub(1), problem: message.to_owned() },
            }
        })
    }

    fn add_event(&mut self, json: &Json) {
        self.summary.events += 1;
        let Some(at) = self.type_of(json) else {
            self.summary.beyond_types += 1;
            return;
        };
        let roles = self.roles(json);
        let event_type = &mut self.types[at];
        event_type.events += 1;
        let mut room = Room { fields: &mut self.fields, summary: &mut self.summary, roles: &roles };
        if let Json::Object(fields) = json {
            event_type.fields.add(fields, "", 1, &mut room);
        }
    }

    /// The number of an event's type; none where there are too many.
    fn type_of(&mut self, json: &Json) -> Option<usize> {
        let name = match &self.names.event_type {
            TypeSource::Fixed(name) => name.clone(),
            TypeSource::Fields(paths) => match first(json, paths) {
                Some((_, Json::Text(name))) => name.clone(),
                _ => return None,
            },
        };
        if let Some(at) = self.by_name.get(&name) {
            return Some(*at);
        }
        if self.types.len() == TYPES_MAX {
            return None;
        }
        self.by_name.insert(name.clone(), self.types.len());
        self.types.push(SeenType { name, ..SeenType::default() });
        Some(self.types.len() - 1)
    }

    /// The paths that hold this event's type, time and id: every event has these, declared or not.
    fn roles(&self, json: &Json) -> Vec<String> {
        let of_type = match &self.names.event_type {
            TypeSource::Fields(paths) => first(json, paths),
            TypeSource::Fixed(_) => None,
        };
        let found = [of_type, first(json, &self.names.time), first(json, &self.names.id)];
        found.into_iter().flatten().map(|(path, _)| path.to_owned()).collect()
    }
}

/// The first of some fields that is there and not null.
fn first<'a>(json: &'a Json, paths: &'a [String]) -> Option<(&'a str, &'a Json)> {
    let present = paths.iter().filter_map(|path| Some((path.as_str(), json.at(path)?)));
    present.into_iter().find(|(_, value)| **value != Json::Null)
}

/// What an event's fields need to know of the whole.
struct Room<'a> {
    fields: &'a mut usize,
    summary: &'a mut Summary,
    roles: &'a [String],
}

impl Fields {
    fn add(&mut self, fields: &[(String, Json)], above: &str, depth: usize, room: &mut Room<'_>) {
        for (name, value) in fields {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            if room.roles.contains(&path) {
                continue;
            }
            if depth > PATH_MAX {
                room.summary.beyond_depth += 1;
                continue;
            }
            let holds_role =
                room.roles.iter().any(|role| role.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.')));
            let Some(field) = self.field(name, room) else {
                room.summary.beyond_fields += 1;
                continue;
            };
            field.present += 1;
            field.holds_role |= holds_role;
            field.seen.add(value);
            if let Json::Object(below) = value {
                field.below.add(below, &path, depth + 1, room);
            }
        }
    }

    /// A field by its name, made where there is room.
    fn field(&mut self, name: &str, room: &mut Room<'_>) -> Option<&mut SeenField> {
        if let Some(at) = self.by_name.get(name) {
            return Some(&mut self.all[*at]);
        }
        if *room.fields == FIELDS_MAX {
            return None;
        }
        *room.fields += 1;
        self.by_name.insert(name.to_owned(), self.all.len());
        self.all.push(SeenField { name: name.to_owned(), ..SeenField::default() });
        self.all.last_mut()
    }
}
