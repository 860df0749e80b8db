//! `lower(text)`.

use super::{Definition, Group, ResultType, text};
use crate::event::Value;
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "lower",
    group: Group::Text,
    params: text::ONE,
    result: ResultType::Of(Type::Text),
    doc: "The text in lower case, by Unicode's rules and no country's.",
    examples: &[(r#"lower("Zoë@Example.COM")"#, r#""zoë@example.com""#)],
    prepare: |_| Ok(text::of_one(|text| Value::Text(text.to_lowercase()))),
};

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, text};
    use super::DEFINITION;

    #[test]
    fn letters_beyond_ascii_have_a_lower_case_too() {
        gives(&DEFINITION, &[text("ÄÖÜ-1")], &text("äöü-1"));
        gives(&DEFINITION, &[text("ΟΔΟΣ")], &text("οδος"));
    }
}
