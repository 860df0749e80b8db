//! What the tests of the functions share.

use crate::event::{Point, Value};

use super::Definition;

pub(super) const BERLIN: Value = Value::Point(Point { latitude: 52.52, longitude: 13.405 });
pub(super) const PARIS: Value = Value::Point(Point { latitude: 48.8566, longitude: 2.3522 });

pub(super) fn text(written: &str) -> Value {
    Value::Text(written.into())
}

/// A time in RFC 3339.
pub(super) fn time(written: &str) -> Value {
    let timestamp: jiff::Timestamp = written.parse().expect("a time");
    Value::Time(timestamp.as_millisecond())
}

/// The result for these arguments, all of which are known when the call is prepared.
pub(super) fn called(definition: &Definition, args: &[Value]) -> Value {
    let constants: Vec<Option<&Value>> = args.iter().map(Some).collect();
    let call = (definition.prepare)(&constants).unwrap_or_else(|bad| panic!("{}: {bad:?}", definition.name));
    call(&args.iter().collect::<Vec<_>>())
}

/// Asserts the result with its type and sign: `1` is not `1.0` here, and `0.0` not `-0.0`.
#[track_caller]
pub(super) fn gives(definition: &Definition, args: &[Value], expected: &Value) {
    let result = called(definition, args);
    assert_eq!(format!("{result:?}"), format!("{expected:?}"), "{}{args:?}", definition.name);
}

/// Asserts that the arguments are refused, and in which words.
#[track_caller]
pub(super) fn refuses(definition: &Definition, args: &[Value], index: usize, reason: &str) {
    let constants: Vec<Option<&Value>> = args.iter().map(Some).collect();
    let bad = (definition.prepare)(&constants).err().expect("the argument is bad");
    assert_eq!((bad.index, bad.reason.as_str()), (index, reason));
}
