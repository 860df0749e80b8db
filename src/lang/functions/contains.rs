//! `contains(text or list, element)`.

use std::sync::Arc;

use super::{Accepts, Definition, Group, Occurs, Param, ResultType};
use crate::event::{Value, equal};
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "contains",
    group: Group::Text,
    params: &[
        Param { name: "whole", accepts: Accepts::TextOrList, occurs: Occurs::Once },
        Param { name: "element", accepts: Accepts::ElementOfFirst, occurs: Occurs::Once },
    ],
    result: ResultType::Of(Type::Boolean),
    doc: "Whether a text has the other text in it, or a list an element that `is` the value. Upper \
          and lower case differ.",
    examples: &[
        (r#"contains("bob+promo@example.com", "+")"#, "true"),
        (r#"contains("Admin", "admin")"#, "false"),
        (r#"contains("anything", "")"#, "true"),
    ],
    prepare: |_| {
        Ok(Arc::new(|args| match args {
            [Value::Text(text), Value::Text(part)] => Value::Boolean(text.contains(part.as_str())),
            [Value::List(_), Value::Missing] => Value::Missing,
            [Value::List(list), value] => {
                Value::Boolean(list.iter().any(|element| equal(element, value) == Some(true)))
            }
            _ => Value::Missing,
        }))
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, text};
    use super::DEFINITION;
    use crate::event::Value;

    fn list(elements: impl Into<Box<[Value]>>) -> Value {
        Value::List(elements.into())
    }

    #[test]
    fn a_text_is_looked_for_in_a_text() {
        gives(&DEFINITION, &[text("günstig"), text("ünst")], &Value::Boolean(true));
        gives(&DEFINITION, &[text(""), text("a")], &Value::Boolean(false));
    }

    #[test]
    fn an_element_is_compared_exactly() {
        let integers = list([Value::Integer(1), Value::Integer(9_007_199_254_740_993)]);
        gives(&DEFINITION, &[integers.clone(), Value::Number(1.0)], &Value::Boolean(true));
        gives(&DEFINITION, &[integers, Value::Number(9_007_199_254_740_992.0)], &Value::Boolean(false));
        gives(&DEFINITION, &[list([text("vip")]), text("vi")], &Value::Boolean(false));
    }

    #[test]
    fn missing_elements_are_passed_over_and_an_empty_list_has_none() {
        let holey = list([Value::Missing, Value::Integer(2)]);
        gives(&DEFINITION, &[holey.clone(), Value::Integer(2)], &Value::Boolean(true));
        gives(&DEFINITION, &[holey, Value::Missing], &Value::Missing);
        gives(&DEFINITION, &[list([]), Value::Integer(2)], &Value::Boolean(false));
    }
}
