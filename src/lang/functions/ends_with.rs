//! `ends_with(text, ending)`.

use super::{Accepts, Definition, Group, Occurs, Param, ResultType, text};
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "ends_with",
    group: Group::Text,
    params: &[
        Param { name: "text", accepts: Accepts::Text, occurs: Occurs::Once },
        Param { name: "ending", accepts: Accepts::Text, occurs: Occurs::Once },
    ],
    result: ResultType::Of(Type::Boolean),
    doc: "Whether the text ends with the other text. Upper and lower case differ.",
    examples: &[
        (r#"ends_with("bob@mail.example", ".example")"#, "true"),
        (r#"ends_with("a.EXAMPLE", ".example")"#, "false"),
    ],
    prepare: |_| Ok(text::whether_two(|text, ending| text.ends_with(ending))),
};

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, text};
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn only_the_ending_counts() {
        gives(&DEFINITION, &[text("ab"), text("a")], &Value::Boolean(false));
        gives(&DEFINITION, &[text("ab"), text("b")], &Value::Boolean(true));
        gives(&DEFINITION, &[text("ab"), text("")], &Value::Boolean(true));
        gives(&DEFINITION, &[text("a"), text("aa")], &Value::Boolean(false));
    }
}
