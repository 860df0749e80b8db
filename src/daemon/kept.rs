//! What a shard has among the snapshots, and when the next one is due. The loop takes them (`live::snapshots`).

use std::time::{Duration, Instant};

use crate::daemon::offsets::Snapshots;

/// A number has the time in ms in front of so many bits: until the year 2527.
const SIGN_BITS: u32 = 20;
const SIGN_MAX: u64 = (1 << SIGN_BITS) - 1;
const TIME_MAX: u64 = (1 << (u64::BITS - SIGN_BITS)) - 1;

/// The snapshots of a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    named: Snapshots,
    /// The one that is being written.
    writing: Option<u64>,
    /// Whether no commit that is stored names the newest yet.
    unsaid: bool,
    /// Whether the commit that is made names it.
    saying: bool,
    /// What was committed, as the sum of its offsets, and as of the last one that was taken. A commit that only names a
    /// snapshot is none that the next one would be for.
    committed: i64,
    saved: Option<i64>,
    /// Whether the next one is due whatever the time.
    hurries: bool,
    taken: Instant,
    bytes: usize,
}

impl Kept {
    /// These; the next one is due in its time.
    pub(super) fn new(named: Snapshots, now: Instant) -> Kept {
        Kept {
            named,
            writing: None,
            unsaid: false,
            saying: false,
            committed: 0,
            saved: None,
            hurries: false,
            taken: now,
            bytes: 0,
        }
    }

    /// What commits name.
    pub(super) fn named(&self) -> Snapshots {
        self.named
    }

    /// A commit is made, of offsets with this sum.
    pub(super) fn commit(&mut self, offsets: i64) {
        self.committed = offsets;
        self.saying = self.unsaid;
    }

    /// Whether anything was committed since the last one was taken.
    pub(super) fn is_changed(&self) -> bool {
        self.committed != 0 && self.saved != Some(self.committed)
    }

    /// Whether the next one is due.
    pub(super) fn is_due(&self, every: Duration, now: Instant) -> bool {
        self.hurries || (self.is_changed() && now.duration_since(self.taken) >= every)
    }

    /// The next one is due at once.
    pub(super) fn hurry(&mut self) {
        self.hurries = true;
    }

    /// When the last one was taken.
    pub(super) fn taken(&self) -> Instant {
        self.taken
    }

    /// How large the state was last, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// One of this size is taken by the copy that signs so. Gives its number: the time in ms above the sign. It grows with
    /// time also where the clock goes back, and is no other copy's, whose snapshot it would overwrite.
    pub(super) fn take(&mut self, bytes: usize, at: Instant, now_ms: i64, sign: u32) -> u64 {
        (self.taken, self.saved, self.bytes) = (at, Some(self.committed), bytes);
        self.hurries = false;
        let now = u64::try_from(now_ms).unwrap_or(0).min(TIME_MAX);
        // Numbers were once bare ms: those are small here.
        let time = self.named.newest.map_or(now, |newest| now.max((newest >> SIGN_BITS) + 1));
        let number = (time << SIGN_BITS) | (u64::from(sign) & SIGN_MAX);
        self.writing = Some(number);
        number
    }

    /// It is there to stay: from now on commits name it. Says whether it is this shard's: one that was taken away
    /// meanwhile and came anew has another life.
    pub(super) fn stored(&mut self, number: u64) -> bool {
        let is_ours = self.writing.take_if(|writing| *writing == number).is_some();
        if is_ours {
            self.named = self.named.with(number);
            self.unsaid = true;
        }
        is_ours
    }

    /// It could not be written: the next one is due as if it had not been taken.
    pub(super) fn failed(&mut self, number: u64) {
        if self.writing.take_if(|writing| *writing == number).is_some() {
            self.saved = None;
        }
    }

    /// Whether no commit that is stored names the newest yet.
    pub(super) fn is_unsaid(&self) -> bool {
        self.unsaid
    }

    /// A commit is stored. Gives the number before which none is named any more, where that is new.
    pub(super) fn said(&mut self) -> Option<u64> {
        if !std::mem::take(&mut self.saying) {
            return None;
        }
        self.unsaid = false;
        self.named.oldest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    /// The number that a copy gives where this is the newest.
    fn number(newest: Option<u64>, now_ms: i64, sign: u32) -> u64 {
        let now = Instant::now();
        Kept::new(Snapshots { newest, before: None }, now).take(0, now, now_ms, sign)
    }

    #[test]
    fn numbers_grow_also_where_the_clock_goes_back_and_over_those_of_an_older_version() {
        let first = number(None, NOW_MS, 7);
        assert_eq!(first, (1_800_000_000_000 << 20) | 7);
        assert!(number(Some(first), NOW_MS + 1, 0) > first);
        for back in [NOW_MS, 0, -1] {
            assert!(number(Some(first), back, 0) > first, "{back}");
        }
        let bare_ms = u64::try_from(NOW_MS).expect("it is positive");
        assert_eq!(number(Some(bare_ms), NOW_MS, 7), first);
        assert!(number(Some(first), i64::MAX, u32::MAX) > first);
    }

    /// A copy that lost a partition and does not know it, and the one that has it now.
    #[test]
    fn two_copies_give_no_number_twice_in_one_moment_or_with_clocks_that_are_behind() {
        let first = number(None, NOW_MS, 7);
        for now_ms in [NOW_MS + 1, 0] {
            assert_ne!(number(Some(first), now_ms, 7), number(Some(first), now_ms, 8), "{now_ms}");
        }
    }
}
