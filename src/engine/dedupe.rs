//! The ids that an input has shown: an event that was sent twice is judged once.
//!
//! An event is a repeat if one with its id arrived before and their times are less than the window apart, whichever of
//! them is the later. A repeat counts as shown too. Ids stand here as hashes, which hide nothing: they are only short.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::engine::codec::{Reader, put_count, put_signed};

/// Which repeats an input leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropDuplicates {
    /// How near in event time two events with one id are one event, in ms.
    pub window_ms: i64,
    /// How many ids are remembered; beyond it the oldest are forgotten before their time.
    pub ids_max: usize,
}

impl DropDuplicates {
    /// How many ids are remembered where nobody says otherwise: about 100 MB.
    pub const IDS_MAX: usize = 1_000_000;
}

/// The ids shown, until the watermark is a window beyond them.
#[derive(Debug)]
pub(super) struct ShownIds {
    settings: DropDuplicates,
    /// By id, to find a repeat.
    by_id: BTreeSet<(u128, i64)>,
    /// The same by time, to forget.
    by_time: BTreeSet<(i64, u128)>,
    forgotten: u64,
}

impl ShownIds {
    /// None yet.
    pub(super) fn new(settings: DropDuplicates) -> ShownIds {
        ShownIds { settings, by_id: BTreeSet::new(), by_time: BTreeSet::new(), forgotten: 0 }
    }

    /// Remembers an id that has arrived, and says whether it is a repeat.
    pub(super) fn is_repeat(&mut self, id: &str, time_ms: i64) -> bool {
        let hash = hash(id);
        let reach_ms = self.settings.window_ms - 1;
        let near = (hash, time_ms.saturating_sub(reach_ms))..=(hash, time_ms.saturating_add(reach_ms));
        let is_repeat = self.by_id.range(near).next().is_some();
        if self.by_id.insert((hash, time_ms)) {
            self.by_time.insert((time_ms, hash));
            if self.by_time.len() > self.settings.ids_max {
                self.forget_oldest();
                self.forgotten += 1;
            }
        }
        is_repeat
    }

    /// No event before the watermark is admitted any more, so nothing can repeat what lies a window before it.
    pub(super) fn forget_before(&mut self, watermark_ms: i64) {
        let until_ms = watermark_ms.saturating_sub(self.settings.window_ms);
        while self.by_time.first().is_some_and(|(time_ms, _)| *time_ms <= until_ms) {
            self.forget_oldest();
        }
    }

    /// Writes the ids, the earliest first.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_count(out, self.by_time.len());
        for (time_ms, id) in &self.by_time {
            put_signed(out, *time_ms);
            out.extend_from_slice(&id.to_le_bytes());
        }
    }

    /// Takes ids up; beyond the limit the oldest are left out.
    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Option<()> {
        let ids = (0..from.count()?).map(|_| Some((from.signed()?, u128::from_le_bytes(from.fixed()?))));
        self.by_time = ids.collect::<Option<_>>()?;
        self.by_id = self.by_time.iter().map(|(time_ms, id)| (*id, *time_ms)).collect();
        while self.by_time.len() > self.settings.ids_max {
            self.forget_oldest();
        }
        Some(())
    }

    /// How many ids were forgotten before their time because there were too many.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn forget_oldest(&mut self) {
        if let Some((time_ms, hash)) = self.by_time.pop_first() {
            self.by_id.remove(&(hash, time_ms));
        }
    }
}

/// Half of a cryptographic hash: nobody can make an id that hides another's event.
fn hash(id: &str) -> u128 {
    let digest = Sha256::digest(id.as_bytes());
    let (head, _) = digest.split_first_chunk::<16>().expect("a digest has 32 bytes");
    u128::from_be_bytes(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(window_ms: i64, ids_max: usize) -> ShownIds {
        ShownIds::new(DropDuplicates { window_ms, ids_max })
    }

    #[test]
    fn an_id_repeats_within_the_window_and_not_at_its_end() {
        let mut ids = ids(100, 10);
        assert!(!ids.is_repeat("a", 1_000));
        assert!(ids.is_repeat("a", 1_000), "the same moment");
        assert!(!ids.is_repeat("b", 1_000), "another id");
        assert!(!ids.is_repeat("a", 1_100), "a window apart");
        assert!(!ids.is_repeat("b", 900), "a window apart, backwards");
        assert!(ids.is_repeat("a", 1_199));
        assert!(ids.is_repeat("b", 801), "the second is the earlier one");
    }

    #[test]
    fn a_repeat_counts_as_shown() {
        let mut ids = ids(100, 10);
        assert!(!ids.is_repeat("a", 0));
        assert!(ids.is_repeat("a", 60));
        assert!(ids.is_repeat("a", 120));
        assert!(!ids.is_repeat("a", 220));
    }

    #[test]
    fn what_nothing_can_repeat_is_forgotten_and_nothing_else() {
        let mut ids = ids(100, 10);
        ids.is_repeat("a", 0);
        ids.is_repeat("b", 1);
        ids.forget_before(100);
        assert_eq!((ids.by_id.len(), ids.by_time.len(), ids.forgotten()), (1, 1, 0));
        assert!(ids.is_repeat("b", 100));
        ids.forget_before(i64::MAX);
        assert!(ids.by_id.is_empty() && ids.by_time.is_empty());
    }

    #[test]
    fn beyond_the_limit_the_oldest_are_forgotten_and_counted() {
        let mut ids = ids(1_000, 2);
        assert!(!ids.is_repeat("a", 2));
        assert!(!ids.is_repeat("b", 1));
        assert!(!ids.is_repeat("c", 3));
        assert_eq!((ids.by_id.len(), ids.by_time.len(), ids.forgotten()), (2, 2, 1));
        assert!(ids.is_repeat("a", 2));
        assert!(!ids.is_repeat("b", 1), "it was the oldest");
    }
}
