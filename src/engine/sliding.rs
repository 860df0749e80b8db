//! An aggregate over a window that slides with the events of a key: constant work per event on average, logarithmic
//! for percentiles, and memory for what lies in the window only. The result never depends on what has left it.
//!
//! Sums are exact ([`exact`](super::exact)), so they may add and take away; the least and the largest stand at the
//! head of a monotonic queue; of `last` one value is kept, since the newest is in every window that is not empty.
//!
//! An entry carries a mark, which never falls: its time where the window is a duration, its number where it is the
//! last N events. Marks up to a bound leave. So events that an inner `where` refuses, and missing values, are counted
//! but never stored.

use std::collections::VecDeque;

use crate::engine::codec::{Reader, put, put_bytes, put_count, put_signed, put_value};
use crate::engine::compare;
use crate::engine::fold::{self, Kinds, Spread, Total, key_of, number, whole};
use crate::engine::ranked::{Ranked, total_order};
use crate::engine::recent::Recent;
use crate::event::{Key, Value};
use crate::program::{Aggregate, WindowRange};

/// An aggregate over a sliding window.
#[derive(Debug)]
pub(super) struct Sliding {
    aggregate: Aggregate,
    range: WindowRange,
    /// How many events have been pushed: the number of the newest.
    pushed: i64,
    entries: Entries,
}

#[derive(Debug)]
enum Entries {
    Count(VecDeque<i64>),
    Total(Box<Totals>),
    Spread(Box<Spreads>),
    /// The least or the largest, and after it those that will be when it has left.
    Extreme(VecDeque<(i64, Value)>),
    First(VecDeque<(i64, Value)>),
    Last(Option<(i64, Value)>),
    Distinct(Box<Recent>),
    Percentile(Box<Percentile>),
}

/// A field's values are all integers or all numbers, so that one of the queues costs nothing.
#[derive(Debug, Default)]
struct Totals {
    integers: VecDeque<(i64, i64)>,
    numbers: VecDeque<(i64, f64)>,
    total: Total,
}

#[derive(Debug, Default)]
struct Spreads {
    numbers: VecDeque<(i64, f64)>,
    spread: Spread,
}

#[derive(Debug)]
struct Percentile {
    values: VecDeque<(i64, Value)>,
    ranked: Ranked,
}

impl Sliding {
    /// An empty window.
    pub(super) fn new(aggregate: Aggregate, range: WindowRange) -> Sliding {
        let entries = match aggregate {
            Aggregate::Count => Entries::Count(VecDeque::new()),
            Aggregate::Sum | Aggregate::Average => Entries::Total(Box::default()),
            Aggregate::Deviation => Entries::Spread(Box::default()),
            Aggregate::Minimum | Aggregate::Maximum => Entries::Extreme(VecDeque::new()),
            Aggregate::First => Entries::First(VecDeque::new()),
            Aggregate::Last => Entries::Last(None),
            Aggregate::Distinct => Entries::Distinct(Box::default()),
            Aggregate::Percentile(percent) => {
                Entries::Percentile(Box::new(Percentile { values: VecDeque::new(), ranked: Ranked::new(percent) }))
            }
        };
        Sliding { aggregate, range, pushed: 0, entries }
    }

    /// What an aggregate keeps beside its own row, and for each entry, in bytes.
    pub(super) fn bytes(aggregate: Aggregate) -> (usize, usize) {
        const MARK: usize = size_of::<i64>();
        match aggregate {
            Aggregate::Count => (0, MARK),
            Aggregate::Sum | Aggregate::Average => (size_of::<Totals>(), size_of::<(i64, f64)>()),
            Aggregate::Deviation => (size_of::<Spreads>(), size_of::<(i64, f64)>()),
            Aggregate::Minimum | Aggregate::Maximum | Aggregate::First => (0, size_of::<(i64, Value)>()),
            Aggregate::Last => (0, 0),
            Aggregate::Distinct => (size_of::<Recent>(), Recent::ROW_BYTES),
            Aggregate::Percentile(_) => (size_of::<Percentile>(), size_of::<(i64, Value)>() + Ranked::ENTRY_BYTES),
        }
    }

    /// Adds an event of the type, which is not before the last one: the field's value (a count counts every value, the
    /// others skip a missing one), or none where the event does not fulfil the inner `where`. Of a duration, what has
    /// left is only dropped by [`Sliding::evict`].
    pub(super) fn push(&mut self, time_ms: i64, value: Option<&Value>) {
        self.pushed += 1;
        let mark = match self.range {
            WindowRange::Duration(_) => time_ms,
            WindowRange::Last(_) => self.pushed,
        };
        if let Some(value) = value
            && (self.aggregate == Aggregate::Count || !value.is_missing())
        {
            self.entries.push(self.aggregate, mark, value);
        }
        if let WindowRange::Last(count) = self.range {
            self.entries.drop_to(self.pushed - i64::from(count));
        }
    }

    /// Drops what is no longer in a window of a duration as of this time, which never falls.
    pub(super) fn evict(&mut self, now_ms: i64) {
        if let WindowRange::Duration(ms) = self.range {
            self.entries.drop_to(now_ms.saturating_sub(ms));
        }
    }

    /// Writes what lies in the window.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put(out, self.pushed.cast_unsigned());
        put_count(out, self.len());
        self.entries.save(out);
    }

    /// Reads it back, of a key that was last touched at this time (ms): what is computed of the entries is computed anew.
    pub(super) fn load(
        aggregate: Aggregate,
        range: WindowRange,
        from: &mut Reader<'_>,
        touched_ms: i64,
    ) -> Option<Sliding> {
        let pushed = i64::try_from(from.counter()?).ok()?;
        let mut sliding = Sliding { pushed, ..Sliding::new(aggregate, range) };
        let newest = if let WindowRange::Last(_) = range { pushed } else { touched_ms };
        let mut kinds = Kinds::default();
        // Integers and numbers of a sum stand in two rows, each in its order.
        let mut last = [i64::MIN; 2];
        for _ in 0..from.count()? {
            let mark = from.signed()?;
            let row = usize::from(sliding.entries.load_one(aggregate, mark, from, &mut kinds)?);
            (last[row] <= mark && mark <= newest).then_some(())?;
            last[row] = mark;
        }
        Some(sliding)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        match &self.entries {
            Entries::Count(marks) => marks.len(),
            Entries::Total(totals) => totals.integers.len() + totals.numbers.len(),
            Entries::Spread(spreads) => spreads.numbers.len(),
            Entries::Extreme(values) | Entries::First(values) => values.len(),
            Entries::Last(last) => usize::from(last.is_some()),
            Entries::Distinct(recent) => recent.len(),
            Entries::Percentile(percentile) => percentile.values.len(),
        }
    }

    /// The aggregate over what is there.
    pub(super) fn value(&self) -> Value {
        match &self.entries {
            Entries::Count(marks) => whole(marks.len() as u64),
            Entries::Total(totals) => totals.total.value(self.aggregate),
            Entries::Spread(spreads) => spreads.spread.deviation(),
            Entries::Extreme(values) | Entries::First(values) => {
                values.front().map_or(Value::Missing, |(_, value)| value.clone())
            }
            Entries::Last(last) => last.as_ref().map_or(Value::Missing, |(_, value)| value.clone()),
            Entries::Distinct(recent) => whole(recent.len() as u64),
            Entries::Percentile(percentile) => percentile.ranked.value(),
        }
    }
}

impl Entries {
    fn push(&mut self, aggregate: Aggregate, mark: i64, value: &Value) {
        match self {
            Entries::Count(marks) => marks.push_back(mark),
            Entries::Total(totals) => totals.push(mark, value),
            Entries::Spread(spreads) => {
                let n = number(value).unwrap_or_default();
                spreads.spread.add_number(n);
                spreads.numbers.push_back((mark, n));
            }
            Entries::Extreme(values) => push_extreme(values, aggregate, mark, value),
            Entries::First(values) => values.push_back((mark, value.clone())),
            Entries::Last(last) => *last = Some((mark, value.clone())),
            Entries::Distinct(recent) => {
                if let Some(key) = key_of(value) {
                    recent.see(key, mark);
                }
            }
            Entries::Percentile(percentile) => {
                percentile.ranked.insert(value.clone());
                percentile.values.push_back((mark, value.clone()));
            }
        }
    }

    /// Drops the entries with a mark up to this.
    fn drop_to(&mut self, mark: i64) {
        match self {
            Entries::Count(marks) => drop_to(marks, |marked| *marked <= mark, |_| ()),
            Entries::Total(totals) => {
                let Totals { integers, numbers, total } = &mut **totals;
                drop_to(integers, |(marked, _)| *marked <= mark, |(_, i)| total.remove_integer(i));
                drop_to(numbers, |(marked, _)| *marked <= mark, |(_, n)| total.remove_number(n));
            }
            Entries::Spread(spreads) => {
                let Spreads { numbers, spread } = &mut **spreads;
                drop_to(numbers, |(marked, _)| *marked <= mark, |(_, n)| spread.remove_number(n));
            }
            Entries::Extreme(values) | Entries::First(values) => {
                drop_to(values, |(marked, _)| *marked <= mark, |_| ());
            }
            Entries::Last(last) => {
                last.take_if(|(marked, _)| *marked <= mark);
            }
            Entries::Distinct(recent) => recent.forget(mark),
            Entries::Percentile(percentile) => {
                let Percentile { values, ranked } = &mut **percentile;
                drop_to(values, |(marked, _)| *marked <= mark, |(_, value)| ranked.remove(&value));
            }
        }
    }
}

impl Entries {
    fn save(&self, out: &mut Vec<u8>) {
        let put_number = |out: &mut Vec<u8>, (mark, n): &(i64, f64)| {
            put_signed(out, *mark);
            put_value(out, &Value::Number(*n));
        };
        let put_marked = |out: &mut Vec<u8>, (mark, value): &(i64, Value)| {
            put_signed(out, *mark);
            put_value(out, value);
        };
        match self {
            Entries::Count(marks) => marks.iter().for_each(|mark| put_signed(out, *mark)),
            Entries::Total(totals) => {
                for (mark, i) in &totals.integers {
                    put_signed(out, *mark);
                    put_value(out, &Value::Integer(*i));
                }
                totals.numbers.iter().for_each(|number| put_number(out, number));
            }
            Entries::Spread(spreads) => spreads.numbers.iter().for_each(|number| put_number(out, number)),
            Entries::Extreme(values) | Entries::First(values) => values.iter().for_each(|one| put_marked(out, one)),
            Entries::Last(last) => last.iter().for_each(|one| put_marked(out, one)),
            Entries::Distinct(recent) => {
                for (mark, key) in recent.iter() {
                    put_signed(out, mark);
                    put_bytes(out, key.as_bytes());
                }
            }
            Entries::Percentile(percentile) => percentile.values.iter().for_each(|one| put_marked(out, one)),
        }
    }

    /// Reads an entry. Says whether it is a number, and no integer, of a sum.
    fn load_one(&mut self, aggregate: Aggregate, mark: i64, from: &mut Reader<'_>, kinds: &mut Kinds) -> Option<bool> {
        match self {
            Entries::Count(marks) => marks.push_back(mark),
            Entries::Distinct(recent) => recent.see(Key::from_bytes(Key::checked(from.bytes()?, 1)?), mark),
            _ => {
                let value = from.value().filter(|value| kinds.are_one_with(value))?;
                self.push(aggregate, mark, &value);
                return Some(matches!((&*self, &value), (Entries::Total(_), Value::Number(_))));
            }
        }
        Some(false)
    }
}

impl Totals {
    fn push(&mut self, mark: i64, value: &Value) {
        match value {
            Value::Integer(i) => {
                self.total.add_integer(*i);
                self.integers.push_back((mark, *i));
            }
            value => {
                let n = number(value).unwrap_or_default();
                self.total.add_number(n);
                self.numbers.push_back((mark, n));
            }
        }
    }
}

/// What can no longer become the extreme leaves before the value: whatever is worse, and its own like, for which it
/// stands in. Of equal values that are not alike (0 and -0) the first goes first.
fn push_extreme(values: &mut VecDeque<(i64, Value)>, aggregate: Aggregate, mark: i64, value: &Value) {
    let alike = |one: &Value| total_order(one, value).is_eq();
    while values.pop_back_if(|(_, one)| fold::replaces(aggregate, value, one) || alike(one)).is_some() {}
    debug_assert!(values.back().is_none_or(|(_, one)| compare::order(one, value).is_some()), "values of one kind");
    values.push_back((mark, value.clone()));
}

/// Drops from the head of a queue, and gives back room that is no longer needed.
fn drop_to<T>(queue: &mut VecDeque<T>, mut leaves: impl FnMut(&T) -> bool, mut dropped: impl FnMut(T)) {
    while let Some(entry) = queue.pop_front_if(|entry| leaves(entry)) {
        dropped(entry);
    }
    if queue.capacity() > 16 && queue.len() < queue.capacity() / 4 {
        queue.shrink_to(queue.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fold::{Fold, tests::aggregate, tests::value};
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(i64, Option<Value>),
        Evict(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Often no time passes.
        let pause = || prop_oneof![3 => Just(0_i64), 2 => 1_i64..4, 1 => 5_i64..40];
        let push = (pause(), prop::option::weighted(0.8, value())).prop_map(|(after, value)| Step::Push(after, value));
        prop::collection::vec(prop_oneof![4 => push, 1 => pause().prop_map(Step::Evict)], 0..120)
    }

    fn range() -> impl Strategy<Value = WindowRange> {
        prop_oneof![(1_i64..20).prop_map(WindowRange::Duration), (1_u32..12).prop_map(WindowRange::Last)]
    }

    /// The aggregate from the plain list of all events.
    fn recomputed(aggregate: Aggregate, range: WindowRange, all: &[(i64, Option<Value>)], now_ms: i64) -> Value {
        let inside = match range {
            WindowRange::Duration(ms) => &all[all.partition_point(|(time_ms, _)| *time_ms <= now_ms - ms)..],
            WindowRange::Last(count) => &all[all.len().saturating_sub(count as usize)..],
        };
        Fold::of(aggregate, inside.iter().filter_map(|(_, value)| value.clone())).value()
    }

    proptest! {
        #[test]
        fn a_window_is_what_it_would_be_if_it_were_computed_anew(
            aggregate in aggregate(), range in range(), steps in steps(),
        ) {
            let mut sliding = Sliding::new(aggregate, range);
            let (mut all, mut now_ms) = (Vec::new(), -20);
            for step in steps {
                match step {
                    Step::Push(after, value) => {
                        now_ms += after;
                        sliding.push(now_ms, value.as_ref());
                        all.push((now_ms, value));
                    }
                    Step::Evict(after) => now_ms += after,
                }
                sliding.evict(now_ms);
                let expected = recomputed(aggregate, range, &all, now_ms);
                prop_assert_eq!(format!("{:?}", sliding.value()), format!("{expected:?}"));
                if room(&sliding).0 == 0 {
                    let nothing = Fold::new(aggregate).value();
                    prop_assert_eq!(format!("{:?}", sliding.value()), format!("{nothing:?}"));
                    // What is empty may be forgotten.
                    sliding = Sliding::new(aggregate, range);
                }
            }
        }
    }

    #[test]
    fn a_sum_that_slides_over_large_numbers_does_not_drift() {
        let mut sliding = Sliding::new(Aggregate::Sum, WindowRange::Duration(10));
        for (time_ms, n) in (0..).zip([1e16, 1.0, -1e16, 0.1, 0.2]) {
            sliding.push(time_ms, Some(&Value::Number(n)));
        }
        assert_eq!(format!("{:?}", sliding.value()), "Number(1.3)");
        sliding.evict(10);
        assert_eq!(format!("{:?}", sliding.value()), "Number(-9999999999999998.0)");
        sliding.evict(12);
        assert_eq!(format!("{:?}", sliding.value()), format!("Number({:?})", 0.1 + 0.2));
        sliding.evict(100);
        assert!(room(&sliding).0 == 0 && sliding.value().is_missing());
    }

    /// How many entries there are, and for how many there is room.
    fn room(sliding: &Sliding) -> (usize, usize) {
        match &sliding.entries {
            Entries::Count(marks) => (marks.len(), marks.capacity()),
            Entries::Total(totals) => {
                let Totals { integers, numbers, .. } = &**totals;
                (integers.len() + numbers.len(), integers.capacity() + numbers.capacity())
            }
            Entries::Spread(spreads) => (spreads.numbers.len(), spreads.numbers.capacity()),
            Entries::Extreme(values) | Entries::First(values) => (values.len(), values.capacity()),
            Entries::Last(last) => (usize::from(last.is_some()), 1),
            Entries::Distinct(recent) => (recent.len(), recent.capacity()),
            Entries::Percentile(percentile) => (percentile.values.len(), percentile.values.capacity()),
        }
    }

    #[test]
    fn a_window_keeps_what_lies_in_it_and_no_more() {
        let full = |aggregate| {
            let mut sliding = Sliding::new(aggregate, WindowRange::Duration(1_000));
            for time_ms in 0..100_000 {
                sliding.push(time_ms, Some(&Value::Integer(time_ms % 7)));
                sliding.evict(time_ms);
            }
            let (len, capacity) = room(&sliding);
            assert!(capacity <= 2_048, "{aggregate:?} has room for {capacity}");
            sliding.evict(1_000_000);
            assert!(room(&sliding).1 <= 16, "{aggregate:?} gives its room back");
            len
        };
        for aggregate in
            [Aggregate::Count, Aggregate::Sum, Aggregate::Deviation, Aggregate::First, Aggregate::Percentile(50.0)]
        {
            assert_eq!(full(aggregate), 1_000);
        }
        // Only what is different, or can still become the result.
        assert_eq!(full(Aggregate::Distinct), 7);
        assert!(full(Aggregate::Maximum) <= 7);
        assert_eq!(full(Aggregate::Last), 1);
    }
}
