//! `abs(number)`.

use super::{Definition, Group, ResultType, numeric};

pub(super) static DEFINITION: Definition = Definition {
    name: "abs",
    group: Group::Number,
    params: numeric::ONE,
    result: ResultType::LikeFirst,
    doc: "The number without its sign; missing for the one 64-bit integer that has no positive counterpart.",
    examples: &[("abs(-12.5)", "12.5"), ("abs(-9223372036854775807 - 1)", "missing")],
    prepare: |_| Ok(numeric::of_one(i64::checked_abs, f64::abs)),
};

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn integers_stay_integers_and_overflow_is_missing() {
        gives(&DEFINITION, &[Value::Integer(-3)], &Value::Integer(3));
        gives(&DEFINITION, &[Value::Integer(i64::MIN)], &Value::Missing);
        gives(&DEFINITION, &[Value::Number(-0.5)], &Value::Number(0.5));
        gives(&DEFINITION, &[Value::Number(f64::MIN)], &Value::Number(f64::MAX));
    }
}
