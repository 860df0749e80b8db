//! `length(text)`.

use super::{Definition, Group, ResultType, text};
use crate::event::Value;
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "length",
    group: Group::Text,
    params: text::ONE,
    result: ResultType::Of(Type::Integer),
    doc: "How many characters (Unicode code points, not bytes) the text has.",
    examples: &[(r#"length("Zoë")"#, "3"), (r#"length("")"#, "0")],
    prepare: |_| Ok(text::of_one(|text| i64::try_from(text.chars().count()).map_or(Value::Missing, Value::Integer))),
};

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, text};
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        gives(&DEFINITION, &[text("日本")], &Value::Integer(2));
        gives(&DEFINITION, &[text("e\u{301}")], &Value::Integer(2));
    }
}
