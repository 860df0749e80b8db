//! `round(number)`.

use super::{Definition, Group, ResultType, numeric};

pub(super) static DEFINITION: Definition = Definition {
    name: "round",
    group: Group::Number,
    params: numeric::ONE,
    result: ResultType::LikeFirst,
    doc: "The nearest whole number, and of two that are equally near the one further from zero. A distance \
          becomes whole km, a speed whole km/h.",
    examples: &[("round(2.5)", "3.0"), ("round(-2.5)", "-3.0"), ("round(-0.4)", "0.0")],
    prepare: |_| Ok(numeric::of_one(Some, f64::round)),
};

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn halves_go_away_from_zero() {
        gives(&DEFINITION, &[Value::Number(0.5)], &Value::Number(1.0));
        gives(&DEFINITION, &[Value::Number(-1.5)], &Value::Number(-2.0));
        gives(&DEFINITION, &[Value::Number(0.499_999_999_999_999_94)], &Value::Number(0.0));
    }

    #[test]
    fn whole_numbers_stay_as_they_are() {
        gives(&DEFINITION, &[Value::Integer(i64::MAX)], &Value::Integer(i64::MAX));
        gives(&DEFINITION, &[Value::Number(f64::MAX)], &Value::Number(f64::MAX));
    }

    #[test]
    fn zero_has_no_sign() {
        gives(&DEFINITION, &[Value::Number(-0.4)], &Value::Number(0.0));
    }
}
