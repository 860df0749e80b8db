//! Values as the reference evaluator sees them: read from JSON by the declared kind, compared, written as JSON.
//!
//! It is a type of its own because a speed between two places at one moment exceeds every number, and so is infinite.

use std::cmp::Ordering;
use std::net::IpAddr;

use serde_json::Value as Json;

use crate::schema::Kind;

/// A field's value, a constant, or what an expression gives.
#[derive(Clone, Debug)]
pub(super) enum Val {
    Missing,
    Boolean(bool),
    Integer(i64),
    /// Finite, but for the speed between two places at one moment.
    Number(f64),
    Text(String),
    /// Milliseconds since the epoch.
    Time(i64),
    Ip(IpAddr),
    Point {
        latitude: f64,
        longitude: f64,
    },
    List(Vec<Val>),
}

impl Val {
    /// Section 2: "a missing field, a null, or a value of another type than declared is *missing*".
    pub(super) fn read(json: &Json, kind: &Kind) -> Val {
        match kind {
            Kind::Text => json.as_str().map(|text| Val::Text(text.to_owned())),
            // A number with a point or an exponent is no JSON integer, and beyond 64 bits it is none of ours.
            Kind::Integer => json.as_i64().map(Val::Integer),
            // "A JSON integer is a number."
            Kind::Number => json.as_f64().filter(|n| n.is_finite()).map(Val::Number),
            Kind::Boolean => json.as_bool().map(Val::Boolean),
            Kind::Time => json.as_i64().map(Val::Time).or_else(|| json.as_str().and_then(time)),
            Kind::Ip => json.as_str().and_then(ip),
            Kind::Point => point(json),
            Kind::List(of) => json.as_array().map(|all| Val::List(all.iter().map(|one| Val::read(one, of)).collect())),
        }
        .unwrap_or(Val::Missing)
    }

    /// A number; what is not finite is missing (section 2: "division by zero and overflow give missing").
    pub(super) fn finite(n: f64) -> Val {
        if n.is_finite() { Val::Number(n) } else { Val::Missing }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Val::Missing)
    }

    /// As a float; `None` for what is neither an integer nor a number.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Val::Integer(i) => Some(*i as f64),
            Val::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// Section 2, logic has two values: a condition whose value is missing is false.
    pub(super) fn holds(&self) -> bool {
        matches!(self, Val::Boolean(true))
    }

    /// Whether two values are the same, of which neither is missing.
    pub(super) fn same(&self, other: &Val) -> bool {
        match (self, other) {
            (Val::Boolean(a), Val::Boolean(b)) => a == b,
            (Val::Point { latitude: a, longitude: b }, Val::Point { latitude: c, longitude: d }) => (a, b) == (c, d),
            (Val::List(a), Val::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    /// Which is greater; `None` for kinds without an order and for different kinds.
    pub(super) fn order(&self, other: &Val) -> Option<Ordering> {
        match (self, other) {
            (Val::Integer(a), Val::Integer(b)) | (Val::Time(a), Val::Time(b)) => Some(a.cmp(b)),
            (Val::Number(a), Val::Number(b)) => a.partial_cmp(b),
            (Val::Integer(a), Val::Number(b)) => Some(order_exactly(*a, *b)),
            (Val::Number(a), Val::Integer(b)) => Some(order_exactly(*b, *a).reverse()),
            (Val::Text(a), Val::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Val::Ip(a), Val::Ip(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// As an alert's key shows it.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Val::Missing => Json::Null,
            Val::Boolean(b) => Json::from(*b),
            Val::Integer(i) => Json::from(*i),
            Val::Number(n) => Json::from(*n),
            Val::Text(text) => Json::from(text.as_str()),
            Val::Time(ms) => Json::from(rfc3339(*ms)),
            Val::Ip(ip) => Json::from(ip.to_string()),
            Val::Point { latitude, longitude } => {
                serde_json::json!({ "latitude": latitude, "longitude": longitude })
            }
            Val::List(all) => all.iter().map(Val::to_json).collect(),
        }
    }
}

/// An instant from RFC 3339 text.
pub(super) fn time(text: &str) -> Option<Val> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(Val::Time(instant.as_millisecond()))
}

/// An address from text; an IPv4 address mapped into IPv6 is the IPv4 address.
pub(super) fn ip(text: &str) -> Option<Val> {
    let ip: IpAddr = text.parse().ok()?;
    Some(Val::Ip(ip.to_canonical()))
}

/// `{"latitude":…,"longitude":…}` or `[longitude, latitude]`, in range.
fn point(json: &Json) -> Option<Val> {
    let (latitude, longitude) = match json {
        Json::Object(fields) => (fields.get("latitude")?, fields.get("longitude")?),
        Json::Array(pair) if pair.len() == 2 => (&pair[1], &pair[0]),
        _ => return None,
    };
    let (latitude, longitude) = (latitude.as_f64()?, longitude.as_f64()?);
    let in_range = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    in_range.then_some(Val::Point { latitude, longitude })
}

/// Orders an integer and a float by their exact values: neither is rounded to the other's type.
#[expect(clippy::cast_possible_truncation, reason = "the whole part is within the range of i64 there")]
fn order_exactly(integer: i64, number: f64) -> Ordering {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if number >= TWO_TO_63 {
        return Ordering::Less;
    }
    if number < -TWO_TO_63 {
        return Ordering::Greater;
    }
    let whole = number.trunc();
    let fraction = number - whole;
    integer.cmp(&(whole as i64)).then(0.0.partial_cmp(&fraction).expect("a finite number has a finite fraction"))
}

/// Section 6: "times RFC 3339 UTC with ms".
fn rfc3339(ms: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(ms);
    instant.map_or_else(|_| ms.to_string(), |instant| format!("{instant:.3}"))
}
