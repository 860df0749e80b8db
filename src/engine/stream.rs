//! What a shard steps: a sequencer before an engine.

use std::sync::Arc;

use crate::alert::Alert;
use crate::engine::codec::Reader;
use crate::engine::saved::{Names, save_names};
use crate::engine::{Admission, Carried, Damaged, End, Engine, InputSettings, Limits, Sequencer, Stats};
use crate::event::{Event, Value};
use crate::program::{Program, Rows, TableId};

/// An engine behind its watermark and reorder buffer.
#[derive(Debug)]
pub struct Stream {
    sequencer: Sequencer,
    engine: Engine,
}

impl Stream {
    /// A stream over these inputs, from the beginning.
    pub fn new(program: Arc<Program>, inputs: &[InputSettings]) -> Stream {
        Stream { sequencer: Sequencer::new(inputs), engine: Engine::new(program) }
    }

    /// Names the sources, by their number: an event without an id is told from others by its place in them, so the
    /// names are part of its alerts' ids.
    pub fn name_sources(&mut self, names: Arc<[String]>) {
        self.engine.name_sources(names);
    }

    /// As [`Engine::judge_partition`].
    pub fn judge_partition(&mut self, index: usize, count: usize) {
        self.engine.judge_partition(index, count);
    }

    /// As [`Engine::set_limits`].
    pub fn set_limits(&mut self, limits: Limits) {
        self.engine.set_limits(limits);
    }

    /// As [`Engine::keep_tables_outside`].
    pub fn keep_tables_outside(&mut self) {
        self.engine.keep_tables_outside();
    }

    /// As [`Engine::replace_table`]: for what is judged from now on, events that wait for their time included.
    pub fn replace_table(&mut self, id: TableId, rows: Arc<Rows>) {
        self.engine.replace_table(id, rows);
    }

    /// As [`Engine::update_table`].
    pub fn update_table(&mut self, id: TableId, key: &Value, row: Option<Box<[Value]>>) {
        self.engine.update_table(id, key, row);
    }

    /// Takes an event of an input, in order of arrival; alerts that follow are added to `alerts`. An event that has to
    /// wait is taken out of `event`; otherwise its memory stays with the caller for the next one.
    #[inline]
    pub fn push(&mut self, input: usize, event: &mut Event, alerts: &mut Vec<Alert>) -> Admission {
        self.sequencer.push(input, event, |event| self.engine.on_event(event, alerts))
    }

    /// As [`Stream::push`], for an event too far in the future: it is judged in its order but does not move the
    /// watermark.
    pub fn push_future(&mut self, input: usize, event: &mut Event, alerts: &mut Vec<Alert>) -> Admission {
        self.sequencer.push_future(input, event, |event| self.engine.on_event(event, alerts))
    }

    /// Marks an input as idle (at the end of its log) or not.
    pub fn set_idle(&mut self, input: usize, idle: bool, alerts: &mut Vec<Alert>) {
        self.sequencer.set_idle(input, idle);
        self.release(alerts);
    }

    /// Moves an idle input's time on by what has elapsed on a monotonic clock (ms).
    pub fn elapse(&mut self, input: usize, elapsed_ms: i64, alerts: &mut Vec<Alert>) {
        self.sequencer.elapse(input, elapsed_ms);
        self.release(alerts);
    }

    /// An input has come to this time without an event that is told here.
    pub fn observe(&mut self, input: usize, time_ms: i64, alerts: &mut Vec<Alert>) {
        self.sequencer.observe(input, time_ms);
        self.release(alerts);
    }

    /// As [`Stream::observe`], of an input that is idle.
    pub fn observe_idle(&mut self, input: usize, time_ms: i64, alerts: &mut Vec<Alert>) {
        self.sequencer.observe(input, time_ms);
        self.set_idle(input, true, alerts);
    }

    /// Brings the watermark to where it was before the state was built again.
    pub fn raise(&mut self, watermark_ms: i64, alerts: &mut Vec<Alert>) {
        self.sequencer.raise(watermark_ms);
        self.release(alerts);
    }

    /// Judges what waits for nothing any more, and fires the timers that the watermark has passed. To be called after
    /// each batch: [`Stream::push`] fires only the timers before the event at hand.
    pub fn release(&mut self, alerts: &mut Vec<Alert>) {
        self.sequencer.release(|event| self.engine.on_event(event, alerts));
        if let Some(watermark_ms) = self.sequencer.watermark() {
            self.engine.advance(watermark_ms, alerts);
        }
    }

    /// The inputs have ended: what waits is judged, then timers fire as `end` says.
    pub fn finish(&mut self, end: End, alerts: &mut Vec<Alert>) {
        self.sequencer.finish(|event| self.engine.on_event(event, alerts));
        self.engine.finish(end, self.sequencer.highest(), alerts);
    }

    /// The watermark in ms.
    pub fn watermark(&self) -> Option<i64> {
        self.sequencer.watermark()
    }

    /// The highest event time seen, in ms.
    pub fn highest(&self) -> Option<i64> {
        self.sequencer.highest()
    }

    /// How many events wait for their time.
    pub fn waiting(&self) -> usize {
        self.sequencer.waiting()
    }

    /// As [`Sequencer::slowest`].
    pub fn slowest(&self) -> Option<(usize, Option<i64>)> {
        self.sequencer.slowest()
    }

    /// As [`Sequencer::forgotten_ids`].
    pub fn forgotten_ids(&self, input: usize) -> u64 {
        self.sequencer.forgotten_ids(input)
    }

    /// Writes the state, between two events: what [`Stream::load`] takes up goes on as this stream would. Bytes of the
    /// version [`STATE_VERSION`](crate::engine::STATE_VERSION), with no checksum of their own; what has been counted is
    /// not in them, nor are tables that are kept outside.
    pub fn save(&self, out: &mut Vec<u8>) {
        save_names(self.engine.program(), self.engine.sources(), out);
        self.sequencer.save(out);
        self.engine.save(out);
    }

    /// Takes up a state that was saved over as many inputs, before the first event and with limits and the names of
    /// sources set. What belongs to rules that are gone or changed since is left out.
    ///
    /// # Errors
    ///
    /// [`Damaged`] where the bytes are no such state: the stream is of no use then.
    pub fn load(&mut self, bytes: &[u8]) -> Result<Carried, Damaged> {
        let mut from = Reader::new(bytes);
        let names = Names::load(&mut from, self.engine.program(), self.engine.sources()).ok_or(Damaged("names"))?;
        self.sequencer.load(&mut from, &names).ok_or(Damaged("inputs"))?;
        let carried = self.engine.load(&mut from, &names, self.sequencer.watermark()).map_err(Damaged)?;
        if from.is_at_end() { Ok(carried) } else { Err(Damaged("end")) }
    }

    /// What has been counted.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// How many runs are open of each rule that has any; of rules that run together the first stands for all.
    pub fn open_by_rule(&self) -> impl Iterator<Item = (&str, usize)> {
        self.engine.open_by_rule()
    }

    /// How many runs are open.
    pub fn open_runs(&self) -> usize {
        self.engine.open_runs()
    }
}
