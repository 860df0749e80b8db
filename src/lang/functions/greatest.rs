//! `greatest(number, other, …)`.

use std::cmp::Ordering;

use super::{Definition, Group, ResultType, numeric};

pub(super) static DEFINITION: Definition = Definition {
    name: "greatest",
    group: Group::Number,
    params: numeric::TWO_OR_MORE,
    result: ResultType::LikeFirst,
    doc: "The greatest of two or more numbers, as it is; missing where any is missing.",
    examples: &[
        ("greatest(3, 1.5, 3.5)", "3.5"),
        ("greatest(9007199254740992.0, 9007199254740993)", "9007199254740993"),
    ],
    prepare: |_| Ok(numeric::choice(Ordering::Greater)),
};

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn integers_and_numbers_compare_exactly() {
        let (integer, number) = (Value::Integer(9_007_199_254_740_993), Value::Number(9_007_199_254_740_992.0));
        gives(&DEFINITION, &[number, integer.clone()], &integer);
        gives(&DEFINITION, &[Value::Integer(i64::MAX), Value::Number(1e19)], &Value::Number(1e19));
    }

    #[test]
    fn any_missing_makes_it_missing() {
        gives(&DEFINITION, &[Value::Missing, Value::Integer(1), Value::Integer(2)], &Value::Missing);
    }
}
