//! Events as they arrive from several inputs, put in order of time.

use crate::engine::codec::{Reader, put_all, put_count};
use crate::engine::dedupe::{DropDuplicates, ShownIds};
use crate::engine::reorder::ReorderBuffer;
use crate::engine::saved::{Names, put_event};
use crate::engine::watermark::Watermarks;
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
    /// Which repeats are left out.
    pub duplicates: Option<DropDuplicates>,
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
    /// The repeat of an event that has arrived before: left out. It does not move the watermark.
    Duplicate,
}

/// Inputs, their watermark, and the events that wait for it.
#[derive(Debug)]
pub struct Sequencer {
    inputs: Vec<Input>,
    watermarks: Watermarks,
    buffer: ReorderBuffer,
}

#[derive(Debug)]
struct Input {
    late: LatePolicy,
    /// Where repeats are left out.
    shown: Option<ShownIds>,
}

impl Sequencer {
    /// A sequencer of these inputs, from the beginning.
    pub fn new(inputs: &[InputSettings]) -> Sequencer {
        Sequencer {
            inputs: inputs.iter().map(Input::new).collect(),
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
        if !admission.is_in() {
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
        if admission.is_in() {
            self.buffer.push(std::mem::take(event));
            self.release(give);
        }
        admission
    }

    /// Marks an input as idle (at the end of its log) or not.
    pub fn set_idle(&mut self, input: usize, idle: bool) {
        self.watermarks.set_idle(input, idle);
    }

    /// An input has come to this time, and is not idle.
    pub fn observe(&mut self, input: usize, time_ms: i64) {
        self.watermarks.observe(input, time_ms);
    }

    /// Moves an idle input's time on by what has elapsed on a monotonic clock (ms).
    pub fn elapse(&mut self, input: usize, elapsed_ms: i64) {
        self.watermarks.elapse(input, elapsed_ms);
    }

    /// As [`Watermarks::raise`](crate::engine::watermark::Watermarks::raise).
    pub fn raise(&mut self, watermark_ms: i64) {
        self.watermarks.raise(watermark_ms);
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

    /// As [`Watermarks::slowest`].
    pub fn slowest(&self) -> Option<(usize, Option<i64>)> {
        self.watermarks.slowest()
    }

    /// How many events wait for their time.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// How many ids an input has forgotten before their time because they were too many: their repeats are not seen.
    pub fn forgotten_ids(&self, input: usize) -> u64 {
        self.inputs[input].shown.as_ref().map_or(0, ShownIds::forgotten)
    }

    /// Writes how far each input has come, which ids it has shown, and what waits.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_count(out, self.inputs.len());
        self.watermarks.save(out);
        for input in &self.inputs {
            out.push(u8::from(input.shown.is_some()));
            if let Some(shown) = &input.shown {
                shown.save(out);
            }
        }
        let waiting = self.buffer.in_order();
        put_all(out, waiting, put_event);
    }

    /// Takes it up, from as many inputs. `names` tells of types, fields and sources what they are now.
    pub(super) fn load(&mut self, from: &mut Reader<'_>, names: &Names) -> Option<()> {
        (from.count()? == self.inputs.len()).then_some(())?;
        self.watermarks.load(from)?;
        for input in &mut self.inputs {
            if from.flag()? {
                // Of an input that leaves out no repeats any more the ids are read and forgotten.
                let mut none = ShownIds::new(DropDuplicates { window_ms: 1, ids_max: 1 });
                input.shown.as_mut().unwrap_or(&mut none).load(from)?;
            }
        }
        for _ in 0..from.count()? {
            let event = names.event(from)?;
            // What is at the watermark waits for nothing.
            self.watermarks.current().is_none_or(|watermark_ms| watermark_ms <= event.time_ms).then_some(())?;
            self.buffer.push(event);
        }
        Some(())
    }

    #[inline]
    fn admit(&mut self, input: usize, event: &mut Event) -> Admission {
        if let Some(shown) = &mut self.inputs[input].shown {
            if let Some(watermark_ms) = self.watermarks.current() {
                shown.forget_before(watermark_ms);
            }
            if event.id.as_ref().is_some_and(|id| shown.is_repeat(id, event.time_ms)) {
                return Admission::Duplicate;
            }
        }
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

impl Input {
    fn new(settings: &InputSettings) -> Input {
        Input { late: settings.late, shown: settings.duplicates.map(ShownIds::new) }
    }
}

impl Admission {
    /// Whether the event is judged.
    pub fn is_in(self) -> bool {
        matches!(self, Admission::Accepted | Admission::Raised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(sequencer: &mut Sequencer, input: usize, id: Option<&str>, time_ms: i64) -> Admission {
        let mut event = Event { time_ms, id: id.map(Into::into), ..Event::default() };
        sequencer.push(input, &mut event, |_| {})
    }

    fn settings(lateness_ms: i64) -> InputSettings {
        let duplicates = Some(DropDuplicates { window_ms: 100, ids_max: 10 });
        InputSettings { lateness_ms, late: LatePolicy::Drop, duplicates }
    }

    #[test]
    fn a_repeat_is_left_out_of_its_input_and_does_not_move_time() {
        let mut sequencer = Sequencer::new(&[settings(0), settings(0)]);
        assert_eq!(push(&mut sequencer, 0, Some("a"), 1_000), Admission::Accepted);
        assert_eq!(push(&mut sequencer, 1, Some("a"), 1_000), Admission::Accepted, "another input");
        assert_eq!(push(&mut sequencer, 0, Some("a"), 1_050), Admission::Duplicate);
        assert_eq!(push(&mut sequencer, 0, None, 1_000), Admission::Accepted, "time stands at 1,000");
        assert_eq!(push(&mut sequencer, 0, None, 1_000), Admission::Accepted, "what has no id repeats nothing");
    }

    #[test]
    fn within_the_lateness_every_repeat_is_known() {
        let mut sequencer = Sequencer::new(&[settings(500)]);
        for (id, time_ms) in [("a", 1_000), ("b", 401), ("c", 1_499)] {
            push(&mut sequencer, 0, Some(id), time_ms);
        }
        assert_eq!(push(&mut sequencer, 0, Some("b"), 500), Admission::Late(LatePolicy::Drop));
        let mut sequencer = Sequencer::new(&[settings(500)]);
        push(&mut sequencer, 0, Some("b"), 901);
        push(&mut sequencer, 0, Some("a"), 1_500);
        assert_eq!(push(&mut sequencer, 0, Some("b"), 1_000), Admission::Duplicate);
        assert_eq!(push(&mut sequencer, 0, Some("b"), 1_100), Admission::Accepted);
    }
}
