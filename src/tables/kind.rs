//! Cells to values, and the kind that all cells of a column are of.
//!
//! Text that is no value of its kind is told, not left out: a file is written by hand or by a job that can be mended,
//! and a list that silently lacks an entry finds nothing.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::event::{Point, Text, Value};
use crate::schema::Kind;
use crate::tables::sheet::Cell;

/// The value of a cell; none where it is not of this kind. An empty cell is missing.
pub(super) fn value_of(cell: Cell<'_>, kind: &Kind) -> Option<Value> {
    match cell {
        Cell::Empty => Some(Value::Missing),
        Cell::Text(text) => value_of_text(text, kind),
        Cell::Json(json) => value_of_json(json, kind),
    }
}

fn value_of_text(text: &str, kind: &Kind) -> Option<Value> {
    Some(match kind {
        Kind::Text => Value::Text(Text::from(text)),
        Kind::Integer => Value::Integer(text.parse().ok()?),
        Kind::Number => Value::Number(float(text)?),
        Kind::Boolean => Value::Boolean(text.parse().ok()?),
        Kind::Ip => Value::Ip(address(text)?),
        Kind::Time => Value::Time(match text.parse() {
            Ok(ms) => Timestamp::from_millisecond(ms).ok()?.as_millisecond(),
            Err(_) => instant(text)?,
        }),
        // Written in a cell as in JSON.
        Kind::Point | Kind::List(_) => value_of_json(&serde_json::from_str(text).ok()?, kind)?,
    })
}

/// The value of a JSON value; none where it is not of this kind. `null` is missing.
pub fn value_of_json(json: &Json, kind: &Kind) -> Option<Value> {
    Some(match (kind, json) {
        (_, Json::Null) => Value::Missing,
        (Kind::Text, Json::String(text)) => Value::Text(Text::from(text.as_str())),
        (Kind::Integer, Json::Number(number)) => Value::Integer(number.as_i64()?),
        (Kind::Number, Json::Number(number)) => Value::Number(number.as_f64().filter(|n| n.is_finite())?),
        (Kind::Boolean, Json::Bool(b)) => Value::Boolean(*b),
        (Kind::Ip, Json::String(text)) => Value::Ip(address(text)?),
        (Kind::Time, Json::Number(ms)) => Value::Time(Timestamp::from_millisecond(ms.as_i64()?).ok()?.as_millisecond()),
        (Kind::Time, Json::String(text)) => Value::Time(instant(text)?),
        (Kind::Point, json) => Value::Point(point(json)?),
        (Kind::List(of), Json::Array(elements)) => {
            Value::List(elements.iter().map(|element| value_of_json(element, of)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn float(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

fn instant(text: &str) -> Option<i64> {
    text.parse().ok().map(Timestamp::as_millisecond)
}

fn point(json: &Json) -> Option<Point> {
    let (latitude, longitude) = match json {
        Json::Array(pair) if pair.len() == 2 => (&pair[1], &pair[0]),
        json => (json.get("latitude")?, json.get("longitude")?),
    };
    let within = |json: &Json, limit: f64| json.as_f64().filter(|degrees| degrees.abs() <= limit);
    Some(Point { latitude: within(latitude, 90.0)?, longitude: within(longitude, 180.0)? })
}

/// The kind of all cells of a column: integer, number, boolean, of a key also ip, and else text. None where all are
/// empty.
pub(super) fn infer<'a>(cells: impl Iterator<Item = Cell<'a>>, is_key: bool) -> Option<Kind> {
    let mut candidates = vec![Kind::Integer, Kind::Number, Kind::Boolean];
    candidates.extend(is_key.then_some(Kind::Ip));
    let mut seen = false;
    for cell in cells.filter(|cell| !matches!(cell, Cell::Empty)) {
        seen = true;
        candidates.retain(|kind| looks_like(cell, kind));
        if candidates.is_empty() {
            break;
        }
    }
    seen.then(|| candidates.into_iter().next().unwrap_or(Kind::Text))
}

/// Whether nothing is lost by reading a cell as this kind: `007` is no number, and JSON says what it is.
fn looks_like(cell: Cell<'_>, kind: &Kind) -> bool {
    let plain = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
        digits.first().is_some_and(u8::is_ascii_digit)
            && !(digits[0] == b'0' && digits.get(1).is_some_and(u8::is_ascii_digit))
    };
    let reads = value_of(cell, kind).is_some_and(|value| !value.is_missing());
    match (cell, kind) {
        (Cell::Text(text), Kind::Integer | Kind::Number) => plain(text) && reads,
        _ => reads,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(cells: &[&str], is_key: bool) -> Option<Kind> {
        infer(cells.iter().map(|text| if text.is_empty() { Cell::Empty } else { Cell::Text(text) }), is_key)
    }

    #[test]
    fn a_column_is_of_the_kind_that_all_its_cells_show() {
        assert_eq!(inferred(&["1", "-20", ""], false), Some(Kind::Integer));
        assert_eq!(inferred(&["1", "2.5", "1e3"], false), Some(Kind::Number));
        assert_eq!(inferred(&["true", "false"], false), Some(Kind::Boolean));
        assert_eq!(inferred(&["1", "x"], false), Some(Kind::Text));
        assert_eq!(inferred(&["", ""], false), None);
        for id in ["007", "+1", "inf", "nan", "99999999999999999999x", "1 ", ".5"] {
            assert_eq!(inferred(&[id], true), Some(Kind::Text), "{id}");
        }
        assert_eq!(inferred(&["10.0.0.1", "::1"], true), Some(Kind::Ip));
        assert_eq!(inferred(&["10.0.0.1"], false), Some(Kind::Text), "only keys are read as addresses");
    }

    #[test]
    fn json_says_what_it_is() {
        let (one, text) = (serde_json::json!(1), serde_json::json!("1"));
        assert_eq!(infer([Cell::Json(&one)].into_iter(), false), Some(Kind::Integer));
        assert_eq!(infer([Cell::Json(&text)].into_iter(), false), Some(Kind::Text));
    }

    #[test]
    fn a_cell_reads_as_every_kind() {
        for (text, kind) in [
            ("2026-01-01T00:00:00Z", Kind::Time),
            ("1767225600000", Kind::Time),
            ("::ffff:10.0.0.1", Kind::Ip),
            ("[13.4, 52.5]", Kind::Point),
            ("{\"latitude\":52.5,\"longitude\":13.4}", Kind::Point),
            ("[\"a\",\"b\"]", Kind::List(Box::new(Kind::Text))),
        ] {
            assert!(value_of(Cell::Text(text), &kind).is_some_and(|value| !value.is_missing()), "{text}");
        }
        for (text, kind) in
            [("x", Kind::Integer), ("1e999", Kind::Number), ("yes", Kind::Boolean), ("[1]", Kind::Point)]
        {
            assert!(value_of(Cell::Text(text), &kind).is_none(), "{text}");
        }
    }
}
