//! Exact sums of numbers. Stands below folds and windows.
//!
//! A sum is kept as one long fixed-point number (Kulisch 1971; Neal 2015, "Fast exact summation using small and large
//! superaccumulators"), of which only the digits in use are stored. So what was added can be taken away again and
//! nothing is left of it, the order of the additions does not matter, and the one rounding is at the end: a sum is
//! the same however many shards, panes or restarts it came through. Compensated sums would need two stacks to slide,
//! and their last bit would depend on when the stacks were turned over.

use smallvec::SmallVec;

use crate::engine::codec::{Reader, put_all, put_count, put_signed};

/// The bits of a digit. A digit is kept in 64 bits, so that carries can wait.
const DIGIT_BITS: u32 = 32;

/// The first digit stands for 2 to the minus this: below the smallest number that there is.
const FIRST_EXPONENT: i32 = 1_088;

/// More places than any sum has: the largest numbers end below the 68th, and their sums a few places higher.
const PLACES_MAX: usize = 80;

/// After so many additions the carries are moved on; a digit overflows after twice as many.
const ADDITIONS_MAX: u32 = 1 << 30;

/// A sum of finite numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Exact {
    /// The place of the first digit that is stored.
    first: usize,
    /// Signed digits to the base 2^32, the least first. Money takes three or four.
    digits: SmallVec<[i64; 4]>,
    additions: u32,
}

impl Exact {
    /// Adds a finite number.
    pub(super) fn add(&mut self, n: f64) {
        debug_assert!(n.is_finite(), "numbers are finite");
        if n == 0.0 {
            return;
        }
        let (mantissa, exponent) = parts(n);
        let place = u32::try_from(exponent + FIRST_EXPONENT).expect("no number is that small");
        let (index, shift) = ((place / DIGIT_BITS) as usize, place % DIGIT_BITS);
        let mut rest = u128::from(mantissa) << shift;
        self.reserve(index, index + 3);
        for digit in &mut self.digits[index - self.first..][..3] {
            let part = i64::from(low(rest));
            *digit += if n < 0.0 { -part } else { part };
            rest >>= DIGIT_BITS;
        }
        self.count_addition();
    }

    /// Takes away a number that was added.
    pub(super) fn remove(&mut self, n: f64) {
        self.add(-n);
    }

    /// Adds all that another sum was made of.
    pub(super) fn merge(&mut self, other: &Exact) {
        let (first, digits) = other.carried();
        if digits.is_empty() {
            return;
        }
        self.reserve(first, first + digits.len());
        for (digit, other) in self.digits[first - self.first..].iter_mut().zip(&digits) {
            *digit += other;
        }
        self.count_addition();
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Exact::default();
    }

    /// The nearest number; infinite where there is none.
    pub(super) fn value(&self) -> f64 {
        let (first, mut digits) = self.carried();
        let negative = digits.last().is_some_and(|digit| *digit < 0);
        if negative {
            digits.iter_mut().for_each(|digit| *digit = -*digit);
            carry(&mut digits);
        }
        let Some(top) = digits.iter().rposition(|digit| *digit != 0) else { return 0.0 };
        let digit = |at: Option<usize>| at.map_or(0, |at| u128::try_from(digits[at]).expect("carried digits"));
        // Four digits are 97 to 128 bits. What lies below them only says whether a tie is one: any bit will do.
        let head = (0..4).fold(0, |head, back| (head << DIGIT_BITS) | digit(top.checked_sub(back)));
        let below = digits[..top.saturating_sub(3)].iter().any(|digit| *digit != 0);
        let place = i32::try_from(first + top).expect("there are few digits") - 3;
        let exponent = place * DIGIT_BITS.cast_signed() - FIRST_EXPONENT;
        // In two steps, since a power of two may itself be out of range.
        let value = (head | u128::from(below)) as f64 * power(exponent / 2) * power(exponent - exponent / 2);
        if negative { -value } else { value }
    }

    /// Numbers whose sum is this, exactly, except for those that are out of range.
    pub(super) fn terms(&self) -> impl Iterator<Item = f64> {
        let (first, digits) = self.carried();
        let exponent = move |at: usize| {
            i32::try_from(first + at).expect("there are few digits") * DIGIT_BITS.cast_signed() - FIRST_EXPONENT
        };
        digits
            .into_iter()
            .enumerate()
            .filter(|(_, digit)| *digit != 0)
            .map(move |(at, digit)| digit as f64 * power(exponent(at) / 2) * power(exponent(at) - exponent(at) / 2))
    }

    /// Writes the sum.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        let (first, digits) = self.carried();
        put_count(out, first);
        put_all(out, digits.iter(), |out, digit| put_signed(out, *digit));
    }

    /// Reads it back; nothing where no sum of numbers has such digits.
    pub(super) fn load(from: &mut Reader<'_>) -> Option<Exact> {
        let first: usize = from.narrow()?;
        let length = from.count()?;
        (first <= PLACES_MAX && length <= PLACES_MAX).then_some(())?;
        let digits = (0..length).map(|_| from.signed()).collect::<Option<SmallVec<_>>>()?;
        let (last, others) = digits.split_last().map_or((0_i64, &[][..]), |(last, others)| (*last, others));
        let is_carried = others.iter().all(|digit| (0..1 << DIGIT_BITS).contains(digit));
        (is_carried && last.unsigned_abs() >> DIGIT_BITS == 0).then_some(Exact { first, digits, additions: 0 })
    }

    /// Makes room for the digits of these places.
    fn reserve(&mut self, from: usize, to: usize) {
        if self.digits.is_empty() {
            self.first = from;
        }
        let before = self.first.saturating_sub(from);
        self.digits.insert_many(0, std::iter::repeat_n(0, before));
        self.first -= before;
        let length = self.digits.len().max(to - self.first);
        self.digits.resize(length, 0);
    }

    fn count_addition(&mut self) {
        self.additions += 1;
        if self.additions >= ADDITIONS_MAX {
            (self.first, self.digits) = self.carried();
            self.additions = 0;
        }
    }

    /// The digits with all carries moved on: each below 2^32, and all but the last not negative.
    fn carried(&self) -> (usize, SmallVec<[i64; 4]>) {
        let mut digits = self.digits.clone();
        carry(&mut digits);
        (self.first, digits)
    }
}

fn carry(digits: &mut SmallVec<[i64; 4]>) {
    let mut carry = 0;
    for digit in digits.iter_mut() {
        let sum = *digit + carry;
        carry = sum >> DIGIT_BITS;
        *digit = sum - (carry << DIGIT_BITS);
    }
    if carry != 0 {
        digits.push(carry);
    }
}

/// The magnitude of a number as a whole number and the power of two that it is to be multiplied by.
fn parts(n: f64) -> (u64, i32) {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = n.to_bits();
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1);
    let biased = i32::try_from((bits >> MANTISSA_BITS) & 0x7ff).expect("eleven bits");
    if biased == 0 { (mantissa, -1_074) } else { (mantissa | (1 << MANTISSA_BITS), biased - 1_075) }
}

/// Two to the power of this, which is in the range of normal numbers.
fn power(exponent: i32) -> f64 {
    f64::from_bits(u64::try_from(exponent + 1_023).expect("in range") << (f64::MANTISSA_DIGITS - 1))
}

fn low(n: u128) -> u32 {
    u32::try_from(n & u128::from(u32::MAX)).expect("thirty-two bits")
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums are exact")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(numbers: &[f64]) -> f64 {
        let mut exact = Exact::default();
        for n in numbers {
            exact.add(*n);
        }
        exact.value()
    }

    #[test]
    fn a_sum_is_rounded_once() {
        assert_eq!(sum(&[]), 0.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e16, 1.0, -1e16]), 1.0);
        assert_eq!(sum(&[1e308, 1.0, -1e308, -1.0, 5e-324]), 5e-324);
        assert_eq!(sum(&[-0.5, -0.25]), -0.75);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        // A tie goes to the even neighbour, and anything below a tie breaks it.
        let two_to_53 = 9_007_199_254_740_992.0;
        assert_eq!(sum(&[two_to_53, 1.0]), two_to_53);
        assert_eq!(sum(&[two_to_53, 1.0, 1e-300]), two_to_53 + 2.0);
        assert_eq!(sum(&[-two_to_53, -1.0, -1e-300]), -two_to_53 - 2.0);
        assert_eq!(sum(&[two_to_53, 1.0, -1e-300]), two_to_53);
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![any::<f64>().prop_filter("finite", |n| n.is_finite()), -1e6..1e6, -1e-300..1e-300]
    }

    proptest! {
        #[test]
        fn one_number_is_itself(n in number()) {
            prop_assert_eq!(sum(&[n]), n);
        }

        #[test]
        fn two_numbers_are_as_ieee_adds_them(a in number(), b in number()) {
            prop_assert_eq!(sum(&[a, b]), a + b);
        }

        #[test]
        fn what_is_taken_away_leaves_nothing(
            kept in prop::collection::vec(number(), 0..8), gone in prop::collection::vec(number(), 0..8),
        ) {
            let mut exact = Exact::default();
            for n in &gone {
                exact.add(*n);
            }
            for n in &kept {
                exact.add(*n);
            }
            for n in &gone {
                exact.remove(*n);
            }
            prop_assert_eq!(exact.value(), sum(&kept));
        }

        #[test]
        fn parts_make_the_whole(a in prop::collection::vec(number(), 0..8), b in prop::collection::vec(number(), 0..8)) {
            let (mut left, mut right) = (Exact::default(), Exact::default());
            for n in &a {
                left.add(*n);
            }
            for n in &b {
                right.add(*n);
            }
            left.merge(&right);
            prop_assert_eq!(left.value(), sum(&[a, b].concat()));
            let terms: Vec<f64> = left.terms().collect();
            prop_assert!(!terms.iter().all(|term| term.is_finite()) || sum(&terms) == left.value());
        }
    }
}
