//! What an aggregate has seen so far: values go in one after another, parts merge, and nothing is ever taken out.
//! Sessions, measures and repeated steps compute with it; [`sliding`](super::sliding) is for windows that move.

use hashbrown::HashSet;

use crate::engine::codec::{Reader, put, put_all, put_bytes, put_value};
use crate::engine::compare;
use crate::engine::exact::Exact;
use crate::engine::ranked::{self, Ordered};
use crate::event::{Key, KeyBuilder, Value};
use crate::program::Aggregate;

/// An aggregate over the values that were added.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    aggregate: Aggregate,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Count(u64),
    Total(Box<Total>),
    Spread(Box<Spread>),
    /// The only value that is needed: the least, the largest, the first, the last.
    One(Value),
    Distinct(HashSet<Key>),
    All(Vec<Ordered>),
}

impl Fold {
    /// An aggregate of nothing.
    pub(super) fn new(aggregate: Aggregate) -> Fold {
        let state = match aggregate {
            Aggregate::Count => State::Count(0),
            Aggregate::Sum | Aggregate::Average => State::Total(Box::default()),
            Aggregate::Deviation => State::Spread(Box::default()),
            Aggregate::Minimum | Aggregate::Maximum | Aggregate::First | Aggregate::Last => State::One(Value::Missing),
            Aggregate::Distinct => State::Distinct(HashSet::new()),
            Aggregate::Percentile(_) => State::All(Vec::new()),
        };
        Fold { aggregate, state }
    }

    /// What an aggregate keeps, in bytes, without the values that `distinct` and `percentile` collect.
    pub(super) fn bytes(aggregate: Aggregate) -> usize {
        let boxed = match aggregate {
            Aggregate::Sum | Aggregate::Average => size_of::<Total>(),
            Aggregate::Deviation => size_of::<Spread>(),
            _ => 0,
        };
        size_of::<Fold>() + boxed
    }

    /// The aggregate of these values.
    #[cfg(test)]
    pub(super) fn of(aggregate: Aggregate, values: impl IntoIterator<Item = Value>) -> Fold {
        values.into_iter().fold(Fold::new(aggregate), |mut fold, value| {
            fold.add(&value);
            fold
        })
    }

    /// Adds a value. A missing one is skipped; only a count counts it.
    pub(super) fn add(&mut self, value: &Value) {
        if let State::Count(count) = &mut self.state {
            *count += 1;
            return;
        }
        if value.is_missing() {
            return;
        }
        match &mut self.state {
            State::Count(_) => unreachable!("counted above"),
            State::Total(total) => total.add(value),
            State::Spread(spread) => spread.add(value),
            State::One(one) => {
                if replaces(self.aggregate, value, one) {
                    *one = value.clone();
                }
            }
            State::Distinct(keys) => {
                if let Some(key) = key_of(value) {
                    keys.insert(key);
                }
            }
            State::All(values) => values.push(Ordered(value.clone())),
        }
    }

    /// Adds all that a later part has seen.
    pub(super) fn merge(&mut self, later: &Fold) {
        debug_assert!(self.aggregate == later.aggregate, "only parts of one aggregate merge");
        match (&mut self.state, &later.state) {
            (State::Count(count), State::Count(later)) => *count += later,
            (State::Total(total), State::Total(later)) => total.merge(later),
            (State::Spread(spread), State::Spread(later)) => spread.merge(later),
            (State::One(_), State::One(value)) => self.add(value),
            (State::Distinct(keys), State::Distinct(later)) => keys.extend(later.iter().cloned()),
            (State::All(values), State::All(later)) => values.extend_from_slice(later),
            _ => unreachable!("only parts of one aggregate merge"),
        }
    }

    /// The result; missing of nothing, except that a count and a number of distinct values are 0.
    pub(super) fn value(&self) -> Value {
        match &self.state {
            State::Count(count) => whole(*count),
            State::Total(total) => total.value(self.aggregate),
            State::Spread(spread) => spread.deviation(),
            State::One(value) => value.clone(),
            State::Distinct(keys) => whole(keys.len() as u64),
            State::All(values) => percentile(self.aggregate, values),
        }
    }
}

impl Fold {
    /// Writes what has been seen.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        match &self.state {
            State::Count(count) => put(out, *count),
            State::Total(total) => total.save(out),
            State::Spread(spread) => spread.save(out),
            State::One(value) => put_value(out, value),
            State::Distinct(keys) => {
                // In whatever order: only how many there are counts.
                put_all(out, keys, |out, key| put_bytes(out, key.as_bytes()));
            }
            State::All(values) => {
                put_all(out, values.iter(), |out, value| put_value(out, &value.0));
            }
        }
    }

    /// Reads it back.
    pub(super) fn load(aggregate: Aggregate, from: &mut Reader<'_>) -> Option<Fold> {
        let mut fold = Fold::new(aggregate);
        match &mut fold.state {
            State::Count(count) => *count = from.counter()?,
            State::Total(total) => **total = Total::load(from)?,
            State::Spread(spread) => **spread = Spread::load(from)?,
            State::One(value) => *value = from.value()?,
            State::Distinct(keys) => {
                for _ in 0..from.count()? {
                    keys.insert(Key::from_bytes(Key::checked(from.bytes()?, 1)?));
                }
            }
            State::All(values) => {
                let mut kinds = Kinds::default();
                for _ in 0..from.count()? {
                    values.push(Ordered(from.value().filter(|value| kinds.are_one_with(value))?));
                }
            }
        }
        Some(fold)
    }
}

/// Writes what several have seen.
pub(super) fn save_folds(folds: &[Fold], out: &mut Vec<u8>) {
    for fold in folds {
        fold.save(out);
    }
}

/// Whether values that come from elsewhere have an order among them: all are of one kind, as those of a field are.
#[derive(Default)]
pub(super) struct Kinds(Option<std::mem::Discriminant<Value>>);

impl Kinds {
    /// Whether a value, which is not missing, is of the kind of those before it.
    pub(super) fn are_one_with(&mut self, value: &Value) -> bool {
        let kind = match value {
            Value::Missing | Value::Point(_) | Value::List(_) => return false,
            Value::Integer(_) => std::mem::discriminant(&Value::Number(0.0)),
            value => std::mem::discriminant(value),
        };
        *self.0.get_or_insert(kind) == kind
    }
}

/// Whether a value takes the place of the one that stood for an aggregate so far. Of equal ones the first stays.
pub(super) fn replaces(aggregate: Aggregate, value: &Value, one: &Value) -> bool {
    let order = || compare::order(value, one);
    match aggregate {
        Aggregate::Last => true,
        _ if one.is_missing() => true,
        Aggregate::Minimum => order().is_some_and(std::cmp::Ordering::is_lt),
        Aggregate::Maximum => order().is_some_and(std::cmp::Ordering::is_gt),
        _ => false,
    }
}

fn percentile(aggregate: Aggregate, values: &[Ordered]) -> Value {
    let Aggregate::Percentile(percent) = aggregate else { unreachable!("only percentiles keep all values") };
    if values.is_empty() {
        return Value::Missing;
    }
    let mut values: Vec<&Ordered> = values.iter().collect();
    let rank = ranked::rank(percent, values.len());
    let (_, value, _) = values.select_nth_unstable(rank - 1);
    value.0.clone()
}

/// A sum of integers and numbers. It is exact; that of integers is missing where it is out of their range, and that
/// of numbers is rounded when it is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Total {
    integers: i128,
    numbers: Exact,
    integers_count: u64,
    numbers_count: u64,
}

impl Total {
    fn add(&mut self, value: &Value) {
        match value {
            Value::Integer(i) => self.add_integer(*i),
            value => self.add_number(number(value).unwrap_or_default()),
        }
    }

    pub(super) fn add_integer(&mut self, i: i64) {
        self.integers_count += 1;
        self.integers += i128::from(i);
    }

    pub(super) fn remove_integer(&mut self, i: i64) {
        self.integers_count -= 1;
        self.integers -= i128::from(i);
    }

    pub(super) fn add_number(&mut self, n: f64) {
        self.numbers_count += 1;
        self.numbers.add(n);
    }

    pub(super) fn remove_number(&mut self, n: f64) {
        self.numbers_count -= 1;
        if self.numbers_count == 0 {
            self.numbers.clear();
        } else {
            self.numbers.remove(n);
        }
    }

    fn merge(&mut self, later: &Total) {
        self.integers += later.integers;
        self.numbers.merge(&later.numbers);
        self.integers_count += later.integers_count;
        self.numbers_count += later.numbers_count;
    }

    /// The sum or the average.
    pub(super) fn value(&self, aggregate: Aggregate) -> Value {
        let count = self.integers_count + self.numbers_count;
        match aggregate {
            _ if count == 0 => Value::Missing,
            Aggregate::Average => Value::number(self.total() / count as f64),
            _ if self.numbers_count == 0 => i64::try_from(self.integers).map_or(Value::Missing, Value::Integer),
            _ => Value::number(self.total()),
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.integers.to_le_bytes());
        self.numbers.save(out);
        put(out, self.integers_count);
        put(out, self.numbers_count);
    }

    fn load(from: &mut Reader<'_>) -> Option<Total> {
        Some(Total {
            integers: Some(i128::from_le_bytes(from.fixed()?)).filter(|sum| sum.unsigned_abs() < 1 << 126)?,
            numbers: Exact::load(from)?,
            integers_count: from.counter()?,
            numbers_count: from.counter()?,
        })
    }

    fn total(&self) -> f64 {
        self.integers as f64 + self.numbers.value()
    }
}

/// The exact sums of numbers and of their squares. Their difference would lose everything to rounding if it were
/// computed in floats; from exact sums it is right to the last bits, and it can slide.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    count: u64,
    sum: Exact,
    squares: Exact,
    /// How many numbers have a square that is out of range: there is no deviation with one of them.
    out_of_range: u64,
}

impl Spread {
    fn add(&mut self, value: &Value) {
        self.add_number(number(value).unwrap_or_default());
    }

    pub(super) fn add_number(&mut self, n: f64) {
        self.count += 1;
        self.sum.add(n);
        match square(n) {
            Some(parts) => parts.into_iter().for_each(|part| self.squares.add(part)),
            None => self.out_of_range += 1,
        }
    }

    pub(super) fn remove_number(&mut self, n: f64) {
        if self.count == 1 {
            *self = Spread::default();
            return;
        }
        self.count -= 1;
        self.sum.remove(n);
        match square(n) {
            Some(parts) => parts.into_iter().for_each(|part| self.squares.remove(part)),
            None => self.out_of_range -= 1,
        }
    }

    fn merge(&mut self, later: &Spread) {
        self.count += later.count;
        self.sum.merge(&later.sum);
        self.squares.merge(&later.squares);
        self.out_of_range += later.out_of_range;
    }

    fn save(&self, out: &mut Vec<u8>) {
        put(out, self.count);
        self.sum.save(out);
        self.squares.save(out);
        put(out, self.out_of_range);
    }

    fn load(from: &mut Reader<'_>) -> Option<Spread> {
        let (count, sum, squares) = (from.counter()?, Exact::load(from)?, Exact::load(from)?);
        let spread = Spread { count, sum, squares, out_of_range: from.counter()? };
        // With all numbers in range their sums are, whatever there may be in memory.
        let in_range = spread.sum.value().abs() < SUM_MAX && spread.squares.value().abs() < SUM_MAX * SUM_MAX;
        (in_range || spread.out_of_range > 0).then_some(spread)
    }

    /// The standard deviation of the population: with m near the mean, the root of (Σx² - 2mΣx + nm²) / n - (m - Σx/n)²,
    /// of which the last term is below all rounding.
    pub(super) fn deviation(&self) -> Value {
        if self.count == 0 || self.out_of_range > 0 {
            return Value::Missing;
        }
        let count = self.count as f64;
        let mean = self.sum.value() / count;
        let mut squares = self.squares.clone();
        for term in self.sum.terms() {
            for part in product(-2.0 * mean, term) {
                squares.add(part);
            }
        }
        for part in product(mean, mean) {
            for part in product(count, part) {
                squares.add(part);
            }
        }
        Value::number((squares.value().max(0.0) / count).sqrt())
    }
}

/// Beyond any sum of numbers that have a square.
const SUM_MAX: f64 = 1e152;

/// The square of a number as the sum of two, exactly; none where it, or a sum of many of its size, is out of range.
fn square(n: f64) -> Option<[f64; 2]> {
    const LARGEST: f64 = 1e140;
    (n.abs() <= LARGEST).then(|| product(n, n))
}

/// A product as the sum of two numbers: what it is rounded to, and the rest (Dekker 1971).
fn product(a: f64, b: f64) -> [f64; 2] {
    let rounded = a * b;
    [rounded, a.mul_add(b, -rounded)]
}

/// A number from a number or integer.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(i) => Some(*i as f64),
        Value::Number(n) => Some(*n),
        _ => None,
    }
}

/// The encoding by which distinct values are told apart. Points and lists, which have none, were refused when the
/// rule was checked.
pub(super) fn key_of(value: &Value) -> Option<Key> {
    let mut builder = KeyBuilder::default();
    builder.push(value).then(|| builder.key())
}

/// A count as a value.
pub(super) fn whole(count: u64) -> Value {
    i64::try_from(count).map_or(Value::Missing, Value::Integer)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(aggregate: Aggregate, values: &[Value]) -> String {
        format!("{:?}", Fold::of(aggregate, values.iter().cloned()).value())
    }

    fn integers(values: &[i64]) -> Vec<Value> {
        values.iter().copied().map(Value::Integer).collect()
    }

    fn numbers(values: &[f64]) -> Vec<Value> {
        values.iter().copied().map(Value::Number).collect()
    }

    #[test]
    fn of_nothing_only_counts_have_a_value() {
        for aggregate in [Aggregate::Count, Aggregate::Distinct] {
            assert_eq!(of(aggregate, &[]), "Integer(0)");
        }
        let others = [Aggregate::Sum, Aggregate::Average, Aggregate::Minimum, Aggregate::Maximum, Aggregate::First];
        for aggregate in others.into_iter().chain([Aggregate::Last, Aggregate::Deviation, Aggregate::Percentile(50.0)])
        {
            assert_eq!(of(aggregate, &[]), "Missing");
            assert_eq!(of(aggregate, &[Value::Missing]), "Missing");
        }
    }

    #[test]
    fn missing_values_are_skipped_and_counted() {
        let values = [Value::Missing, Value::Integer(3), Value::Missing];
        assert_eq!(of(Aggregate::Count, &values), "Integer(3)");
        assert_eq!(of(Aggregate::First, &values), "Integer(3)");
        assert_eq!(of(Aggregate::Last, &values), "Integer(3)");
        assert_eq!(of(Aggregate::Average, &values), "Number(3.0)");
        assert_eq!(of(Aggregate::Distinct, &values), "Integer(1)");
    }

    #[test]
    fn sums_of_integers_are_exact() {
        assert_eq!(of(Aggregate::Sum, &integers(&[i64::MAX, 1, -1])), format!("Integer({})", i64::MAX));
        assert_eq!(of(Aggregate::Sum, &integers(&[i64::MAX, 1])), "Missing");
        assert_eq!(of(Aggregate::Average, &integers(&[i64::MAX, i64::MAX])), format!("Number({:?})", i64::MAX as f64));
        assert_eq!(of(Aggregate::Sum, &[Value::Integer(1), Value::Number(0.5)]), "Number(1.5)");
    }

    #[test]
    fn sums_of_numbers_do_not_drift() {
        assert_eq!(of(Aggregate::Sum, &numbers(&[1e16, 1.0, -1e16])), "Number(1.0)");
        assert_eq!(of(Aggregate::Average, &numbers(&[0.1; 10])), "Number(0.1)");
        assert_eq!(of(Aggregate::Sum, &numbers(&[f64::MAX, f64::MAX])), "Missing");
    }

    #[test]
    fn deviations_are_stable() {
        assert_eq!(of(Aggregate::Deviation, &numbers(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])), "Number(2.0)");
        assert_eq!(
            of(Aggregate::Deviation, &numbers(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0, 1e9 + 4.0])),
            "Number(1.118033988749895)"
        );
        assert_eq!(of(Aggregate::Deviation, &numbers(&[0.1; 7])), "Number(0.0)");
        assert_eq!(of(Aggregate::Deviation, &integers(&[1, 3])), "Number(1.0)");
        assert_eq!(of(Aggregate::Deviation, &numbers(&[1e200, 1.0])), "Missing");
        assert_eq!(of(Aggregate::Deviation, &numbers(&[1e139, -1e139])), "Number(1e139)");
        assert_eq!(of(Aggregate::Deviation, &numbers(&[1e-200, 3e-200])), "Number(0.0)");
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let values = integers(&[50, 15, 40, 20, 35]);
        for (percent, value) in [(0.0, 15), (5.0, 15), (30.0, 20), (40.0, 20), (50.0, 35), (100.0, 50)] {
            assert_eq!(of(Aggregate::Percentile(percent), &values), format!("Integer({value})"));
        }
        let texts = ["b", "a", "c"].map(|text| Value::Text(text.into()));
        assert_eq!(of(Aggregate::Percentile(50.0), &texts), "Text(\"b\")");
    }

    pub(in crate::engine) fn aggregate() -> impl Strategy<Value = Aggregate> {
        prop_oneof![
            Just(Aggregate::Count),
            Just(Aggregate::Sum),
            Just(Aggregate::Average),
            Just(Aggregate::Minimum),
            Just(Aggregate::Maximum),
            Just(Aggregate::Distinct),
            Just(Aggregate::Deviation),
            Just(Aggregate::First),
            Just(Aggregate::Last),
            prop_oneof![Just(0.0), Just(50.0), Just(95.0), Just(100.0), 0.0..100.0].prop_map(Aggregate::Percentile),
        ]
    }

    /// Numbers of all sizes and signs, often the same ones.
    pub(in crate::engine) fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            1 => Just(Value::Missing),
            4 => (-3_i64..4).prop_map(Value::Integer),
            1 => any::<i64>().prop_map(Value::Integer),
            4 => (-3_i8..4).prop_map(|n| Value::Number(f64::from(n) / 2.0)),
            1 => prop_oneof![Just(-0.0), Just(1e16), Just(-1e16), Just(0.1), -1e3..1e3].prop_map(Value::Number),
        ]
    }

    proptest! {
        #[test]
        fn parts_merge_to_the_whole(
            aggregate in aggregate(), parts in prop::collection::vec(prop::collection::vec(value(), 0..6), 0..5),
        ) {
            let mut merged = Fold::new(aggregate);
            for part in &parts {
                merged.merge(&Fold::of(aggregate, part.iter().cloned()));
            }
            prop_assert_eq!(format!("{:?}", merged.value()), of(aggregate, &parts.concat()));
        }

        #[test]
        fn a_deviation_is_that_of_the_definition(values in prop::collection::vec(-1e3..1e3, 1..20)) {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / values.len() as f64;
            let Value::Number(n) = Fold::of(Aggregate::Deviation, numbers(&values)).value() else { panic!("a number") };
            prop_assert!((n - variance.sqrt()).abs() <= 1e-9, "{n} is not {}", variance.sqrt());
        }
    }
}
