//! Open runs by the value that the next event is compared with, in the order of values: an event finds the groups with
//! which it compares as it must, and passes over the others.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::engine::compare;
use crate::event::Value;
use crate::program::Comparison;

/// A value by which runs are grouped, in the order that the language has; all of one map are of one kind.
#[derive(Clone, Debug)]
pub(super) struct Group(pub(super) Value);

impl Ord for Group {
    fn cmp(&self, other: &Group) -> Ordering {
        compare::order(&self.0, &other.0).unwrap_or_else(|| self.0.is_missing().cmp(&other.0.is_missing()))
    }
}

impl PartialOrd for Group {
    fn partial_cmp(&self, other: &Group) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Group) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Group {}

/// The groups with which a value, on the left, compares as it must.
pub(super) fn matching<'a, T>(
    groups: &'a BTreeMap<Group, T>,
    comparison: Comparison,
    value: &'a Value,
) -> impl Iterator<Item = (&'a Group, &'a T)> {
    let at = || Group(value.clone());
    let range = match comparison {
        Comparison::Is => (Bound::Included(at()), Bound::Included(at())),
        Comparison::IsNot => (Bound::Unbounded, Bound::Unbounded),
        Comparison::Less => (Bound::Excluded(at()), Bound::Unbounded),
        Comparison::LessOrEqual => (Bound::Included(at()), Bound::Unbounded),
        Comparison::Greater => (Bound::Unbounded, Bound::Excluded(at())),
        Comparison::GreaterOrEqual => (Bound::Unbounded, Bound::Included(at())),
    };
    groups.range(range).filter(move |(group, _)| compare::holds(comparison, value, &group.0))
}
