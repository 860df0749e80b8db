//! `starts_with(text, beginning)`.

use super::{Accepts, Definition, Group, Occurs, Param, ResultType, text};
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "starts_with",
    group: Group::Text,
    params: &[
        Param { name: "text", accepts: Accepts::Text, occurs: Occurs::Once },
        Param { name: "beginning", accepts: Accepts::Text, occurs: Occurs::Once },
    ],
    result: ResultType::Of(Type::Boolean),
    doc: "Whether the text starts with the other text. Upper and lower case differ.",
    examples: &[(r#"starts_with("+4930123", "+49")"#, "true"), (r#"starts_with("DE", "de")"#, "false")],
    prepare: |_| Ok(text::whether_two(|text, beginning| text.starts_with(beginning))),
};

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, text};
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn only_the_beginning_counts() {
        gives(&DEFINITION, &[text("ab"), text("a")], &Value::Boolean(true));
        gives(&DEFINITION, &[text("ab"), text("b")], &Value::Boolean(false));
        gives(&DEFINITION, &[text("ab"), text("")], &Value::Boolean(true));
        gives(&DEFINITION, &[text("a"), text("aa")], &Value::Boolean(false));
    }
}
