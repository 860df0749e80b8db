//! Events as they arrive from several inputs, put in order of time.

use crate::engine::Watermarks;
use crate::engine::reorder::ReorderBuffer;
use crate::event::Event;

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

/// Inputs, their watermark, and the events that wait for it.
#[derive(Debug)]
pub struct Sequencer {
    inputs: Vec<InputSettings>,
    watermarks: Watermarks,
    buffer: ReorderBuffer,
}

impl Sequencer {
    /// A sequencer of these inputs, from the beginning.
    pub fn new(inputs: &[InputSettings]) -> Sequencer {
        Sequencer {
            inputs: inputs.to_vec(),
            watermarks: Watermarks::new(inputs.iter().map(|input| input.lateness_ms)),
            buffer: ReorderBuffer::default(),
        }
    }

    /// Takes an event of an input, in order of arrival, and gives out those whose time has come, in order of time. An
    /// event that has to wait is taken out of `event`; otherwise its memory stays with the caller for the next one.
    ///
    /// Every event moves the watermark, also of a type that is not declared.
    #[inline]
    pub fn push(&mut self, input: usize, event: &mut Event, mut give: impl FnMut(&mut Event)) -> Admission {
        let admission = self.admit(input, event);
        if matches!(admission, Admission::Late(_)) {
            return admission;
        }
        self.watermarks.observe(input, event.time_ms);
        let watermark = self.watermarks.current();
        if self.buffer.is_empty() && watermark.is_some_and(|watermark| event.time_ms <= watermark) {
            give(event);
        } else {
            self.buffer.push(std::mem::take(event));
            self.release(give);
        }
        admission
    }

    /// As [`Sequencer::push`], for an event too far in the future: it is given out in its order but does not move the
    /// watermark.
    pub fn push_future(&mut self, input: usize, event: &mut Event, give: impl FnMut(&mut Event)) -> Admission {
        let admission = self.admit(input, event);
        if !matches!(admission, Admission::Late(_)) {
            self.buffer.push(std::mem::take(event));
            self.release(give);
        }
        admission
    }

    /// Marks an input as idle (at the end of its log) or not.
    pub fn set_idle(&mut self, input: usize, idle: bool) {
        self.watermarks.set_idle(input, idle);
    }

    /// Moves an idle input's time on by what has elapsed on a monotonic clock (ms).
    pub fn elapse(&mut self, input: usize, elapsed_ms: i64) {
        self.watermarks.elapse(input, elapsed_ms);
    }

    /// Gives out what waits for nothing any more.
    pub fn release(&mut self, mut give: impl FnMut(&mut Event)) {
        let Some(watermark_ms) = self.watermarks.current() else { return };
        while let Some(mut event) = self.buffer.pop_until(watermark_ms) {
            give(&mut event);
        }
    }

    /// The inputs have ended: gives out all that waits.
    pub fn finish(&mut self, mut give: impl FnMut(&mut Event)) {
        while let Some(mut event) = self.buffer.pop_until(i64::MAX) {
            give(&mut event);
        }
    }

    /// The watermark in ms.
    #[inline]
    pub fn watermark(&self) -> Option<i64> {
        self.watermarks.current()
    }

    /// The highest event time seen, in ms.
    pub fn highest(&self) -> Option<i64> {
        self.watermarks.highest()
    }

    /// How many events wait for their time.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
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
