//! How much an engine keeps open, and what it does when that is full. The engine asks before something begins; what is
//! dropped is counted by rule and limit.
//!
//! The limit by key is exact. The others are budgets of an engine: where several share the keys, each has its part.

/// Limits on what is open. A *run* is also a session, a streak of `where c for D`, and an event that `each pair of`
/// keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open runs of one rule and key, at least 1; of `each pair of` the events that are kept of one side.
    pub open_runs_per_key: usize,
    /// Open runs of one rule, at least 1.
    pub open_runs_per_rule: usize,
    /// Keys with something open, counted for each `for each`.
    pub keys: usize,
    /// All that is open or remembered, in bytes, as counts and sizes of rows tell.
    pub state_bytes: usize,
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
    /// [`Limits::open_runs_per_rule`].
    OpenRunsPerRule,
    /// [`Limits::keys`].
    Keys,
    /// [`Limits::state_bytes`].
    StateBytes,
}

/// How many runs were dropped, or did not begin, by limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u64; Limit::ALL.len()]);

/// What may begin now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) limits: Limits,
    /// The limit that all keys together have reached, where nothing new may begin then.
    pub(super) full: Option<Limit>,
}

/// What all keys of an engine have open together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    pub(super) keys: usize,
    pub(super) bytes: usize,
}

impl Limits {
    /// No limits.
    pub const NONE: Limits = Limits {
        open_runs_per_key: usize::MAX,
        open_runs_per_rule: usize::MAX,
        keys: usize::MAX,
        state_bytes: usize::MAX,
        when_full: WhenFull::DropOldest,
    };

    /// The part of each of so many engines that share the keys. The limit by key is for each key, so it stays.
    #[must_use]
    pub fn share(self, engines: usize) -> Limits {
        let share = |all: usize| if all == usize::MAX { all } else { (all / engines.max(1)).max(1) };
        Limits {
            open_runs_per_rule: share(self.open_runs_per_rule),
            keys: share(self.keys),
            state_bytes: share(self.state_bytes),
            ..self
        }
    }

    /// Whether anything limits what all keys have open together.
    pub(super) fn has_budget(&self) -> bool {
        self.keys < usize::MAX || self.state_bytes < usize::MAX
    }

    /// The budget that is exceeded, if one is.
    pub(super) fn exceeded(&self, open: Footprint) -> Option<Limit> {
        let keys = (open.keys > self.keys).then_some(Limit::Keys);
        keys.or((open.bytes > self.state_bytes).then_some(Limit::StateBytes))
    }
}

impl Default for Limits {
    /// Those of a daemon or replay that is told nothing else. A rule with ten million open runs holds about a gigabyte:
    /// a rule that means to hold so much is rare, one whose `within` is too long is not.
    fn default() -> Limits {
        Limits {
            open_runs_per_key: 1_024,
            open_runs_per_rule: 10_000_000,
            keys: 10_000_000,
            state_bytes: 4 << 30,
            when_full: WhenFull::DropOldest,
        }
    }
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 4] = [Limit::OpenRunsPerKey, Limit::OpenRunsPerRule, Limit::Keys, Limit::StateBytes];

    /// The name of its setting.
    pub fn setting(self) -> &'static str {
        match self {
            Limit::OpenRunsPerKey => "max_open_runs_per_key",
            Limit::OpenRunsPerRule => "max_open_runs_per_rule",
            Limit::Keys => "max_keys",
            Limit::StateBytes => "max_state",
        }
    }
}

impl Room {
    /// No limits.
    pub(super) const ENDLESS: Room = Room { limits: Limits::NONE, full: None };

    /// Whether [`Room::admit`] has to be asked before a rule with so many open runs opens one more.
    #[inline]
    pub(super) fn is_tight(&self, open: usize) -> bool {
        open >= self.limits.open_runs_per_rule || self.full.is_some()
    }

    /// The limit that keeps a rule with so many open runs from opening one more.
    pub(super) fn refuses(&self, is_new_key: bool, open: usize) -> Option<Limit> {
        match self.full {
            Some(Limit::Keys) if !is_new_key => {}
            Some(limit) => return Some(limit),
            None => {}
        }
        let at_limit = open >= self.limits.open_runs_per_rule && self.limits.when_full == WhenFull::DropNew;
        at_limit.then_some(Limit::OpenRunsPerRule)
    }

    /// Whether a rule with so many open runs may open one more. `drop_oldest` drops what is oldest of the rule, and
    /// gives how many runs that were.
    #[cold]
    pub(super) fn admit(
        &self,
        is_new_key: bool,
        mut open: usize,
        dropped: &mut Dropped,
        mut drop_oldest: impl FnMut() -> usize,
    ) -> bool {
        if let Some(limit) = self.refuses(is_new_key, open) {
            dropped.count(limit, 1);
            return false;
        }
        while open >= self.limits.open_runs_per_rule {
            let runs = drop_oldest();
            dropped.count(Limit::OpenRunsPerRule, runs);
            if runs == 0 {
                break;
            }
            open -= runs;
        }
        true
    }
}

impl Footprint {
    /// Of so many rows.
    pub(super) fn of_rows(rows: usize, row_bytes: usize) -> Footprint {
        Footprint { keys: 0, bytes: rows * row_bytes }
    }

    pub(super) fn plus(self, other: Footprint) -> Footprint {
        Footprint { keys: self.keys + other.keys, bytes: self.bytes + other.bytes }
    }

    pub(super) fn minus(self, other: Footprint) -> Footprint {
        Footprint { keys: self.keys - other.keys, bytes: self.bytes - other.bytes }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_that_share_keys_have_equal_parts_of_all_but_what_is_by_key() {
        let limits = Limits { keys: 3, state_bytes: usize::MAX, ..Limits::default() };
        let part = limits.share(4);
        assert_eq!((part.open_runs_per_key, part.open_runs_per_rule), (1_024, 2_500_000));
        assert_eq!((part.keys, part.state_bytes), (1, usize::MAX));
        assert_eq!(limits.share(1), limits);
    }
}
