//! Equality and order of values, as the language has them.
//!
//! Nothing compares with a missing value. Integers and numbers compare exactly, whatever their size. Text is ordered
//! by its bytes. Points and lists are equal or not, and have no order. The engine's comparisons and the language's
//! functions both ask here, so that `is` and `contains` cannot disagree.

use std::cmp::Ordering;

use crate::event::Value;

/// Whether two values are equal; none where either is missing or they are of kinds that do not compare.
#[inline]
pub fn equal(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(a == b),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a == b),
        (Value::Ip(a), Value::Ip(b)) => Some(a == b),
        (Value::Point(a), Value::Point(b)) => Some(a == b),
        (Value::List(a), Value::List(b)) => {
            Some(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b) == Some(true)))
        }
        _ => order(left, right).map(Ordering::is_eq),
    }
}

/// The order of two values; none where there is none.
#[inline]
pub fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Integer(a), Value::Integer(b)) | (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        (Value::Integer(a), Value::Number(b)) => Some(integer_with_number(*a, *b)),
        (Value::Number(a), Value::Integer(b)) => Some(integer_with_number(*b, *a).reverse()),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Ip(a), Value::Ip(b)) => Some(a.cmp(b)),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Two to the 63rd: the first number beyond the integers.
const BEYOND_INTEGERS: f64 = 9_223_372_036_854_775_808.0;

/// A number without a fraction as the integer that equals it; none where there is none.
#[inline]
pub fn whole(n: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range, checked here")]
    (n.fract() == 0.0 && (-BEYOND_INTEGERS..BEYOND_INTEGERS).contains(&n)).then_some(n as i64)
}

/// Exact: a 64-bit integer turned into a float may move to its neighbour, so the float's whole part is compared as an
/// integer, and its fraction decides a tie.
fn integer_with_number(integer: i64, number: f64) -> Ordering {
    if number >= BEYOND_INTEGERS {
        return Ordering::Less;
    }
    if number < -BEYOND_INTEGERS {
        return Ordering::Greater;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked, and the fraction is compared below")]
    let whole = number.trunc() as i64;
    integer.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&number.fract()).expect("numbers are finite"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_numbers_compare_exactly() {
        assert_eq!(integer_with_number(i64::MAX, BEYOND_INTEGERS), Ordering::Less);
        assert_eq!(integer_with_number(9_007_199_254_740_993, 9_007_199_254_740_992.0), Ordering::Greater);
        assert_eq!(integer_with_number(2, 2.5), Ordering::Less);
        assert_eq!(integer_with_number(-2, -2.5), Ordering::Greater);
        assert_eq!(integer_with_number(i64::MIN, -BEYOND_INTEGERS), Ordering::Equal);
    }
}
