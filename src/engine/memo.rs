//! What shared conditions have come to for the event that is being judged.

use std::cell::Cell;

use crate::program::PredicateId;

/// The outcomes of shared conditions, each with the number of the event that it is of: nothing is cleared between events.
#[derive(Debug)]
pub(super) struct Memo {
    arrival: u64,
    /// By condition, the number of an event, doubled, and one more where it holds.
    outcomes: Box<[Cell<u64>]>,
}

impl Memo {
    /// A memo of so many conditions, of no event yet.
    pub(super) fn new(predicates: usize) -> Memo {
        Memo { arrival: 0, outcomes: vec![Cell::new(0); predicates].into() }
    }

    /// From now on another event is judged.
    pub(super) fn begin(&mut self) {
        self.arrival += 1;
    }

    /// The number of the event among those judged, derived ones too; from 1.
    pub(super) fn arrival(&self) -> u64 {
        self.arrival
    }

    /// Events are numbered on from this one; nothing is recalled.
    pub(super) fn set_arrival(&mut self, arrival: u64) {
        self.arrival = arrival;
        self.outcomes.iter().for_each(|outcome| outcome.set(0));
    }

    /// Whether a condition holds, judged where that is not known yet.
    #[inline]
    pub(super) fn recall(&self, id: PredicateId, judge: impl FnOnce() -> bool) -> bool {
        let outcome = &self.outcomes[id.index()];
        if outcome.get() >> 1 == self.arrival {
            return outcome.get() & 1 == 1;
        }
        let holds = judge();
        outcome.set(self.arrival << 1 | u64::from(holds));
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_judged_once_an_event() {
        let mut memo = Memo::new(2);
        let judged = Cell::new(0);
        let ask = |memo: &Memo, id, holds| {
            memo.recall(PredicateId(id), || {
                judged.set(judged.get() + 1);
                holds
            })
        };
        memo.begin();
        assert!(ask(&memo, 0, true) && ask(&memo, 0, false), "the first answer stays");
        assert!(!ask(&memo, 1, false));
        assert_eq!(judged.get(), 2);
        memo.begin();
        assert!(!ask(&memo, 0, false), "another event is judged anew");
        assert_eq!(judged.get(), 3);
    }
}
