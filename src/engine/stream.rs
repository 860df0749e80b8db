//! What a shard steps: events as they arrive from its inputs, put in order of time and given to the engine.

use std::sync::Arc;

use crate::alert::Alert;
use crate::engine::reorder::ReorderBuffer;
use crate::engine::{End, Engine, Stats, Watermarks};
use crate::event::Event;
use crate::program::Program;

/// What is done with an event that comes after its time is past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LatePolicy {
    /// Left out, and counted by the caller.
    #[default]
    Drop,
    /// Offered now, its time raised to the watermark.
    Process,
    /// Left out; the caller sends it to the dead letters.
    DeadLetter,
}

/// How one input (a partition, a file) is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputSettings {
    /// How far events may be out of order, in ms.
    pub lateness_ms: i64,
    /// What is done with later ones.
    pub late: LatePolicy,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Judged, or waiting for its time.
    Accepted,
    /// Too late, and raised to the watermark by [`LatePolicy::Process`].
    Raised,
    /// Too late: by the input's policy the caller drops it or sends it to the dead letters.
    Late(LatePolicy),
}

/// An engine behind its watermark and reorder buffer.
#[derive(Debug)]
pub struct Stream {
    engine: Engine,
    inputs: Vec<InputSettings>,
    watermarks: Watermarks,
    buffer: ReorderBuffer,
}

impl Stream {
    /// A stream over these inputs, from the beginning.
    pub fn new(program: Arc<Program>, inputs: &[InputSettings]) -> Stream {
        Stream {
            engine: Engine::new(program),
            inputs: inputs.to_vec(),
            watermarks: Watermarks::new(inputs.iter().map(|input| input.lateness_ms)),
            buffer: ReorderBuffer::default(),
        }
    }

    /// Names the sources, by their number: an event without an id is told from others by its place in them, so the
    /// names are part of its alerts' ids.
    pub fn name_sources(&mut self, names: Arc<[String]>) {
        self.engine.name_sources(names);
    }

    /// Takes an event of an input, in order of arrival; alerts that follow are added to `alerts`. An event that has to
    /// wait is taken out of `event`; otherwise its memory stays with the caller for the next one.
    ///
    /// Every event moves the watermark, also of a type that is not declared.
    #[inline]
    pub fn push(&mut self, input: usize, event: &mut Event, alerts: &mut Vec<Alert>) -> Admission {
        let admission = self.admit(input, event);
        if matches!(admission, Admission::Late(_)) {
            return admission;
        }
        self.watermarks.observe(input, event.time_ms);
        let watermark = self.watermarks.current();
        if self.buffer.is_empty() && watermark.is_some_and(|watermark| event.time_ms <= watermark) {
            self.engine.on_event(event, alerts);
        } else {
            self.buffer.push(std::mem::take(event));
            self.release(alerts);
        }
        admission
    }

    /// As [`Stream::push`], for an event too far in the future: it is judged in its order but does not move the
    /// watermark.
    pub fn push_future(&mut self, input: usize, event: &mut Event, alerts: &mut Vec<Alert>) -> Admission {
        let admission = self.admit(input, event);
        if !matches!(admission, Admission::Late(_)) {
            self.buffer.push(std::mem::take(event));
            self.release(alerts);
        }
        admission
    }

    /// Marks an input as idle (at the end of its log) or not.
    pub fn set_idle(&mut self, input: usize, idle: bool, alerts: &mut Vec<Alert>) {
        self.watermarks.set_idle(input, idle);
        self.release(alerts);
    }

    /// Moves an idle input's time on by what has elapsed on a monotonic clock (ms).
    pub fn elapse(&mut self, input: usize, elapsed_ms: i64, alerts: &mut Vec<Alert>) {
        self.watermarks.elapse(input, elapsed_ms);
        self.release(alerts);
    }

    /// Lets out what waits for nothing any more, and fires the timers that the watermark has passed. Callers need it
    /// only after a batch of events that all were released at once: timers beyond the last event fire here.
    pub fn release(&mut self, alerts: &mut Vec<Alert>) {
        let Some(watermark_ms) = self.watermarks.current() else { return };
        while let Some(event) = self.buffer.pop_until(watermark_ms) {
            self.engine.on_event(&event, alerts);
        }
        self.engine.advance(watermark_ms, alerts);
    }

    /// The input has ended: what waits is judged, then timers fire as `end` says.
    pub fn finish(&mut self, end: End, alerts: &mut Vec<Alert>) {
        let last_ms = self.watermarks.highest();
        while let Some(event) = self.buffer.pop_until(i64::MAX) {
            self.engine.on_event(&event, alerts);
        }
        self.engine.finish(end, last_ms, alerts);
    }

    /// The watermark in ms.
    pub fn watermark(&self) -> Option<i64> {
        self.watermarks.current()
    }

    /// How many events wait for their time.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// What has been counted.
    pub fn stats(&self) -> &Stats {
        self.engine.stats()
    }

    /// How many runs are open.
    pub fn open_runs(&self) -> usize {
        self.engine.open_runs()
    }

    #[inline]
    fn admit(&self, input: usize, event: &mut Event) -> Admission {
        let Some(watermark_ms) = self.watermarks.current().filter(|watermark| event.time_ms < *watermark) else {
            return Admission::Accepted;
        };
        match self.inputs[input].late {
            LatePolicy::Process => {
                event.time_ms = watermark_ms;
                Admission::Raised
            }
            policy => Admission::Late(policy),
        }
    }
}
