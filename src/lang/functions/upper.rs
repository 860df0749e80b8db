//! `upper(text)`.

use super::{Definition, Group, ResultType, text};
use crate::event::Value;
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "upper",
    group: Group::Text,
    params: text::ONE,
    result: ResultType::Of(Type::Text),
    doc: "The text in upper case, by Unicode's rules and no country's. It can be longer than the text.",
    examples: &[(r#"upper("de-by")"#, r#""DE-BY""#), (r#"upper("Straße")"#, r#""STRASSE""#)],
    prepare: |_| Ok(text::of_one(|text| Value::Text(text.to_uppercase()))),
};

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, text};
    use super::DEFINITION;

    #[test]
    fn one_letter_can_become_two() {
        gives(&DEFINITION, &[text("zoë ß")], &text("ZOË SS"));
    }
}
