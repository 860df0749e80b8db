//! The comparisons of conditions: two values to true or false. What is equal and what is less stands with the values.

use std::cmp::Ordering;

use crate::event::Value;
pub(super) use crate::event::{equal, order};
use crate::program::Comparison;

/// Whether a comparison holds; false where either side is missing or the two have nothing to compare.
#[inline]
pub(super) fn holds(comparison: Comparison, left: &Value, right: &Value) -> bool {
    match comparison {
        Comparison::Is => equal(left, right) == Some(true),
        Comparison::IsNot => equal(left, right) == Some(false),
        Comparison::Less => order(left, right).is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
        Comparison::Greater => order(left, right).is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_compares_with_missing() {
        for comparison in [Comparison::Is, Comparison::IsNot, Comparison::Less, Comparison::GreaterOrEqual] {
            assert!(!holds(comparison, &Value::Missing, &Value::Missing));
            assert!(!holds(comparison, &Value::Integer(1), &Value::Missing));
        }
    }
}
