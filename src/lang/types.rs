//! The types of expressions: the kinds of fields, and numbers that carry a dimension.

use std::fmt;

use crate::schema::Kind;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    Text,
    /// A 64-bit integer without a dimension.
    Integer,
    /// A 64-bit float without a dimension.
    Number,
    /// A number with a dimension.
    Quantity(Dimension),
    /// True or false.
    Boolean,
    /// An instant.
    Time,
    /// An address.
    Ip,
    /// A place.
    Point,
    /// A list.
    List(Box<Type>),
    /// Of an expression that is wrong: its problem is told already, and it fits everything.
    Unknown,
}

/// What a number measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A length of time, in ms.
    Duration,
    /// A distance, in km.
    Distance,
    /// A speed, in km/h.
    Speed,
}

impl Type {
    /// Whether it is a number of any sort.
    pub fn is_numeric(&self) -> bool {
        matches!(self, Type::Integer | Type::Number | Type::Quantity(_))
    }
}

impl From<&Kind> for Type {
    fn from(kind: &Kind) -> Type {
        match kind {
            Kind::Text => Type::Text,
            Kind::Integer => Type::Integer,
            Kind::Number => Type::Number,
            Kind::Boolean => Type::Boolean,
            Kind::Time => Type::Time,
            Kind::Ip => Type::Ip,
            Kind::Point => Type::Point,
            Kind::List(of) => Type::List(Box::new(Type::from(&**of))),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Text => "text",
            Type::Integer => "an integer",
            Type::Number => "a number",
            Type::Quantity(Dimension::Duration) => "a length of time",
            Type::Quantity(Dimension::Distance) => "a distance",
            Type::Quantity(Dimension::Speed) => "a speed",
            Type::Boolean => "true or false",
            Type::Time => "a time",
            Type::Ip => "an ip address",
            Type::Point => "a point",
            Type::List(of) => return write!(f, "a list of {of}"),
            Type::Unknown => "unknown",
        })
    }
}
