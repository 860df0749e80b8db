//! Lists and tables: what they hold, and when (section 1 of the language's definition shows them).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::value::Val;
use super::world::{World, field, read};
use crate::lang::ast::{self, Item, Name, Path};
use crate::schema::{EventType, Field, Kind};

/// What lists and tables hold at the beginning, by name: of each row the key, and the row with its columns. The row of
/// a list says nothing. Where keys are equal, the last row counts.
pub type Tables = BTreeMap<String, Vec<(Json, Json)>>;

/// The declarations of lists and tables.
pub(super) fn lookups(files: &[ast::File]) -> impl Iterator<Item = &ast::Lookup> {
    files.iter().flat_map(|file| &file.items).filter_map(|item| match &item.node {
        Item::List(lookup) | Item::Table(lookup) => Some(lookup),
        _ => None,
    })
}

/// "A table from a topic is an event type too: its change events", with the columns, `op` and what was `before`.
pub(super) fn change_types(files: &[ast::File]) -> impl Iterator<Item = EventType> {
    lookups(files).filter(|lookup| lookup.from_topic).map(|lookup| {
        let columns: Vec<Field> = lookup.columns.iter().map(field).collect();
        let key = path(&lookup.key);
        let before = columns.iter().filter(|column| column.path != key);
        let before = before.map(|column| Field { path: prefixed("before", &column.path), kind: column.kind.clone() });
        let op = Field { path: vec!["op".to_owned()], kind: Kind::Text };
        let fields = columns.iter().cloned().chain([op]).chain(before.collect::<Vec<_>>());
        EventType { name: lookup.name.node.clone(), fields: fields.collect() }
    })
}

/// Whether a list holds a value, as of an event.
pub(super) fn holds(world: &World, list: &Name, value: &Val, event: usize) -> bool {
    row(world, lookup(world, list), value, event).is_some()
}

/// `table[key].column`, as of an event: "missing where the key is missing, there is no row, or no value".
pub(super) fn column(world: &World, table: &Name, key: &Val, column: &Path, event: usize) -> Val {
    let lookup = lookup(world, table);
    let Some(row) = row(world, lookup, key, event) else { return Val::Missing };
    let column = path(column);
    match lookup.columns.iter().map(field).find(|declared| declared.path == column) {
        Some(declared) => read(row, &declared),
        None => {
            let value = column.iter().try_fold(row, |row, name| row.as_object()?.get(name));
            value.map_or(Val::Missing, undeclared)
        }
    }
}

/// The row of a key. A change event replaces what was there, and "applies before rules judge that event": so do all
/// that came up to the event at hand.
fn row<'a>(world: &World<'a>, lookup: &ast::Lookup, key: &Val, event: usize) -> Option<&'a Json> {
    if key.is_missing() {
        return None;
    }
    let key_path = path(&lookup.key);
    let declared = lookup.columns.iter().map(field).find(|column| column.path == key_path);
    let kind = declared.as_ref().map(|column| &column.kind);
    let changes = world.stream[..=event].iter().rev();
    let mut changes = changes.filter(|change| lookup.from_topic && change.event_type == lookup.name.node);
    let changed = changes.find(|change| {
        let json = key_path.iter().try_fold(change.body, |body, name| body.as_object()?.get(name));
        json.is_some_and(|json| is_key(json, kind, key))
    });
    if let Some(change) = changed {
        let deleted = change.body.get("op").and_then(Json::as_str) == Some("delete");
        return (!deleted).then_some(change.body);
    }
    let rows = world.tables.get(&lookup.name.node)?;
    rows.iter().rev().find(|(json, _)| is_key(json, kind, key)).map(|(_, row)| row)
}

/// Whether a row's key is the value that is looked up; read by its own kind, or else as the value's.
fn is_key(json: &Json, kind: Option<&Kind>, value: &Val) -> bool {
    let as_value = match value {
        Val::Ip(_) => Kind::Ip,
        Val::Time(_) => Kind::Time,
        Val::Integer(_) | Val::Number(_) if json.is_i64() => Kind::Integer,
        Val::Integer(_) | Val::Number(_) => Kind::Number,
        Val::Boolean(_) => Kind::Boolean,
        Val::Text(_) | Val::Missing | Val::Point { .. } | Val::List(_) => Kind::Text,
    };
    let kind = kind.cloned().unwrap_or(as_value);
    Val::read(json, &kind).same(value)
}

/// A value whose kind is not declared says its kind itself.
fn undeclared(json: &Json) -> Val {
    let kind = match json {
        Json::Bool(_) => Kind::Boolean,
        Json::Number(n) if n.is_i64() => Kind::Integer,
        Json::Number(_) => Kind::Number,
        _ => Kind::Text,
    };
    Val::read(json, &kind)
}

fn lookup<'w>(world: &'w World, name: &Name) -> &'w ast::Lookup {
    let found = world.lookups.iter().find(|lookup| lookup.name.node == name.node);
    found.expect("the file is valid: the list or table is declared")
}

fn path(path: &Path) -> Vec<String> {
    path.segments.iter().map(|name| name.node.clone()).collect()
}

fn prefixed(first: &str, path: &[String]) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(path.iter().cloned()).collect()
}
