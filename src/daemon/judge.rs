//! From a batch of messages to what a shard makes of them: decodes each, steps the shard, and keeps what has to be told
//! of it. Each thread that judges has a judge of its own. `feeds` sends the alerts and dead letters afterwards; there
//! is no client and no clock here.

use std::sync::Arc;
use std::time::Instant;

use crate::config::{Limits, TopicSource};
use crate::daemon::batch::{Batch, Record};
use crate::daemon::feed::Entry;
use crate::daemon::shard::{Step, Stepped};
use crate::engine::{Admission, LatePolicy};
use crate::event::Event;
use crate::intake::{Intake, Taken};
use crate::program::Program;

/// Decodes and steps.
pub(super) struct Judge {
    /// By source.
    inlets: Vec<Inlet>,
    event: Event,
}

#[derive(Clone)]
struct Inlet {
    intake: Intake,
    max_future_ms: i64,
}

/// When a batch was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadAt {
    /// On the monotonic clock.
    pub(super) now: Instant,
    /// On the wall clock, in ms.
    pub(super) now_ms: i64,
}

/// A message that goes to the dead letters.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// Its place in its batch.
    pub(super) at: usize,
    /// Why, as one word.
    pub(super) reason: &'static str,
    /// Why, as a sentence.
    pub(super) detail: String,
}

/// What became of an input's messages.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Messages that were events or should have been.
    pub(super) events: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Read back without alerts.
    pub(super) replayed: u64,
    /// Too far in the future to move the watermark.
    pub(super) future: u64,
    /// Left out as repeats.
    pub(super) duplicates: u64,
    /// Without a body, where that is no error.
    pub(super) tombstones: u64,
    /// Behind the watermark, by what was done with them.
    pub(super) late: Late,
}

/// Events behind the watermark.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// Judged all the same.
    pub(super) processed: u64,
    /// Left out.
    pub(super) dropped: u64,
    /// Sent to the dead letters.
    pub(super) dead_letters: u64,
}

impl Clone for Judge {
    fn clone(&self) -> Judge {
        Judge { inlets: self.inlets.clone(), event: Event::default() }
    }
}

impl Judge {
    /// Of messages of these topics.
    pub(super) fn new(program: &Arc<Program>, sources: &[TopicSource], limits: Limits) -> Judge {
        let inlet = |(at, source): (usize, &TopicSource)| Inlet {
            intake: Intake::new(program, at, source, limits),
            max_future_ms: source.max_future_ms,
        };
        Judge { inlets: sources.iter().enumerate().map(inlet).collect(), event: Event::default() }
    }

    /// Works through the batch of an entry.
    pub(super) fn judge(&mut self, entry: &mut Entry, read_at: ReadAt) {
        let batch = std::mem::take(&mut entry.batch);
        for (at, record) in batch.iter().enumerate() {
            if entry.is_due(record) {
                self.take(entry, at, record, read_at);
            }
        }
        entry.shard.step(Step::Release);
        entry.batch = batch;
    }

    /// Works through messages of an input that were held back.
    pub(super) fn judge_held(&mut self, entry: &mut Entry, held: &Batch, read_at: ReadAt) {
        for (at, record) in held.iter().enumerate() {
            if record.offset >= entry.shard.next(record.input) {
                self.take(entry, at, record, read_at);
            }
        }
    }

    fn take(&mut self, entry: &mut Entry, at: usize, record: Record<'_>, read_at: ReadAt) {
        let Entry { shard, feeds, letters, .. } = entry;
        if shard.is_silent() {
            for feed in feeds.iter_mut() {
                feed.heard(read_at.now);
            }
        }
        let feed = &mut feeds[record.input];
        feed.heard(read_at.now);
        feed.at_end = false;
        let Inlet { intake, max_future_ms } = &mut self.inlets[feed.source];
        let speaking = shard.is_speaking();
        let (input, next) = (record.input, record.offset + 1);
        let counts = &mut feed.counts;
        counts.bytes += record.payload.map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(0));
        let event = &mut self.event;
        let trouble = match intake.take(feed.partition.number, record.offset, record.payload, event) {
            Ok(Taken::Tombstone) => {
                counts.tombstones += u64::from(speaking);
                None
            }
            Ok(Taken::Event) => {
                let future_after_ms = read_at.now_ms.saturating_add(*max_future_ms);
                let time_ms = event.time_ms;
                let stepped = shard.step(Step::Event { input, event, next, future_after_ms });
                counts.count(stepped, speaking).then(|| {
                    let detail = format!("event time {time_ms} ms is before the watermark: see lateness and late");
                    ("late", detail)
                })
            }
            Err(error) => Some((error.reason(), error.to_string())),
        };
        if shard.next(input) < next {
            shard.step(Step::Skip { input, next });
        }
        if let Some((reason, detail)) = trouble.filter(|_| speaking) {
            letters.push(Letter { at, reason, detail });
        }
    }
}

impl Counts {
    /// Counts what became of an event. Says whether it is a late one that goes to the dead letters.
    fn count(&mut self, stepped: Stepped, speaking: bool) -> bool {
        let admission = match stepped {
            Stepped::Done => None,
            Stepped::Event(admission) | Stepped::Future(admission) => Some(admission),
        };
        let is_letter = admission == Some(Admission::Late(LatePolicy::DeadLetter));
        if !speaking {
            self.replayed += 1;
            return is_letter;
        }
        self.events += 1;
        self.future += u64::from(matches!(stepped, Stepped::Future(_)));
        match admission {
            None | Some(Admission::Accepted) => {}
            Some(Admission::Duplicate) => self.duplicates += 1,
            Some(Admission::Raised | Admission::Late(LatePolicy::Process)) => self.late.processed += 1,
            Some(Admission::Late(LatePolicy::Drop)) => self.late.dropped += 1,
            Some(Admission::Late(LatePolicy::DeadLetter)) => self.late.dead_letters += 1,
        }
        is_letter
    }
}
