//! What the functions of text share. No function of the language itself.

use std::sync::Arc;

use super::{Accepts, BadArgument, Call, Occurs, Param};
use crate::event::{Text, Value};

/// The one parameter of a function of text.
pub(super) const ONE: &[Param] = &[Param { name: "text", accepts: Accepts::Text, occurs: Occurs::Once }];

/// A call with one text.
pub(super) fn of_one(result: impl Fn(&Text) -> Value + Send + Sync + 'static) -> Call {
    Arc::new(move |args| match args {
        [Value::Text(text)] => result(text),
        _ => Value::Missing,
    })
}

/// A call that says whether something is so of two texts.
pub(super) fn whether_two(holds: fn(&str, &str) -> bool) -> Call {
    Arc::new(move |args| match args {
        [Value::Text(text), Value::Text(other)] => Value::Boolean(holds(text, other)),
        _ => Value::Missing,
    })
}

/// The text of an argument that must be a constant, because `prepare` makes something of it.
pub(super) fn constant<'a>(constants: &[Option<&'a Value>], index: usize) -> Result<&'a str, BadArgument> {
    match constants.get(index) {
        Some(Some(Value::Text(text))) => Ok(text),
        _ => Err(BadArgument { index, reason: String::from("it must be a text in quotation marks, not a field") }),
    }
}
