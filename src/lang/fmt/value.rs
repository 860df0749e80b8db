//! Names, numbers, durations and texts as they are written.

use std::fmt::Write as _;

use crate::lang::ast::{Duration, KindName, Literal, Number, Path, Unit};
use crate::lang::words::{CONSTANTS, ITEM_WORDS, KEYWORDS, RESERVED, is_unreadable};
use crate::program;

/// What may stand at a place, and so which words need quotes there.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// After a dot: every word is a name.
    Segment,
    /// Only a name.
    Name,
    /// A step's name, a severity, the type of a step.
    Step,
    /// The beginning of a value, a function, a list.
    Value,
    /// The first field of a declared type, where the next item could begin as well.
    FirstField,
    /// The field of a test's event, where the next line could begin as well.
    TestField,
}

/// A name, in quotes where it needs them.
pub(super) fn name(name: &str, place: Place) -> String {
    let bare = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if bare && !reserved(name, place) { name.to_string() } else { format!("`{name}`") }
}

fn reserved(name: &str, place: Place) -> bool {
    let here = match place {
        Place::Segment => return false,
        // After `alert` braces are read in a text: where a text may follow a name, it is quoted.
        Place::Name => name == "alert",
        Place::Step => KEYWORDS.contains(&name) || name == "nothing",
        Place::Value => RESERVED.contains(&name) || matches!(name, "missing" | "new"),
        Place::FirstField => ITEM_WORDS.contains(&name),
        Place::TestField => matches!(name, "alert" | "at" | "expect"),
    };
    here || CONSTANTS.contains(&name)
}

/// A dotted name; only its first part is read with other words in mind.
pub(super) fn path(path: &Path, place: Place) -> String {
    let place = |index| if index == 0 { place } else { Place::Segment };
    let segments = path.segments.iter().enumerate().map(|(index, segment)| name(segment, place(index)));
    segments.collect::<Vec<_>>().join(".")
}

/// A kind of field.
pub(super) fn kind(kind: &KindName) -> String {
    match kind {
        KindName::Named(name) => name.clone(),
        KindName::ListOf(inner) => format!("list of {}", self::kind(inner)),
    }
}

/// A text in quotes.
pub(super) fn text(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// The characters of a text, those that need it escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_unreadable(c) || c == '\r' => {
                write!(out, "\\u{{{:x}}}", u32::from(c)).expect("writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out
}

/// A number so that it is read as the same.
pub(super) fn number(number: Number) -> String {
    match number {
        Number::Integer(n) => n.to_string(),
        Number::Float(x) => format!("{x:?}"),
    }
}

/// `24 hours`, `5 minutes`, `250 ms`
pub(super) fn duration(duration: Duration) -> String {
    program::duration(duration.ms)
}

/// `4 m`, as tests write it.
pub(super) fn short_duration(duration: Duration) -> String {
    let (n, _, unit) = program::whole_unit(duration.ms);
    format!("{n} {unit}")
}

/// A unit of a number in an expression.
pub(super) fn unit(unit: Unit, one: bool) -> &'static str {
    match (unit, one) {
        (Unit::Milliseconds, _) => "ms",
        (Unit::Seconds, true) => "second",
        (Unit::Seconds, false) => "seconds",
        (Unit::Minutes, true) => "minute",
        (Unit::Minutes, false) => "minutes",
        (Unit::Hours, true) => "hour",
        (Unit::Hours, false) => "hours",
        (Unit::Days, true) => "day",
        (Unit::Days, false) => "days",
        (Unit::Kilometres, _) => "km",
        (Unit::KilometresPerHour, _) => "km/h",
        (Unit::Percent, _) => "percent",
    }
}

/// A value of a test.
pub(super) fn literal(value: &Literal) -> String {
    match value {
        Literal::Null => "null".to_string(),
        Literal::Boolean(value) => value.to_string(),
        Literal::Number(value) => number(*value),
        Literal::Text(value) => text(value),
        Literal::List(values) => format!("[{}]", joined(values, literal)),
        Literal::Object(fields) => format!(
            "{{{}}}",
            joined(fields, |(key, value)| {
                let bare = name(key, Place::Name);
                let key = if bare == *key { bare } else { text(key) };
                format!("{key} {}", literal(value))
            })
        ),
    }
}

/// Things with commas between them.
pub(super) fn joined<T>(things: &[T], write: impl Fn(&T) -> String) -> String {
    things.iter().map(write).collect::<Vec<_>>().join(", ")
}
