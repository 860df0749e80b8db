//! Which rules or measures look at an event: those that its values lead to.

use crate::engine::eval::{self, Context};
use crate::program::Index;

/// Adds all that an event leads to, in no order and perhaps twice.
#[inline]
pub(super) fn find<T: Copy + Eq>(index: &Index<T>, event: Context<'_>, found: &mut Vec<T>) {
    found.extend_from_slice(&index.always);
    for equality in &index.equalities {
        found.extend_from_slice(equality.find(&eval::value(&equality.subject, event)));
    }
    for thresholds in &index.thresholds {
        let value = eval::value(&thresholds.subject, event);
        found.extend_from_slice(thresholds.least.find(&value));
        found.extend_from_slice(thresholds.most.find(&value));
    }
    for judged in &index.conditions {
        if eval::holds(&judged.condition, event) {
            found.extend_from_slice(&judged.listeners);
        }
    }
}

/// Brings what was found into its order, each once: what looks at an event does so in the order of names, whatever
/// led to it.
#[inline]
pub(super) fn put_in_order<T: Ord>(found: &mut Vec<T>) {
    if found.len() > 1 {
        found.sort_unstable();
        found.dedup();
    }
}
