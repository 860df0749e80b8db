//! The declarations and the stream: what an expression can look at.

use serde_json::Value as Json;

use super::TestEvent;
use super::value::Val;
use crate::lang::ast;
use crate::schema::{EventType, Field, Kind, Schema};

/// Everything that does not change while a stream is judged.
pub(super) struct World<'a> {
    pub(super) schema: Schema,
    pub(super) events: &'a [TestEvent],
}

impl<'a> World<'a> {
    pub(super) fn new(files: &[ast::File], events: &'a [TestEvent]) -> World<'a> {
        let items = files.iter().flat_map(|file| &file.items);
        let types = items.filter_map(|item| match &item.node {
            ast::Item::Event(declaration) => Some(event_type(declaration)),
            _ => None,
        });
        World { schema: Schema { types: types.collect() }, events }
    }

    /// An event's declared type; `None` where it is not declared.
    pub(super) fn event_type(&self, event: usize) -> Option<&EventType> {
        let id = self.schema.type_id(&self.events[event].event_type)?;
        Some(self.schema.get(id))
    }

    /// A field of an event, by its declared kind. The bare field `time`, where the type declares none, is the
    /// event's own time.
    pub(super) fn field(&self, event: usize, path: &[&str]) -> Val {
        let Some(event_type) = self.event_type(event) else { return Val::Missing };
        let Some(field) = event_type.field(path) else {
            return if path == ["time"] { Val::Time(self.events[event].time_ms) } else { Val::Missing };
        };
        let field = &event_type.fields[field];
        let json = field.path.iter().try_fold(&self.events[event].body, |body, name| body.as_object()?.get(name));
        json.map_or(Val::Missing, |json: &Json| Val::read(json, &field.kind))
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

fn event_type(declaration: &ast::EventDecl) -> EventType {
    let fields = declaration.fields.iter().map(|field| Field {
        path: field.path.segments.iter().map(|name| name.node.clone()).collect(),
        kind: kind(&field.kind),
    });
    EventType { name: declaration.name.node.clone(), fields: fields.collect() }
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
