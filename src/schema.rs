//! Event types and the kinds of their fields, as rule files declare them. Made by `lang`, read by decoders, by the
//! engine's tables and by everything that prints an event.

use std::fmt;

/// The number of a declared event type, in the order of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// As an index into tables by type.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    Text,
    /// A 64-bit integer.
    Integer,
    /// A 64-bit float; a JSON integer is a number too.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An instant: ms since the epoch, or RFC 3339 text.
    Time,
    /// An IPv4 or IPv6 address, as text.
    Ip,
    /// `{"latitude":…,"longitude":…}` or `[longitude, latitude]`.
    Point,
    /// A list of one kind.
    List(Box<Kind>),
}

impl Kind {
    /// The kinds that have a name of one word, in the order in which messages list them.
    pub const NAMED: [(&'static str, Kind); 7] = [
        ("text", Kind::Text),
        ("integer", Kind::Integer),
        ("number", Kind::Number),
        ("boolean", Kind::Boolean),
        ("time", Kind::Time),
        ("ip", Kind::Ip),
        ("point", Kind::Point),
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Kind::List(of) = self {
            return write!(f, "list of {of}");
        }
        let (name, _) = Kind::NAMED.iter().find(|(_, kind)| kind == self).expect("every other kind is named");
        f.write_str(name)
    }
}

/// A field of an event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The path from the body's root: `merchant.location.latitude` is three names.
    pub path: Vec<String>,
    /// What it holds.
    pub kind: Kind,
}

impl Field {
    /// The path as rules write it, with dots.
    pub fn dotted(&self) -> String {
        self.path.join(".")
    }
}

/// A declared event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// Its name, as the event's type field holds it.
    pub name: String,
    /// Its fields, in the order of declaration.
    pub fields: Vec<Field>,
}

impl EventType {
    /// The index of a field by its path.
    pub fn field(&self, path: &[impl AsRef<str>]) -> Option<usize> {
        self.fields.iter().position(|field| field.path.iter().map(String::as_str).eq(path.iter().map(AsRef::as_ref)))
    }
}

/// All declared event types; [`TypeId`] indexes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The types, in the order of declaration.
    pub types: Vec<EventType>,
}

impl Schema {
    /// The number of a type by its name.
    pub fn type_id(&self, name: &str) -> Option<TypeId> {
        let index = self.types.iter().position(|t| t.name == name)?;
        Some(TypeId(u32::try_from(index).expect("rule files are limited far below 2^32 types")))
    }

    /// A type by its number.
    pub fn get(&self, id: TypeId) -> &EventType {
        &self.types[id.index()]
    }
}
