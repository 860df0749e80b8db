//! Choices, read off a random list of numbers.
//!
//! Rules and events are made by plain code that asks a tape. Proptest knows only the numbers, and shrinks a case by
//! dropping and lowering them; 0, which is also what an empty tape says, is always the simplest choice.

use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) struct Tape {
    choices: std::vec::IntoIter<u8>,
}

impl Tape {
    /// Tapes of at most so many choices; few are much shorter.
    pub(super) fn any(longest: usize) -> impl Strategy<Value = Tape> {
        let full = proptest::collection::vec(any::<u8>(), longest);
        let short = proptest::collection::vec(any::<u8>(), 0..=longest);
        prop_oneof![1 => short, 9 => full].prop_map(|choices| Tape { choices: choices.into_iter() })
    }

    /// A tape with these choices.
    pub(super) fn of(choices: &[u8]) -> Tape {
        Tape { choices: Vec::from(choices).into_iter() }
    }

    /// A number below `n`, which is at most 100. Lower numbers on the tape never give a higher one.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let choice = usize::from(self.choices.next().unwrap_or(0));
        (choice * n) >> 8
    }

    /// One of them; the first is the simplest.
    pub(super) fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// True in so many of a hundred.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }
}
