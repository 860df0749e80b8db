//! `lower(text)`.

use std::sync::Arc;

use super::{Accepts, Definition, Group, Occurs, Param, ResultType};
use crate::event::Value;
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "lower",
    group: Group::Text,
    params: &[Param { name: "text", accepts: Accepts::Text, occurs: Occurs::Once }],
    result: ResultType::Of(Type::Text),
    doc: "The text in lower case, by Unicode's rules and no country's.",
    examples: &[(r#"lower("Zoë@Example.COM")"#, r#""zoë@example.com""#)],
    prepare: |_| {
        Ok(Arc::new(|args| match args {
            [Value::Text(text)] => Value::Text(text.to_lowercase()),
            _ => Value::Missing,
        }))
    },
};
