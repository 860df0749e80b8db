//! How much an engine keeps open, and what it does when that is full. The engine asks before something begins; what is
//! dropped is counted by rule and limit.

/// Limits on what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open runs of one rule and key, at least 1; of `each pair of` the events that are kept of one side.
    pub open_runs_per_key: usize,
    /// What is done when one of them is reached.
    pub when_full: WhenFull,
}

/// What is done when something is to begin and there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// What began first is dropped.
    #[default]
    DropOldest,
    /// It does not begin.
    DropNew,
}

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::open_runs_per_key`].
    OpenRunsPerKey,
}

/// How many runs were dropped, or did not begin, by limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u64; Limit::ALL.len()]);

impl Limits {
    /// No limits.
    pub const NONE: Limits = Limits { open_runs_per_key: usize::MAX, when_full: WhenFull::DropOldest };
}

impl Default for Limits {
    /// Those of a daemon or replay that is told nothing else.
    fn default() -> Limits {
        Limits { open_runs_per_key: 1_024, ..Limits::NONE }
    }
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 1] = [Limit::OpenRunsPerKey];

    /// The name of its setting.
    pub fn setting(self) -> &'static str {
        match self {
            Limit::OpenRunsPerKey => "max_open_runs_per_key",
        }
    }
}

impl Dropped {
    /// How many by one limit.
    pub fn by(self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }

    /// How many by all limits.
    pub fn all(self) -> u64 {
        self.0.iter().sum()
    }

    /// Counts some more.
    pub(super) fn count(&mut self, limit: Limit, runs: usize) {
        self.0[limit as usize] += runs as u64;
    }

    /// Adds what another shard has counted.
    pub fn add(&mut self, other: Dropped) {
        self.0.iter_mut().zip(other.0).for_each(|(count, other)| *count += other);
    }

    /// Takes away what was counted before.
    pub fn subtract(&mut self, before: Dropped) {
        self.0.iter_mut().zip(before.0).for_each(|(count, before)| *count -= before);
    }
}
