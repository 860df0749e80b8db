//! One typed value. Stands below everything: decoders make values, expressions compare them, alerts print them.
//!
//! A value never fails to exist: what is absent, null or of the wrong type is [`Value::Missing`].

use std::net::IpAddr;

/// Text as events carry it: up to 24 bytes are kept inline, so that countries and most ids cost no allocation.
pub type Text = compact_str::CompactString;

/// A place on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

/// A field's value, a constant, or the result of an expression.
///
/// Numbers are never NaN or infinite: whatever makes one checks, and gives [`Value::Missing`]. `==` tells whether two are
/// the same; whether a rule takes them for equal, an integer and a number for example, [`equal`](crate::event::equal) tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No field, a null, another type than declared, or an undefined result such as a division by zero.
    #[default]
    Missing,
    /// `true` or `false`.
    Boolean(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A finite 64-bit float.
    Number(f64),
    /// Text.
    Text(Text),
    /// Milliseconds since the epoch, UTC.
    Time(i64),
    /// An address; an IPv4 address mapped into IPv6 is kept as IPv4.
    Ip(IpAddr),
    /// A place on the earth.
    Point(Point),
    /// A list, in order; elements of the wrong type are missing.
    List(Box<[Value]>),
}

impl Value {
    /// A number, or missing where it is NaN or infinite.
    pub fn number(n: f64) -> Value {
        if n.is_finite() { Value::Number(n) } else { Value::Missing }
    }

    /// Whether there is nothing here.
    pub fn is_missing(&self) -> bool {
        matches!(self, Value::Missing)
    }
}
