//! `ceiling(number)`.

use super::{Definition, Group, ResultType, numeric};

pub(super) static DEFINITION: Definition = Definition {
    name: "ceiling",
    group: Group::Number,
    params: numeric::ONE,
    result: ResultType::LikeFirst,
    doc: "The smallest whole number that is not below the number.",
    examples: &[("ceiling(2.1)", "3.0"), ("ceiling(-2.9)", "-2.0")],
    prepare: |_| Ok(numeric::of_one(Some, f64::ceil)),
};

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn it_goes_up_below_zero_too() {
        gives(&DEFINITION, &[Value::Number(-1.9)], &Value::Number(-1.0));
        gives(&DEFINITION, &[Value::Number(-0.9)], &Value::Number(0.0));
        gives(&DEFINITION, &[Value::Integer(7)], &Value::Integer(7));
    }
}
