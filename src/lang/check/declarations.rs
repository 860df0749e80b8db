//! Event types: their names, their fields, their kinds.

use std::collections::{BTreeSet, HashMap};

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{self, Item, KindName};
use crate::lang::check::{duplicate, items};
use crate::schema::{EventType, Field, Kind, Schema};

/// Other systems' words for our kinds.
const SYNONYMS: [(&str, &str); 14] = [
    ("string", "text"),
    ("str", "text"),
    ("varchar", "text"),
    ("int", "integer"),
    ("long", "integer"),
    ("bigint", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("decimal", "number"),
    ("bool", "boolean"),
    ("timestamp", "time"),
    ("datetime", "time"),
    ("inet", "ip"),
    ("geo_point", "point"),
];

/// All declared event types. The fields whose kind is unknown are left out and put into `dropped`: `login.country`.
pub(super) fn schema(files: &[ast::File], diagnostics: &mut Vec<Diagnostic>, dropped: &mut BTreeSet<String>) -> Schema {
    let mut schema = Schema::default();
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for item in items(files) {
        let Item::Event(event) = &item.node else { continue };
        if let Some(first) = seen.insert(&event.name.node, event.name.span) {
            seen.insert(&event.name.node, first);
            diagnostics.push(duplicate(&event.name, first, "event"));
            continue;
        }
        schema.types.push(EventType { name: event.name.node.clone(), fields: fields(event, diagnostics, dropped) });
    }
    schema
}

fn fields(event: &ast::EventDecl, diagnostics: &mut Vec<Diagnostic>, dropped: &mut BTreeSet<String>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut seen: HashMap<String, Span> = HashMap::new();
    for declared in &event.fields {
        let span = declared.path.span();
        if let Some(first) = seen.insert(declared.path.dotted(), span) {
            let name = ast::Name::new(declared.path.dotted(), span);
            diagnostics.push(duplicate(&name, first, "field"));
            continue;
        }
        match kind(&declared.kind.node) {
            Ok(kind) => {
                let path = declared.path.segments.iter().map(|segment| segment.node.clone()).collect();
                fields.push(Field { path, kind });
            }
            Err(unknown) => {
                dropped.insert(format!("{}.{}", event.name.node, declared.path.dotted()));
                diagnostics.push(unknown_kind(unknown, declared.kind.span));
            }
        }
    }
    fields
}

/// A kind by its name, or the name that is none.
pub(super) fn kind(name: &KindName) -> Result<Kind, &str> {
    match name {
        KindName::Named(name) => {
            let known = Kind::NAMED.into_iter().find(|(known, _)| known == name);
            known.map(|(_, kind)| kind).ok_or(name)
        }
        KindName::ListOf(of) => Ok(Kind::List(Box::new(kind(of)?))),
    }
}

/// "`string` is no kind of field", with the kind that is meant.
pub(super) fn unknown_kind(written: &str, span: Span) -> Diagnostic {
    let names = Kind::NAMED.map(|(name, _)| name);
    let diagnostic = Diagnostic::new(Code::UnknownKind, span, format!("`{written}` is no kind of field"));
    let synonym = SYNONYMS.iter().find(|(other, _)| other.eq_ignore_ascii_case(written));
    let meant = synonym.map(|(_, ours)| *ours).or_else(|| crate::diagnostic::closest(written, names));
    match meant {
        Some(name) => diagnostic.help(format!("did you mean `{name}`?")).fix(span, name),
        None => diagnostic.help(format!("the kinds are {}, and `list of` one of them", names.join(", "))),
    }
}
