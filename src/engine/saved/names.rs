//! What a saved state calls by number: event types, with the fields that were read of them, and sources. The program
//! that takes it up may have given them other numbers since.

use std::sync::Arc;

use crate::engine::codec::{Reader, put, put_all, put_bytes, put_count, put_signed, put_value};
use crate::event::{Event, EventId, Position, SourceId, Value};
use crate::program::Program;
use crate::schema::TypeId;

/// What the numbers of a saved state are now.
pub(in crate::engine) struct Names {
    types: Vec<SavedType>,
    /// By the number of then.
    sources: Vec<Option<SourceId>>,
}

struct SavedType {
    now: Option<TypeId>,
    /// By the place that a value has now, the one that it had.
    values: Vec<Option<usize>>,
    /// How many values there were.
    width: usize,
}

/// Behind the fields of a type stands the whole event, where it does.
const WHOLE: &str = "";

/// Writes the names of a program's types and of the sources.
pub(in crate::engine) fn save_names(program: &Program, sources: &[String], out: &mut Vec<u8>) {
    put_all(out, sources.iter(), |out, source| put_bytes(out, source.as_bytes()));
    put_count(out, program.types.len());
    for at in 0..program.types.len() {
        let id = TypeId(u32::try_from(at).expect("files are limited"));
        put_bytes(out, program.schema.get(id).name.as_bytes());
        let fields = fields(program, id);
        put_all(out, fields.iter(), |out, field| put_bytes(out, field.as_bytes()));
    }
}

/// The fields that are read of a type, in the order of its events' values.
fn fields(program: &Program, id: TypeId) -> Vec<String> {
    let (plan, declared) = (&program.types[id.0 as usize], &program.schema.get(id).fields);
    let fields = plan.fields.iter().map(|field| declared[*field].dotted());
    fields.chain(plan.whole.then(|| WHOLE.to_owned())).collect()
}

impl Names {
    /// Reads them back, and finds them in a program and among the sources.
    pub(in crate::engine) fn load(from: &mut Reader<'_>, program: &Program, sources: &Arc<[String]>) -> Option<Names> {
        let source = |name: &str| {
            let at = sources.iter().position(|source| source == name)?;
            Some(SourceId(u16::try_from(at).expect("sources are as few")))
        };
        let sources = (0..from.count()?).map(|_| from.name().map(source)).collect::<Option<_>>()?;
        let types = (0..from.count()?).map(|_| SavedType::load(from, program)).collect::<Option<_>>()?;
        Some(Names { types, sources })
    }

    /// A type as it is numbered now, if it is there.
    pub(in crate::engine) fn type_of(&self, then: TypeId) -> Option<TypeId> {
        self.types.get(then.0 as usize)?.now
    }

    /// A source as it is numbered now, if it is there. Where sources have no names, its number stays.
    pub(in crate::engine) fn source_of(&self, then: SourceId) -> Option<SourceId> {
        if self.sources.is_empty() { Some(then) } else { *self.sources.get(usize::from(then.0))? }
    }

    /// Reads an event that waits. A field that was not read then is missing, and a type that is gone is not declared.
    pub(in crate::engine) fn event(&self, from: &mut Reader<'_>) -> Option<Event> {
        let saved = match from.number()?.checked_sub(1) {
            Some(at) => Some(self.types.get(usize::try_from(at).ok()?)?),
            None => None,
        };
        let time_ms = from.signed()?;
        let source = self.source_of(SourceId(from.narrow()?))?;
        let position = Position { source, partition: from.narrow()?, offset: from.number()? };
        let id = if from.flag()? { Some(EventId::from(from.name()?)) } else { None };
        let then: Vec<Value> = (0..from.count()?).map(|_| from.value()).collect::<Option<_>>()?;
        let type_id = saved.and_then(|saved| saved.now);
        let values = match saved.filter(|_| type_id.is_some()) {
            Some(saved) if saved.width == then.len() => {
                let value = |was: &Option<usize>| was.map_or(Value::Missing, |was| then[was].clone());
                saved.values.iter().map(value).collect()
            }
            Some(_) => return None,
            None => Vec::new(),
        };
        Some(Event { type_id, time_ms, position, id, values })
    }
}

impl SavedType {
    fn load(from: &mut Reader<'_>, program: &Program) -> Option<SavedType> {
        let name = from.name()?;
        let then = (0..from.count()?).map(|_| from.name()).collect::<Option<Vec<&str>>>()?;
        let now = program.schema.type_id(name).filter(|id| (id.0 as usize) < program.types.len());
        let place = |field: &String| then.iter().position(|then| then == field);
        let values = now.map_or_else(Vec::new, |now| fields(program, now).iter().map(place).collect());
        Some(SavedType { now, values, width: then.len() })
    }
}

/// Writes an event that waits.
pub(in crate::engine) fn put_event(out: &mut Vec<u8>, event: &Event) {
    let Event { type_id, time_ms, position, id, values } = event;
    put(out, type_id.map_or(0, |id| u64::from(id.0) + 1));
    put_signed(out, *time_ms);
    put(out, u64::from(position.source.0));
    put(out, u64::from(position.partition));
    put(out, position.offset);
    out.push(u8::from(id.is_some()));
    if let Some(id) = id {
        put_bytes(out, id.as_bytes());
    }
    put_all(out, values, put_value);
}
