//! Which of all the changes to a tree is made, and what it is called.

use crate::diagnostic::Span;
use crate::lang::ast::{Duration, Spanned};
use crate::lang::fmt;

/// What a change tells about the tests that notice it, or do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A part of a condition that never holds: whoever notices has it true where that decides.
    NeverTrue,
    /// A part of a condition left out: whoever notices has it false where that decides.
    Dropped,
    /// One of several event types left out.
    Type,
    /// A part of the key left out.
    Key,
    /// A number, a comparison, or a length of time that is another.
    Bound,
    /// `every` left out or added.
    Every,
    /// A clause that is left out or added.
    Clause,
}

/// A change that was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) change: Change,
    /// Where its clause begins.
    pub(super) clause: Span,
    /// `within 5 minutes -> within 10 minutes`, `country is not a.country dropped`.
    pub(super) label: String,
}

/// Counts the changes that a walk over a tree comes by, and makes one of them.
#[derive(Debug)]
pub(super) struct Picker {
    target: usize,
    seen: usize,
    clause: Span,
    pub(super) made: Option<Made>,
}

impl Picker {
    /// Makes the change of this number, from 0.
    pub(super) fn new(target: usize, clause: Span) -> Picker {
        Picker { target, seen: 0, clause, made: None }
    }

    /// The changes that follow are of the clause that begins here.
    pub(super) fn enter(&mut self, clause: Span) {
        self.clause = clause;
    }

    /// Offers one change: `make` changes the tree, and says what the change is called.
    pub(super) fn offer(&mut self, change: Change, make: impl FnOnce() -> String) {
        if self.seen == self.target {
            self.made = Some(Made { change, clause: self.clause, label: make() });
        }
        self.seen += 1;
    }

    /// Offers another value in place of one; `show` writes both.
    pub(super) fn replace<T>(&mut self, change: Change, node: &mut T, other: T, show: impl Fn(&T) -> String) {
        self.offer(change, || {
            let before = show(node);
            *node = other;
            renamed(&before, &show(node))
        });
    }

    /// Offers to leave out each element of a list that has more than the least.
    pub(super) fn leave_out<T: Clone>(
        &mut self,
        change: Change,
        list: &mut Vec<T>,
        least: usize,
        show: impl Fn(&T) -> String,
    ) {
        let full = list.clone();
        if full.len() <= least {
            return;
        }
        for (at, element) in full.iter().enumerate() {
            self.offer(change, || {
                list.remove(at);
                format!("{} dropped", show(element))
            });
        }
    }

    /// Offers half of a length of time and twice as much.
    pub(super) fn stretch(&mut self, length: &mut Spanned<Duration>, show: impl Fn(&str) -> String) {
        let show = |length: &Duration| show(&fmt::format_duration(*length));
        let ms = length.node.ms;
        if ms >= 2 {
            self.replace(Change::Bound, &mut length.node, Duration { ms: ms / 2 }, show);
        }
        self.replace(Change::Bound, &mut length.node, Duration { ms: ms.saturating_mul(2) }, show);
    }

    /// Offers one less and one more.
    pub(super) fn step(&mut self, n: &mut u64, show: impl Fn(&u64) -> String) {
        let written = *n;
        if written >= 2 {
            self.replace(Change::Bound, n, written - 1, &show);
        }
        self.replace(Change::Bound, n, written.saturating_add(1), &show);
    }
}

fn renamed(before: &str, after: &str) -> String {
    match (before.is_empty(), after.is_empty()) {
        (_, true) => format!("{before} dropped"),
        (true, _) => format!("{after} added"),
        _ => format!("{before} -> {after}"),
    }
}
