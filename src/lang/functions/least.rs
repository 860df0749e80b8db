//! `least(number, other, …)`.

use std::cmp::Ordering;

use super::{Definition, Group, ResultType, numeric};

pub(super) static DEFINITION: Definition = Definition {
    name: "least",
    group: Group::Number,
    params: numeric::TWO_OR_MORE,
    result: ResultType::LikeFirst,
    doc: "The least of two or more numbers, as it is; missing where any is missing.",
    examples: &[("least(3, 1.5, 2)", "1.5"), ("least(9007199254740993, 9007199254740992.0)", "9007199254740992.0")],
    prepare: |_| Ok(numeric::choice(Ordering::Less)),
};

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn the_winner_keeps_its_type() {
        gives(&DEFINITION, &[Value::Number(2.5), Value::Integer(2)], &Value::Integer(2));
        gives(&DEFINITION, &[Value::Integer(2), Value::Number(2.0)], &Value::Integer(2));
        gives(&DEFINITION, &[Value::Number(2.0), Value::Integer(2)], &Value::Number(2.0));
    }

    #[test]
    fn any_missing_makes_it_missing() {
        gives(&DEFINITION, &[Value::Integer(1), Value::Integer(2), Value::Missing], &Value::Missing);
    }
}
