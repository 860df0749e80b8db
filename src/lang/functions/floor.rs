//! `floor(number)`.

use super::{Definition, Group, ResultType, numeric};

pub(super) static DEFINITION: Definition = Definition {
    name: "floor",
    group: Group::Number,
    params: numeric::ONE,
    result: ResultType::LikeFirst,
    doc: "The largest whole number that is not above the number.",
    examples: &[("floor(2.9)", "2.0"), ("floor(-2.1)", "-3.0")],
    prepare: |_| Ok(numeric::of_one(Some, f64::floor)),
};

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn it_goes_down_below_zero_too() {
        gives(&DEFINITION, &[Value::Number(-0.1)], &Value::Number(-1.0));
        gives(&DEFINITION, &[Value::Number(7.0)], &Value::Number(7.0));
        gives(&DEFINITION, &[Value::Integer(-7)], &Value::Integer(-7));
    }
}
