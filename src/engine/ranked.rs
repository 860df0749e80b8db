//! A percentile of values that come and go: two ordered multisets, split at the rank. Below windows and folds.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;

use crate::event::{Value, order};

/// The position of a percentile among so many ascending values, from 1 (nearest rank).
pub(super) fn rank(percent: f64, count: usize) -> usize {
    // Multiplied first: 7 percent of 100 is 7, but 0.07 * 100.0 is a little more.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100 percent of a count")]
    let rank = (percent * count as f64 / 100.0).ceil() as usize;
    rank.clamp(1, count.max(1))
}

/// A value in the order of the language, made total: of equal values the zero with the minus stands first, and
/// integers stand before numbers. The values of one field are of one kind, so nothing else can be without order.
#[derive(Clone, Debug)]
pub(super) struct Ordered(pub(super) Value);

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        total_order(&self.0, &other.0)
    }
}

/// The order of [`Ordered`].
pub(super) fn total_order(a: &Value, b: &Value) -> Ordering {
    order(a, b).unwrap_or(Ordering::Equal).then_with(|| match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
        (Value::Integer(_), Value::Number(_)) => Ordering::Less,
        (Value::Number(_), Value::Integer(_)) => Ordering::Greater,
        _ => Ordering::Equal,
    })
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

/// The values, split so that the one wanted is the largest of the low ones.
#[derive(Debug)]
pub(super) struct Ranked {
    percent: f64,
    low: Multiset,
    high: Multiset,
}

/// Values with how often each is there.
#[derive(Debug, Default)]
struct Multiset {
    counts: BTreeMap<Ordered, u32>,
    len: usize,
}

impl Ranked {
    /// A value, in bytes, without the nodes of the trees.
    pub(super) const ENTRY_BYTES: usize = size_of::<(Ordered, u32)>();

    /// No values, for this percentile.
    pub(super) fn new(percent: f64) -> Ranked {
        Ranked { percent, low: Multiset::default(), high: Multiset::default() }
    }

    /// Adds a value. O(log n).
    pub(super) fn insert(&mut self, value: Value) {
        let value = Ordered(value);
        let is_low = self.low.counts.last_key_value().is_none_or(|(largest, _)| value <= *largest);
        if is_low {
            self.low.insert(value);
        } else {
            self.high.insert(value);
        }
        self.balance();
    }

    /// Takes away a value that was added. O(log n).
    pub(super) fn remove(&mut self, value: &Value) {
        let value = Ordered(value.clone());
        if !self.low.remove(&value) {
            self.high.remove(&value);
        }
        self.balance();
    }

    /// The percentile; missing of nothing.
    pub(super) fn value(&self) -> Value {
        self.low.counts.last_key_value().map_or(Value::Missing, |(value, _)| value.0.clone())
    }

    fn balance(&mut self) {
        let count = self.low.len + self.high.len;
        let wanted = if count == 0 { 0 } else { rank(self.percent, count) };
        while self.low.len > wanted {
            self.high.insert(self.low.pop_last());
        }
        while self.low.len < wanted {
            self.low.insert(self.high.pop_first());
        }
    }
}

impl Multiset {
    fn insert(&mut self, value: Ordered) {
        *self.counts.entry(value).or_default() += 1;
        self.len += 1;
    }

    fn remove(&mut self, value: &Ordered) -> bool {
        let Some(count) = self.counts.get_mut(value) else { return false };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(value);
        }
        self.len -= 1;
        true
    }

    fn pop_first(&mut self) -> Ordered {
        self.len -= 1;
        take_one(self.counts.first_entry().expect("it is not empty"))
    }

    fn pop_last(&mut self) -> Ordered {
        self.len -= 1;
        take_one(self.counts.last_entry().expect("it is not empty"))
    }
}

fn take_one(mut entry: OccupiedEntry<'_, Ordered, u32>) -> Ordered {
    if *entry.get() == 1 {
        return entry.remove_entry().0;
    }
    *entry.get_mut() -= 1;
    entry.key().clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_definition() {
        assert_eq!(rank(0.0, 5), 1);
        assert_eq!(rank(50.0, 4), 2);
        assert_eq!(rank(50.0, 5), 3);
        assert_eq!(rank(95.0, 20), 19);
        assert_eq!(rank(95.0, 21), 20);
        assert_eq!(rank(7.0, 100), 7);
        assert_eq!(rank(99.9, 1_000), 999);
        assert_eq!(rank(100.0, 5), 5);
    }
}
