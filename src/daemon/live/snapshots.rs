//! Snapshots of shards: when one is taken, and how one is taken up.
//!
//! A snapshot is taken right after a commit, so it is of just what was committed. It is written by a thread; when it is
//! there to stay, the next commit names it in the metadata of the offsets, and once that is stored all but the two that
//! are named are removed. So what is named is there, and a file that nobody named means nothing.
//!
//! Where a shard comes, the newest snapshot that is named is taken up and what came after it is read back, muted. One
//! that cannot be taken up is said loudly, and the one before it is tried, and then the log from where the group began.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Plan;
use crate::checkpoint::{self, Snapshot, SnapshotError, Writer, Written};
use crate::daemon::feed::{Entry, Feed};
use crate::daemon::kept::Kept;
use crate::daemon::offsets::Snapshots;
use crate::daemon::outside::Clock;
use crate::daemon::place;
use crate::daemon::shard::{Begin, Rules, Saved, Shard};
use crate::engine::{Carried, STATE_VERSION};
use crate::program::Rows;
use crate::telemetry::{Metrics, SnapshotFailed, SnapshotRefused, SnapshotTaken, StateRestored};

/// How long the last snapshots may take when the daemon stops.
const LAST_MAX: Duration = Duration::from_secs(2);

/// A snapshot that takes so long beyond its time is trouble.
const SLOW: Duration = Duration::from_secs(30);

/// Where snapshots are, and the one that is being written.
pub(super) struct Keeper {
    store: Arc<dyn checkpoint::Store>,
    writer: Writer,
    clock: Rc<dyn Clock>,
    every: Duration,
    /// What numbers of this copy end in.
    sign: u32,
    metrics: Metrics,
    /// How long detection stood still for the one that is written, and when it was given to be.
    pause: Duration,
    given: Instant,
    /// Why the last one failed, where it did.
    trouble: Option<String>,
}

impl Keeper {
    /// Over the configured place; nothing where there is none.
    pub(super) fn open(plan: &Plan<'_>) -> Option<Keeper> {
        let store = match place::store(plan.settings, plan.outside) {
            Ok(Some(store)) => store,
            Ok(None) => {
                tracing::warn!(
                    "no place for snapshots, so after a restart all is read back: write `url` under [state]"
                );
                return None;
            }
            Err(error) => {
                tracing::error!(error, "the place for snapshots cannot be used: there are none");
                return None;
            }
        };
        match plan.outside.writer(Arc::clone(&store)) {
            Ok(writer) => {
                let (every, sign) = (plan.settings.state.every, plan.outside.sign());
                let (metrics, clock) = (plan.metrics.clone(), Rc::clone(&plan.clock));
                let (pause, given) = (Duration::ZERO, clock.now());
                Some(Keeper { store, writer, clock, every, sign, metrics, pause, given, trouble: None })
            }
            Err(error) => {
                tracing::error!(%error, "no thread to write snapshots with: there are none");
                None
            }
        }
    }

    /// Takes a snapshot of the shard that was longest without one, if it is due. All shards are as they were committed.
    pub(super) fn take_due(&mut self, entries: &mut [Entry]) {
        if self.writer.is_at_work() {
            return;
        }
        let now = self.clock.now();
        let due = entries.iter_mut().filter(|entry| entry.kept.is_due(self.every, now) && entry.shard.is_speaking());
        if let Some(entry) = due.min_by_key(|entry| entry.kept.taken()) {
            self.take(entry);
        }
    }

    fn take(&mut self, entry: &mut Entry) {
        let began = self.clock.now();
        // Mostly it is hardly larger than the last time.
        let mut state = Vec::with_capacity(entry.kept.bytes() + entry.kept.bytes() / 8);
        entry.shard.save(&mut state);
        self.pause = self.clock.since(began);
        self.given = began;
        let number = entry.kept.take(state.len(), self.clock.now(), self.clock.wall_ms(), self.sign);
        self.writer.put(&name_of(&entry.feeds), number, inputs_of(entry), STATE_VERSION, state);
    }

    /// Looks whether the snapshot that was given to the thread is there: from then on the shard names it.
    pub(super) fn look(&mut self, entries: &mut [Entry], patience: Duration) {
        if !self.writer.is_at_work() {
            return;
        }
        let Some(Written { shard, number, result, took }) = self.writer.written(patience) else {
            if self.clock.since(self.given) > self.every + SLOW {
                let (place, seconds) = (self.store.place(), self.clock.since(self.given).as_secs());
                self.trouble = Some(format!("a snapshot is being written to {place} for {seconds} s"));
            }
            return;
        };
        match result {
            Ok(bytes) => {
                self.trouble = None;
                SnapshotTaken { shard: &shard, bytes, pause: self.pause, took }.emit(&self.metrics);
                if let Some(entry) = entries.iter_mut().find(|entry| name_of(&entry.feeds) == shard)
                    && entry.kept.stored(number)
                {
                    entry.shard.keep_changed();
                }
            }
            Err(error) => {
                let place = self.store.place();
                if let Some(entry) = entries.iter_mut().find(|entry| name_of(&entry.feeds) == shard) {
                    entry.kept.failed(number);
                }
                self.trouble = Some(format!("snapshots cannot be written to {place}: {error}"));
                SnapshotFailed { shard: &shard, place: &place, error: &error }.emit(&self.metrics);
            }
        }
    }

    /// A commit is stored: what no commit names any more is removed.
    pub(super) fn committed(&mut self, entries: &mut [Entry]) {
        for entry in entries.iter_mut() {
            if let Some(oldest) = entry.kept.said() {
                self.writer.forget_before(&name_of(&entry.feeds), oldest);
            }
        }
    }

    /// Why there is no snapshot, for those who ask how the daemon is.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// When the daemon stops: takes a snapshot of each shard that moved since its last one. Says whether there is
    /// anything to be named by one more commit.
    pub(super) fn take_last(&mut self, entries: &mut [Entry]) -> bool {
        let clock = Rc::clone(&self.clock);
        let until = clock.now() + LAST_MAX;
        let left = || until.saturating_duration_since(clock.now());
        self.look(entries, left());
        for at in 0..entries.len() {
            if entries[at].kept.is_changed() && entries[at].shard.is_speaking() && !self.writer.is_at_work() {
                self.take(&mut entries[at]);
                self.look(entries, left());
            }
        }
        entries.iter().any(|entry| entry.kept.is_unsaid())
    }

    /// The shard with the state of the newest snapshot that commits name and that fits, and what it has then; none where
    /// there is none that fits. What does not is said.
    pub(super) fn restore(&self, shard: &Coming<'_>) -> Option<(Shard, Kept)> {
        let named = shard.named();
        let mut kept = named;
        for number in named.iter() {
            match self.try_restore(shard, number) {
                Ok(restored) => return Some((restored, Kept::new(kept, self.clock.now()))),
                Err(reason) => {
                    let (name, place) = (shard.name(), self.store.place());
                    SnapshotRefused { shard: &name, number, place: &place, reason: &reason }.emit(&self.metrics);
                    kept = Snapshots { newest: named.before, before: None };
                }
            }
        }
        None
    }

    fn try_restore(&self, coming: &Coming<'_>, number: u64) -> Result<Shard, String> {
        let (began, name) = (self.clock.now(), coming.name());
        let unreadable = |error: std::io::Error| SnapshotError::Unreadable(error.to_string()).to_string();
        let bytes = self.store.get(&name, number).map_err(unreadable)?;
        let bytes = bytes.ok_or_else(|| SnapshotError::Missing.to_string())?;
        let snapshot = Snapshot::from_bytes(&bytes, STATE_VERSION).map_err(|error| error.to_string())?;
        // Whatever is in it: the one before it may be right.
        let restored = catch_unwind(AssertUnwindSafe(|| coming.restore(&snapshot)));
        let (shard, carried) = restored.map_err(|_| "taking it up panicked: this is a bug".to_owned())??;
        let Carried { kept, left_out } = &carried;
        StateRestored { shard: &name, bytes: bytes.len(), kept: *kept, left_out, took: self.clock.since(began) }.emit();
        Ok(shard)
    }
}

/// A shard that comes to this copy.
pub(super) struct Coming<'a> {
    pub(super) rules: &'a Rules,
    /// Its partitions.
    pub(super) feeds: &'a [Feed],
    /// Where each would begin without a snapshot.
    pub(super) begin: &'a [Begin],
    /// The oldest offset of each.
    pub(super) low: &'a [i64],
    /// The rows of lists and tables.
    pub(super) tables: &'a [Arc<Rows>],
}

impl Coming<'_> {
    /// What its last commit names; nothing where its partitions were not committed together.
    fn named(&self) -> Snapshots {
        let first = self.begin[0].mark.snapshots;
        let together = self.begin.iter().all(|begin| begin.mark.snapshots == first);
        if together { first } else { Snapshots::default() }
    }

    fn name(&self) -> String {
        name_of(self.feeds)
    }

    fn restore(&self, snapshot: &Snapshot<&[u8]>) -> Result<(Shard, Carried), String> {
        self.check(&snapshot.inputs)?;
        let from = |(begin, input): (&Begin, &checkpoint::Input)| Begin { from: input.next, ..*begin };
        let begin: Vec<Begin> = self.begin.iter().zip(&snapshot.inputs).map(from).collect();
        let inputs: Vec<(Option<i64>, bool)> =
            snapshot.inputs.iter().map(|input| (input.high_ms, input.idle)).collect();
        let saved = Saved { inputs: &inputs, state: snapshot.state, tables: self.tables };
        let shard = Shard::restored(self.rules.clone(), &begin, saved);
        shard.map_err(|error| error.to_string())
    }

    /// Whether a snapshot over these inputs leads to what was committed.
    fn check(&self, inputs: &[checkpoint::Input]) -> Result<(), String> {
        let is_same = |(input, feed): (&checkpoint::Input, &Feed)| {
            input.topic == feed.partition.topic && input.partition == feed.partition.number
        };
        if inputs.len() != self.feeds.len() || !inputs.iter().zip(self.feeds).all(is_same) {
            return Err("it is of other topics: sources were added, removed or put in another order".to_owned());
        }
        for ((input, begin), low) in inputs.iter().zip(self.begin).zip(self.low) {
            let (topic, number, next) = (&input.topic, input.partition, input.next);
            if next > begin.until {
                let until = begin.until;
                return Err(format!("it is of offset {next} of `{topic}` {number}, beyond the committed {until}"));
            }
            if next < *low && next < begin.until {
                return Err(format!("`{topic}` {number} begins at {low} by now, after its offset {next}"));
            }
        }
        Ok(())
    }
}

/// What the snapshots of a shard are found by. Topics' names are names of folders too.
fn name_of(feeds: &[Feed]) -> String {
    let first = &feeds[0].partition;
    format!("{}-{}", first.topic, first.number)
}

fn inputs_of(entry: &Entry) -> Vec<checkpoint::Input> {
    let input = |(at, feed): (usize, &Feed)| checkpoint::Input {
        topic: feed.partition.topic.clone(),
        partition: feed.partition.number,
        next: entry.shard.next(at),
        high_ms: entry.shard.high_ms(at),
        idle: entry.shard.is_idle(at),
    };
    entry.feeds.iter().enumerate().map(input).collect()
}
