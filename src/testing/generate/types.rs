//! The event types that all generated rules and streams share.

use super::lookups;
use super::tree::{name, path, spanned};
use crate::lang::ast::{EventDecl, FieldDecl, Item, KindName};

/// The types that rules name.
pub(super) const RULED: [&str; 5] = ["login", "failed", "purchase", "transfer", "logout"];

/// A declared type that no rule names.
pub(super) const UNRULED: &str = "noise";

/// A type that is not declared.
pub(super) const UNDECLARED: &str = "ghost";

/// The one type in which the key `user` is called otherwise, and what it is called.
pub(super) const RENAMED: (&str, &str) = ("transfer", "sender.id");

/// The fields of a type: path and kind.
pub(super) fn fields(event_type: &str) -> Vec<(&'static str, &'static str)> {
    const COMMON: [(&str, &str); 6] = [
        ("card", "text"),
        ("device.id", "text"),
        ("country", "text"),
        ("amount", "number"),
        ("n", "integer"),
        ("flag", "boolean"),
    ];
    const USER: (&str, &str) = ("user", "text");
    const PLACE: (&str, &str) = ("place", "point");
    const IP: (&str, &str) = ("ip", "ip");
    const SEEN: (&str, &str) = ("seen", "time");
    const TAGS: (&str, &str) = ("tags", "list of text");
    if event_type == lookups::LANDS {
        return lookups::CHANGE.to_vec();
    }
    let own: &[(&str, &str)] = match event_type {
        "login" => &[USER, IP, PLACE, SEEN, TAGS],
        "failed" => &[USER, IP, SEEN],
        "purchase" => &[USER, IP, PLACE, ("merchant.category", "text")],
        "transfer" => &[(RENAMED.1, "text"), PLACE],
        // A declared field `time` hides the event's own time.
        "logout" => &[USER, TAGS, ("time", "time")],
        _ => &[USER],
    };
    own.iter().chain(&COMMON).copied().collect()
}

/// Whether a type has a field.
pub(super) fn has(event_type: &str, field: &str) -> bool {
    fields(event_type).iter().any(|(path, _)| *path == field)
}

/// The declarations.
pub(super) fn declarations() -> impl Iterator<Item = Item> {
    RULED.into_iter().chain([UNRULED]).map(|event_type| {
        let fields = fields(event_type).into_iter();
        let fields = fields.map(|(field, kind)| FieldDecl { path: path(field), kind: spanned(kind_name(kind)) });
        Item::Event(EventDecl { name: name(event_type), fields: fields.collect() })
    })
}

pub(super) fn kind_name(kind: &str) -> KindName {
    match kind.strip_prefix("list of ") {
        Some(of) => KindName::ListOf(Box::new(kind_name(of))),
        None => KindName::Named(kind.to_owned()),
    }
}
