//! From a batch of messages to what a shard makes of them: decodes each, steps the shard, and keeps what has to be told
//! of it. Each thread that judges has a judge of its own. `feeds` sends the alerts and dead letters afterwards; there
//! is no client and no clock here.

use std::sync::Arc;
use std::time::Instant;

use crate::config::{Limits, TopicSource};
use crate::daemon::batch::{Batch, Record};
use crate::daemon::feed::Entry;
use crate::daemon::repartition::{self, Places, Repartition};
use crate::daemon::shard::{Step, Stepped};
use crate::engine::{Admission, LatePolicy};
use crate::event::{Event, KeyBuilder};
use crate::intake::{Intake, Taken};
use crate::program::Program;

/// Decodes and steps.
pub(super) struct Judge {
    /// By source.
    inlets: Vec<Inlet>,
    event: Event,
    /// Where other shards judge some of it.
    repartition: Option<Arc<Repartition>>,
    key: KeyBuilder,
    marks: Vec<(usize, Option<i64>, bool)>,
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

/// A message that goes to the repartition topic.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    /// Its place in its batch.
    pub(super) at: usize,
    /// The partitions.
    pub(super) places: Places,
    /// Whether it is too far in the future to move the watermark.
    pub(super) is_future: bool,
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
        let (inlets, repartition) = (self.inlets.clone(), self.repartition.clone());
        Judge { inlets, event: Event::default(), repartition, key: KeyBuilder::default(), marks: Vec::new() }
    }
}

impl Judge {
    /// Of messages of these topics.
    pub(super) fn new(
        program: &Arc<Program>,
        sources: &[TopicSource],
        limits: Limits,
        repartition: Option<Arc<Repartition>>,
    ) -> Judge {
        let inlet = |(at, source): (usize, &TopicSource)| Inlet {
            intake: Intake::new(program, at, source, limits),
            max_future_ms: source.max_future_ms,
        };
        let inlets = sources.iter().enumerate().map(inlet).collect();
        Judge { inlets, event: Event::default(), repartition, key: KeyBuilder::default(), marks: Vec::new() }
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
        if entry.shard.is_behind() {
            self.take_brought(entry, at, record, read_at);
            return;
        }
        let Entry { shard, feeds, letters, forwards, .. } = entry;
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
                let repartition = self.repartition.as_ref().filter(|_| speaking);
                let places = repartition.map(|repartition| repartition.places(event, &mut self.key));
                let stepped = shard.step(Step::Event { input, event, next, future_after_ms });
                forwards.extend(places.and_then(|places| forward(at, places, stepped)));
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

    /// Steps a shard behind the repartition topic.
    fn take_brought(&mut self, entry: &mut Entry, at: usize, record: Record<'_>, read_at: ReadAt) {
        let Entry { shard, feeds, letters, .. } = entry;
        let feed = &mut feeds[record.input];
        feed.heard(read_at.now);
        feed.at_end = false;
        let (next, speaking) = (record.offset + 1, shard.is_speaking());
        let bytes = record.payload.unwrap_or_default();
        feed.counts.bytes += bytes.len() as u64;
        let trouble = match self.bring(bytes, next, record.timestamp_ms.unwrap_or(0)) {
            Ok(Some(step)) => {
                let stepped = shard.step(step);
                let is_event = stepped != Stepped::Done;
                (is_event && feed.counts.count(stepped, speaking))
                    .then(|| ("late", "event time is before the watermark".to_owned()))
            }
            // Of a topic or partition that is no source any more.
            Ok(None) => None,
            Err(trouble) => Some(trouble),
        };
        if shard.next(record.input) < next {
            shard.step(Step::Skip { input: record.input, next });
        }
        if let Some((reason, detail)) = trouble.filter(|_| speaking) {
            letters.push(Letter { at, reason, detail });
        }
    }

    /// The step that a record of the repartition topic is.
    fn bring(&mut self, bytes: &[u8], next: i64, stamped_ms: i64) -> Result<Option<Step<'_>>, (&'static str, String)> {
        let foreign = |error: &repartition::RecordError| ("not_repartitioned", error.to_string());
        let Some(repartition) = &self.repartition else { return Ok(None) };
        match repartition::Record::read(bytes).map_err(|error| foreign(&error))? {
            repartition::Record::Event { topic, partition, offset, is_future, payload } => {
                let Some((from, source)) = repartition.input(topic, partition) else { return Ok(None) };
                let event = &mut self.event;
                match self.inlets[source].intake.take(partition, offset, Some(payload), event) {
                    Ok(_) => Ok(Some(Step::Brought { from, offset, event, next, is_future, stamped_ms })),
                    // It could be decoded where it came from, so the rules were others then.
                    Err(error) => Err((error.reason(), error.to_string())),
                }
            }
            repartition::Record::Marks(marks) => {
                self.marks.clear();
                let place = |mark: &repartition::InputMark<'_>| {
                    let (input, _) = repartition.input(mark.topic, mark.partition)?;
                    Some((input, mark.high_ms, mark.idle))
                };
                self.marks.extend(marks.iter().filter_map(place));
                Ok(Some(Step::Marks { marks: &self.marks, next, stamped_ms }))
            }
        }
    }
}

/// What was left out goes nowhere else either.
fn forward(at: usize, places: Places, stepped: Stepped) -> Option<Forward> {
    let (admission, is_future) = match stepped {
        Stepped::Done => return None,
        Stepped::Event(admission) => (admission, false),
        Stepped::Future(admission) => (admission, true),
    };
    (admission.is_in() && !places.is_empty()).then_some(Forward { at, places, is_future })
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
