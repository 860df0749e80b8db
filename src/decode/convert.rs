//! Raw JSON to values by the declared kind. Another kind than declared is missing, never an error: one odd field must
//! not hide an event from the rules that do not read it.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::decode::plan::{NodeId, Read};
use crate::decode::raw::Raw;
use crate::event::{Point, Text, Value};
use crate::schema::Kind;

/// The instants that RFC 3339 can write: the years -9999 to 9999. Others are not times.
const TIME_MS: RangeInclusive<i64> = -377_705_023_201_000..=253_402_207_200_999;

/// The value of a declared field.
#[inline]
pub(crate) fn convert(read: &Read, raws: &[Raw<'_>]) -> Value {
    let raw = &raws[read.node.index()];
    match (&read.place, raw) {
        (Some(place), Raw::Object) => {
            let [latitude, longitude] = place.map(NodeId::index);
            point(&raws[latitude], &raws[longitude])
        }
        _ => convert_as(&read.kind, raw),
    }
}

#[inline]
fn convert_as(kind: &Kind, raw: &Raw<'_>) -> Value {
    let value = match kind {
        Kind::Text => raw.as_str().map(|text| Value::Text(Text::from(text))),
        Kind::Integer => integer(raw).map(Value::Integer),
        Kind::Number => number(raw).map(Value::number),
        Kind::Boolean => boolean(raw).map(Value::Boolean),
        Kind::Time => time(raw).map(Value::Time),
        Kind::Ip => raw.as_str().and_then(ip).map(Value::Ip),
        Kind::Point => return place(raw),
        Kind::List(of) => return list(of, raw),
    };
    value.unwrap_or_default()
}

/// Event time: as a field of kind time, or a whole float, as some languages write their integers.
pub(crate) fn event_time(raw: &Raw<'_>) -> Option<i64> {
    match raw {
        Raw::Float(ms) => whole(*ms).filter(|ms| TIME_MS.contains(ms)),
        _ => time(raw),
    }
}

/// The event's own id: text, or an integer as text.
pub(crate) fn event_id(raw: &Raw<'_>) -> Option<Text> {
    match raw {
        Raw::Integer(id) => Some(compact_str::format_compact!("{id}")),
        Raw::Unsigned(id) => Some(compact_str::format_compact!("{id}")),
        _ => raw.as_str().filter(|id| !id.is_empty()).map(Text::from),
    }
}

fn integer(raw: &Raw<'_>) -> Option<i64> {
    match raw {
        Raw::Integer(i) => Some(*i),
        _ => None,
    }
}

fn number(raw: &Raw<'_>) -> Option<f64> {
    match raw {
        Raw::Integer(i) => Some(*i as f64),
        Raw::Unsigned(u) => Some(*u as f64),
        Raw::Float(n) => Some(*n),
        _ => None,
    }
}

fn boolean(raw: &Raw<'_>) -> Option<bool> {
    match raw {
        Raw::Boolean(b) => Some(*b),
        _ => None,
    }
}

fn time(raw: &Raw<'_>) -> Option<i64> {
    let ms = match raw {
        Raw::Integer(ms) => *ms,
        _ => raw.as_str()?.parse::<Timestamp>().ok()?.as_millisecond(),
    };
    TIME_MS.contains(&ms).then_some(ms)
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

fn place(raw: &Raw<'_>) -> Value {
    match raw {
        // The order of GeoJSON, which is not the order in which people say it.
        Raw::List(pair) => match &**pair {
            [longitude, latitude] => point(latitude, longitude),
            _ => Value::Missing,
        },
        Raw::Place(place) => {
            let [latitude, longitude] = &**place;
            point(latitude, longitude)
        }
        _ => Value::Missing,
    }
}

fn point(latitude: &Raw<'_>, longitude: &Raw<'_>) -> Value {
    let within = |raw, limit: f64| number(raw).filter(|degrees| degrees.abs() <= limit);
    match (within(latitude, 90.0), within(longitude, 180.0)) {
        (Some(latitude), Some(longitude)) => Value::Point(Point { latitude, longitude }),
        _ => Value::Missing,
    }
}

fn list(of: &Kind, raw: &Raw<'_>) -> Value {
    match raw {
        Raw::List(elements) => Value::List(elements.iter().map(|element| convert_as(of, element)).collect()),
        _ => Value::Missing,
    }
}

/// A float without a fraction as an integer, where it is small enough to be exact.
fn whole(n: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53, checked here")]
    (n.fract() == 0.0 && n.abs() <= EXACT).then_some(n as i64)
}
