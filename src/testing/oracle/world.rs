//! The declarations and the stream: what an expression can look at.

use serde_json::Value as Json;

use super::stream::{self, Occurrence};
use super::table::{self, Tables};
use super::value::Val;
use super::{Cap, TestEvent, derived};
use crate::lang::ast;
use crate::schema::{EventType, Field, Kind, Schema};

/// Everything that an expression can look at. It grows by the alerts of one level of rules after the other.
pub(super) struct World<'a> {
    /// The declared types, and the rules as types.
    pub(super) schema: Schema,
    /// In the order in which rules see it. Below, an "event" is an index into it.
    pub(super) stream: Vec<Occurrence<'a>>,
    /// The declared lists and tables.
    pub(super) lookups: Vec<&'a ast::Lookup>,
    /// What they hold at the beginning.
    pub(super) tables: &'a Tables,
    /// How many runs may be open.
    pub(super) cap: Option<Cap>,
}

impl<'a> World<'a> {
    pub(super) fn new(files: &'a [ast::File], events: &'a [TestEvent], tables: &'a Tables) -> World<'a> {
        let items = files.iter().flat_map(|file| &file.items);
        let types = items.filter_map(|item| match &item.node {
            ast::Item::Event(declaration) => Some(event_type(declaration)),
            _ => None,
        });
        let mut world = World {
            schema: Schema { types: types.chain(table::change_types(files)).collect() },
            stream: stream::of_events(events),
            lookups: table::lookups(files).collect(),
            tables,
            cap: None,
        };
        derived::declare(&mut world, files);
        world
    }

    pub(super) fn time(&self, event: usize) -> i64 {
        self.stream[event].time_ms
    }

    /// "No more than N runs of a rule and key are open": whether a run may start beside the open ones, the oldest of
    /// which stands first. "Where N are open already the oldest is dropped", or the new one does not start.
    pub(super) fn make_room<T>(&self, open: &mut Vec<T>) -> bool {
        match self.cap {
            Some(cap) if open.len() >= cap.open_runs_per_key => {
                if !cap.drop_new {
                    open.remove(0);
                }
                !cap.drop_new
            }
            _ => true,
        }
    }

    /// Whether the event is of one of the types.
    pub(super) fn is_of(&self, types: &[ast::Name], event: usize) -> bool {
        types.iter().any(|name| name.node == self.stream[event].event_type)
    }

    /// An event's declared type; `None` where it is not declared.
    fn event_type(&self, event: usize) -> Option<&EventType> {
        let id = self.schema.type_id(self.stream[event].event_type)?;
        Some(self.schema.get(id))
    }

    /// A field of an event, by its declared kind. The bare field `time`, where the type declares none, is the
    /// event's own time.
    pub(super) fn field(&self, event: usize, path: &[&str]) -> Val {
        let Some(event_type) = self.event_type(event) else { return Val::Missing };
        let Some(field) = event_type.field(path) else {
            return if path == ["time"] { Val::Time(self.time(event)) } else { Val::Missing };
        };
        let field = &event_type.fields[field];
        read(self.stream[event].body, field)
    }

    /// The event's one field that holds a point (section 2: "each event's type having exactly one point field").
    pub(super) fn place(&self, event: usize) -> Val {
        let fields = self.event_type(event).map_or(&[][..], |event_type| &event_type.fields[..]);
        let points: Vec<&Field> = fields.iter().filter(|field| field.kind == Kind::Point).collect();
        let [point] = points[..] else { return Val::Missing };
        let path: Vec<&str> = point.path.iter().map(String::as_str).collect();
        self.field(event, &path)
    }
}

/// A field of a body.
pub(super) fn read(body: &Json, field: &Field) -> Val {
    let json = field.path.iter().try_fold(body, |body, name| body.as_object()?.get(name));
    json.map_or(Val::Missing, |json: &Json| Val::read(json, &field.kind))
}

fn event_type(declaration: &ast::EventDecl) -> EventType {
    EventType { name: declaration.name.node.clone(), fields: declaration.fields.iter().map(field).collect() }
}

/// A field as declared.
pub(super) fn field(declared: &ast::FieldDecl) -> Field {
    Field { path: declared.path.segments.iter().map(|name| name.node.clone()).collect(), kind: kind(&declared.kind) }
}

fn kind(name: &ast::KindName) -> Kind {
    match name {
        ast::KindName::ListOf(of) => Kind::List(Box::new(kind(of))),
        ast::KindName::Named(name) => {
            let (_, kind) = Kind::NAMED.into_iter().find(|(known, _)| known == name).expect("the file is valid");
            kind
        }
    }
}
