//! Raw JSON to values by the declared kind. Another kind than declared is missing, never an error: one odd field must
//! not hide an event from the rules that do not read it.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::decode::plan::Read;
use crate::decode::raw::{Found, Raw};
use crate::event::{Point, Text, Value};
use crate::schema::Kind;

/// The instants that RFC 3339 can write: the years -9999 to 9999. Others are not times.
const TIME_MS: RangeInclusive<i64> = -377_705_023_201_000..=253_402_207_200_999;

/// What was found in a message, and the message itself.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) found: &'a Found,
    pub(crate) message: &'a str,
}

impl<'a> Source<'a> {
    /// The text, where it is text.
    #[inline]
    pub(crate) fn text(self, raw: Raw) -> Option<&'a str> {
        self.found.text(raw, self.message)
    }
}

/// The value of a declared field.
#[inline]
pub(crate) fn convert(read: &Read, source: Source<'_>) -> Value {
    let raw = source.found.at(read.node);
    match (&read.place, raw) {
        (Some(place), Raw::Object) => {
            let [latitude, longitude] = place.map(|node| source.found.at(node));
            point(latitude, longitude)
        }
        _ => convert_as(&read.kind, raw, source),
    }
}

#[inline]
fn convert_as(kind: &Kind, raw: Raw, source: Source<'_>) -> Value {
    let value = match kind {
        Kind::Text => source.text(raw).map(|text| Value::Text(Text::from(text))),
        Kind::Integer => integer(raw).map(Value::Integer),
        Kind::Number => number(raw).map(Value::number),
        Kind::Boolean => boolean(raw).map(Value::Boolean),
        Kind::Time => time(raw, source).map(Value::Time),
        Kind::Ip => source.text(raw).and_then(ip).map(Value::Ip),
        Kind::Point => return place(raw, source),
        Kind::List(of) => return list(of, raw, source),
    };
    value.unwrap_or_default()
}

/// Event time: as a field of kind time, or a whole float, as some languages write their integers.
#[inline]
pub(crate) fn event_time(raw: Raw, source: Source<'_>) -> Option<i64> {
    match raw {
        Raw::Float(ms) => whole(ms).filter(|ms| TIME_MS.contains(ms)),
        _ => time(raw, source),
    }
}

/// The event's own id: text, or an integer as text.
#[inline]
pub(crate) fn event_id(raw: Raw, source: Source<'_>) -> Option<Text> {
    match raw {
        Raw::Integer(id) => Some(compact_str::format_compact!("{id}")),
        Raw::Unsigned(id) => Some(compact_str::format_compact!("{id}")),
        _ => source.text(raw).filter(|id| !id.is_empty()).map(Text::from),
    }
}

fn integer(raw: Raw) -> Option<i64> {
    match raw {
        Raw::Integer(i) => Some(i),
        _ => None,
    }
}

fn number(raw: Raw) -> Option<f64> {
    match raw {
        Raw::Integer(i) => Some(i as f64),
        Raw::Unsigned(u) => Some(u as f64),
        Raw::Float(n) => Some(n),
        _ => None,
    }
}

fn boolean(raw: Raw) -> Option<bool> {
    match raw {
        Raw::Boolean(b) => Some(b),
        _ => None,
    }
}

#[inline]
fn time(raw: Raw, source: Source<'_>) -> Option<i64> {
    let ms = match raw {
        Raw::Integer(ms) => ms,
        _ => source.text(raw)?.parse::<Timestamp>().ok()?.as_millisecond(),
    };
    TIME_MS.contains(&ms).then_some(ms)
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

fn place(raw: Raw, source: Source<'_>) -> Value {
    match raw {
        // The order of GeoJSON, which is not the order in which people say it.
        Raw::List(pair) => match *source.found.elements(pair) {
            [longitude, latitude] => point(latitude, longitude),
            _ => Value::Missing,
        },
        Raw::Place(place) => match *source.found.elements(place) {
            [latitude, longitude] => point(latitude, longitude),
            _ => Value::Missing,
        },
        _ => Value::Missing,
    }
}

fn point(latitude: Raw, longitude: Raw) -> Value {
    let within = |raw, limit: f64| number(raw).filter(|degrees| degrees.abs() <= limit);
    match (within(latitude, 90.0), within(longitude, 180.0)) {
        (Some(latitude), Some(longitude)) => Value::Point(Point { latitude, longitude }),
        _ => Value::Missing,
    }
}

fn list(of: &Kind, raw: Raw, source: Source<'_>) -> Value {
    match raw {
        Raw::List(span) => {
            Value::List(source.found.elements(span).iter().map(|&element| convert_as(of, element, source)).collect())
        }
        _ => Value::Missing,
    }
}

/// A float without a fraction as an integer, where it is small enough to be exact.
fn whole(n: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53, checked here")]
    (n.fract() == 0.0 && n.abs() <= EXACT).then_some(n as i64)
}
