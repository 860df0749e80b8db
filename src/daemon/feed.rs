//! A shard with the partitions that feed it: what is held back of each, whether it is at its end, how its time goes on.
//! An entry is with one thread at a time: that of the loop, or one that judges its batch. Nothing here is decoded, and
//! only the loop's calls reach the client.

use std::time::{Duration, Instant};

use crate::daemon::batch::{Batch, Record};
use crate::daemon::judge::{Counts, Forward, Letter};
use crate::daemon::kept::Kept;
use crate::daemon::outside::Consumer;
use crate::daemon::shard::{Shard, Step};
use crate::source::kafka::{Partition, Progress, SourceError};

/// When so many events of a shard wait for the slowest of its partitions, the others are paused.
const WAITING_MAX: usize = 50_000;
/// They go on when so few wait.
const WAITING_LOW: usize = 10_000;
/// A commit that the broker is not seen to have stored after so long has failed.
const COMMIT_OVERDUE: Duration = Duration::from_secs(5);

/// A shard with its partitions.
pub(super) struct Entry {
    /// Cohort and partition number.
    pub(super) id: (usize, i32),
    /// The shard.
    pub(super) shard: Shard,
    /// Its inputs, in order.
    pub(super) feeds: Vec<Feed>,
    /// The messages that it is given to judge.
    pub(super) batch: Batch,
    /// Which of them, or of what was held back, go to the dead letters.
    pub(super) letters: Vec<Letter>,
    /// Which of them go to the repartition topic.
    pub(super) forwards: Vec<Forward>,
    /// Whether it was stepped since its alerts were last taken.
    pub(super) touched: bool,
    /// Its snapshots.
    pub(super) kept: Kept,
}

/// A partition of a shard.
pub(super) struct Feed {
    /// The partition.
    pub(super) partition: Partition,
    /// The place of its topic among the sources.
    pub(super) source: usize,
    /// What became of its messages since this was last taken.
    pub(super) counts: Counts,
    /// Messages that came although the partition is paused, in order.
    pub(super) held: Batch,
    /// Whether its fetching is stopped.
    pub(super) paused: bool,
    /// Whether it is at the end of its log.
    pub(super) at_end: bool,
    /// How many messages it is behind, as last reported.
    pub(super) lag: i64,
    /// When its offset last moved.
    pub(super) moved: Instant,
    /// The oldest commit that the broker was not seen to store, and when it was sent.
    pub(super) committing: Option<(i64, Instant)>,
    /// Ids forgotten before their time, as far as it was said.
    pub(super) forgotten_ids: u64,
    last_message: Instant,
    /// The end of the log at the last report, if the fetching was there.
    end_seen: Option<i64>,
    elapsed_to: Option<Instant>,
    moved_next: i64,
}

impl Entry {
    /// A shard over these partitions.
    pub(super) fn new(id: (usize, i32), shard: Shard, feeds: Vec<Feed>, kept: Kept) -> Entry {
        debug_assert_eq!(shard.inputs(), feeds.len(), "one partition an input");
        Entry {
            id,
            shard,
            feeds,
            batch: Batch::default(),
            letters: Vec::new(),
            forwards: Vec::new(),
            touched: true,
            kept,
        }
    }

    /// Whether a message is to be judged now: not where it was judged before, and not where its partition waits, which
    /// holds it back.
    pub(super) fn is_due(&mut self, record: Record<'_>) -> bool {
        let Entry { shard, feeds, .. } = self;
        let Record { input, offset, .. } = record;
        if offset < shard.next(input) {
            return false;
        }
        if shard.is_beyond(input, offset) {
            shard.step(Step::ReadBack { input });
        }
        let feed = &mut feeds[input];
        let is_held = feed.paused || shard.is_waiting(input) || !feed.held.is_empty();
        if is_held && feed.held.last_offset(input).is_none_or(|last| last < offset) {
            feed.held.push(record);
        }
        !is_held
    }

    /// Lets the time of an input go on that is at its end and had no message for so long.
    pub(super) fn let_time_go_on(&mut self, input: usize, timeout: Duration, now: Instant) {
        let feed = &mut self.feeds[input];
        // A paused partition is not at its end, whatever was last seen of it.
        if !feed.at_end || feed.paused || now.duration_since(feed.last_message) < timeout {
            return;
        }
        let since = feed.elapsed_to.replace(now).unwrap_or(now);
        let elapsed_ms = i64::try_from(now.duration_since(since).as_millis()).unwrap_or(i64::MAX);
        // What is less than a millisecond is counted next time.
        feed.elapsed_to = Some(since + Duration::from_millis(u64::try_from(elapsed_ms).unwrap_or(0)));
        self.shard.step(Step::Idle { input, elapsed_ms });
        self.touched = true;
    }

    /// Pauses the partitions that are ahead of the slowest one while too many events wait for it.
    pub(super) fn hold_back(&mut self, source: &dyn Consumer) -> Result<(), SourceError> {
        if self.feeds.len() < 2 || self.shard.stream().waiting() < WAITING_MAX {
            return Ok(());
        }
        let slowest = self.slowest();
        for (input, feed) in self.feeds.iter_mut().enumerate() {
            if Some(input) != slowest && !feed.paused {
                feed.paused = true;
                source.pause(&feed.partition)?;
            }
        }
        Ok(())
    }

    /// Pauses a partition that has read back and waits.
    pub(super) fn pause_waiting(&mut self, input: usize, source: &dyn Consumer) -> Result<(), SourceError> {
        let feed = &mut self.feeds[input];
        if !feed.paused && self.shard.is_waiting(input) {
            feed.paused = true;
            source.pause(&feed.partition)?;
        }
        Ok(())
    }

    /// Whether a partition that was stopped can go on: its shard speaks, and it is its turn.
    pub(super) fn can_go_on(&self, input: usize) -> bool {
        let feed = &self.feeds[input];
        let stopped = feed.paused || !feed.held.is_empty();
        // The slowest one always goes on: the others wait for it.
        let turn = || self.shard.stream().waiting() <= WAITING_LOW || self.slowest() == Some(input);
        stopped && self.shard.is_speaking() && turn()
    }

    /// Goes on with a partition, where its shard is.
    pub(super) fn go_on(&mut self, input: usize, source: &dyn Consumer, now: Instant) -> Result<(), SourceError> {
        let feed = &mut self.feeds[input];
        if std::mem::take(&mut feed.paused) {
            feed.moved = now;
            source.resume_at(&feed.partition, self.shard.next(input))?;
        }
        Ok(())
    }

    /// The input that holds back the time of the others.
    fn slowest(&self) -> Option<usize> {
        (0..self.feeds.len()).filter(|input| !self.shard.is_idle(*input)).min_by_key(|input| self.shard.high_ms(*input))
    }
}

impl Feed {
    /// A partition from which nothing has come yet.
    pub(super) fn new(partition: Partition, source: usize, now: Instant) -> Feed {
        Feed {
            partition,
            source,
            counts: Counts::default(),
            held: Batch::default(),
            paused: false,
            at_end: false,
            lag: 0,
            moved: now,
            committing: None,
            forgotten_ids: 0,
            last_message: now,
            end_seen: None,
            elapsed_to: None,
            moved_next: -1,
        }
    }

    /// A message has come.
    pub(super) fn heard(&mut self, now: Instant) {
        self.last_message = now;
        self.elapsed_to = None;
    }

    /// Takes a report of the client on how far its fetching is. `next` is how far the shard is.
    pub(super) fn on_progress(&mut self, progress: &Progress, next: i64, now: Instant) {
        if progress.lag >= 0 {
            self.lag = progress.lag;
        }
        if next != self.moved_next {
            self.moved_next = next;
            self.moved = now;
        }
        let there = progress.end >= 0 && progress.end == progress.next;
        // Right behind the last message, or twice in a row with no message between: then only control records follow.
        let quiet = now.duration_since(self.last_message) > Duration::from_millis(900);
        self.at_end = there && (next >= progress.end || (quiet && self.end_seen == Some(progress.end)));
        self.end_seen = there.then_some(progress.end);
    }

    /// Whether a commit was sent and not stored for so long that it must have failed. It is forgotten then.
    pub(super) fn is_commit_overdue(&mut self, progress: &Progress, now: Instant) -> bool {
        self.committing.take_if(|(offset, _)| progress.committed >= *offset);
        self.committing.take_if(|(_, sent)| now.duration_since(*sent) > COMMIT_OVERDUE).is_some()
    }

    /// Whether it has messages and gives none, though nothing holds it.
    pub(super) fn is_stuck(&self, after: Duration, now: Instant) -> bool {
        self.lag > 0 && !self.paused && !self.at_end && self.held.is_empty() && now.duration_since(self.moved) > after
    }
}
