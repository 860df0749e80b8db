//! One shard: a stream over its input partitions, and what is known of how far each is read.
//!
//! A shard is *muted* while it reads back what was committed, so that open runs exist again without their alerts
//! being sent again; then it *speaks*. An input that has read back waits until the others have too.
//!
//! ```text
//! step(shard, input) -> alerts
//! ```
//! There is no clock and no client here; the loop gives time as numbers.

use std::sync::Arc;

use crate::alert::Alert;
use crate::daemon::offsets::Mark;
use crate::daemon::repartition::Brought;
use crate::engine::{Admission, Carried, Damaged, InputSettings, Limits, Stats, Stream};
use crate::event::Event;
use crate::program::{Program, Rows, TableId};

/// What a shard is stepped with.
pub(super) enum Step<'a> {
    /// An event of an input.
    Event {
        /// Which input.
        input: usize,
        /// The event; taken out where it has to wait.
        event: &'a mut Event,
        /// The offset after it.
        next: i64,
        /// Beyond this time an event does not move the watermark (ms).
        future_after_ms: i64,
    },
    /// A message that is no event.
    Skip {
        /// Which input.
        input: usize,
        /// The offset after it.
        next: i64,
    },
    /// An input is at its end and quiet: its time goes on by itself.
    Idle {
        /// Which input.
        input: usize,
        /// What has elapsed since the last such step, in ms.
        elapsed_ms: i64,
    },
    /// An event of a source, out of the repartition topic, which is the only input then.
    Brought {
        /// Which partition of the sources.
        from: usize,
        /// The event's offset there.
        offset: i64,
        /// The event.
        event: &'a mut Event,
        /// The offset after its record in the repartition topic.
        next: i64,
        /// Whether it was too far in the future.
        is_future: bool,
        /// When its record was written, in ms; 0 where nobody says.
        stamped_ms: i64,
    },
    /// How far time has come in partitions of the sources, out of the repartition topic.
    Marks {
        /// Of each its place, its highest event time (ms), and whether it is idle.
        marks: &'a [(usize, Option<i64>, bool)],
        /// The offset after the record.
        next: i64,
        /// When it was written, in ms; 0 where nobody says.
        stamped_ms: i64,
    },
    /// An input has nothing before the offset up to which it is to be read back.
    ReadBack {
        /// Which input.
        input: usize,
    },
    /// A batch has ended.
    Release,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    /// Nothing to say.
    Done,
    /// What became of the event.
    Event(Admission),
    /// As before, of an event too far in the future.
    Future(Admission),
}

/// A shard.
#[derive(Debug)]
pub(super) struct Shard {
    stream: Stream,
    inputs: Vec<Input>,
    /// Behind the repartition topic: the partitions of the sources, which are the inputs of the stream.
    brought: Option<Brought>,
    speaking: bool,
    /// What the engine had counted when the shard began to speak: counts of the reading back were counted before.
    counted: Stats,
    alerts: Vec<Alert>,
    changed: bool,
}

/// What a shard judges, and how.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The rules.
    pub(super) program: Arc<Program>,
    /// The names of the sources.
    pub(super) sources: Arc<[String]>,
    /// What may be open.
    pub(super) limits: Limits,
    /// Where the shard is one behind the repartition topic.
    pub(super) behind: Option<Behind>,
}

/// Which shard behind the repartition topic.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    /// The partitions of the sources.
    pub(super) inputs: Arc<[InputSettings]>,
    /// Of each how long it is quiet before its time goes on by itself, in ms.
    pub(super) idle_ms: Arc<[i64]>,
    /// Whether events are brought at least once.
    pub(super) comes_again: bool,
    /// Its partition.
    pub(super) partition: usize,
    /// Of how many.
    pub(super) partitions: usize,
}

/// How far an input is read.
#[derive(Debug)]
struct Input {
    /// The next offset.
    next: i64,
    /// What was committed, with what was known then.
    until: i64,
    mark: Mark,
    read_back: bool,
    lateness_ms: i64,
    high_ms: Option<i64>,
    idle: bool,
}

/// Where an input of a new shard begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    /// The first offset to read.
    pub(super) from: i64,
    /// The offset up to which the shard is muted.
    pub(super) until: i64,
    /// What was known at `until`.
    pub(super) mark: Mark,
    /// How its time is taken.
    pub(super) settings: InputSettings,
}

/// A state that was saved of a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saved<'a> {
    /// Of each input the highest event time (ms), and whether it was idle.
    pub(super) inputs: &'a [(Option<i64>, bool)],
    /// The state of the stream.
    pub(super) state: &'a [u8],
    /// The rows of the lists and tables as they are now, by their number: what waits is judged with them.
    pub(super) tables: &'a [Arc<Rows>],
}

impl Shard {
    /// A shard that reads back and then speaks.
    pub(super) fn new(rules: Rules, begin: &[Begin]) -> Shard {
        let mut shard = Shard::unread(rules, begin);
        shard.begin();
        shard
    }

    /// As [`Shard::new`], of a state that was saved where the inputs begin.
    pub(super) fn restored(rules: Rules, begin: &[Begin], saved: Saved<'_>) -> Result<(Shard, Carried), Damaged> {
        let mut shard = Shard::unread(rules, begin);
        let state = match &mut shard.brought {
            Some(brought) => brought.load(saved.state)?,
            None => saved.state,
        };
        let carried = shard.stream.load(state)?;
        for (rows, id) in saved.tables.iter().zip((0..).map(TableId)) {
            shard.replace_table(id, Arc::clone(rows));
        }
        for (input, (high_ms, idle)) in shard.inputs.iter_mut().zip(saved.inputs) {
            (input.high_ms, input.idle) = (*high_ms, *idle);
        }
        // One that was idle has a backlog by now, which the others must not make late. Those that were idle at the commit
        // too are so again once they have read back.
        (0..shard.inputs.len()).for_each(|input| shard.wake(input));
        shard.mute();
        shard.begin();
        Ok((shard, carried))
    }

    /// Writes the state of the stream, as of the next offsets.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        debug_assert!(self.alerts.is_empty(), "they were sent and committed");
        if let Some(brought) = &self.brought {
            brought.save(out);
        }
        self.stream.save(out);
    }

    fn unread(rules: Rules, begin: &[Begin]) -> Shard {
        let Rules { program, sources, limits, behind } = rules;
        let settings: Vec<InputSettings> = begin.iter().map(|begin| begin.settings).collect();
        let mut stream = Stream::new(program, behind.as_ref().map_or(&settings, |behind| &behind.inputs));
        if let Some(Behind { partition, partitions, .. }) = behind {
            stream.judge_partition(partition, partitions);
        }
        stream.name_sources(sources);
        stream.keep_tables_outside();
        stream.set_limits(limits);
        let input = |begin: &Begin| Input {
            next: begin.from,
            until: begin.until,
            mark: begin.mark,
            read_back: false,
            lateness_ms: begin.settings.lateness_ms,
            high_ms: None,
            idle: false,
        };
        Shard {
            stream,
            inputs: begin.iter().map(input).collect(),
            brought: behind.map(|behind| Brought::new(behind.idle_ms, behind.comes_again)),
            speaking: false,
            counted: Stats::default(),
            alerts: Vec::new(),
            changed: false,
        }
    }

    /// Inputs with nothing to read back have read back.
    fn begin(&mut self) {
        for input in 0..self.inputs.len() {
            if self.inputs[input].next >= self.inputs[input].until {
                self.step(Step::ReadBack { input });
            }
        }
    }

    /// Steps the shard. Alerts wait in [`Shard::take_alerts`].
    pub(super) fn step(&mut self, step: Step<'_>) -> Stepped {
        match step {
            Step::Event { input, event, next, future_after_ms } => self.event(input, event, next, future_after_ms),
            Step::Skip { input, next } => {
                self.advance(input, next);
                Stepped::Done
            }
            Step::Idle { input, elapsed_ms } => {
                self.idle(input, elapsed_ms);
                Stepped::Done
            }
            Step::Brought { from, offset, event, next, is_future, stamped_ms } => {
                self.bring((from, offset), event, next, is_future, stamped_ms)
            }
            Step::Marks { marks, next, stamped_ms } => {
                self.mark_brought(marks, next, stamped_ms);
                Stepped::Done
            }
            Step::ReadBack { input } => {
                self.input_read_back(input);
                Stepped::Done
            }
            Step::Release => {
                self.stream.release(&mut self.alerts);
                self.mute();
                Stepped::Done
            }
        }
    }

    /// Whether its alerts are sent.
    pub(super) fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Whether an input has read back and waits for the others.
    pub(super) fn is_waiting(&self, input: usize) -> bool {
        !self.speaking && self.inputs[input].read_back
    }

    /// Whether this offset lies behind what the shard is muted for.
    pub(super) fn is_beyond(&self, input: usize, offset: i64) -> bool {
        !self.speaking && offset >= self.inputs[input].until
    }

    /// The next offset of an input.
    pub(super) fn next(&self, input: usize) -> i64 {
        self.inputs[input].next
    }

    /// The offset up to which an input is read back.
    pub(super) fn until(&self, input: usize) -> i64 {
        self.inputs[input].until
    }

    /// The highest event time of an input (ms).
    pub(super) fn high_ms(&self, input: usize) -> Option<i64> {
        self.inputs[input].high_ms
    }

    /// Whether an input is idle.
    pub(super) fn is_idle(&self, input: usize) -> bool {
        self.inputs[input].idle
    }

    /// Whether all inputs are idle.
    pub(super) fn is_silent(&self) -> bool {
        self.inputs.iter().all(|input| input.idle)
    }

    /// Whether it is one behind the repartition topic.
    pub(super) fn is_behind(&self) -> bool {
        self.brought.is_some()
    }

    /// How many inputs there are.
    pub(super) fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// What is to be committed of an input.
    pub(super) fn mark(&self, input: usize) -> Mark {
        let Input { mark, high_ms, idle, .. } = &self.inputs[input];
        Mark::new(mark.start, *high_ms, *idle).at(self.stream.watermark())
    }

    /// Whether there is something to commit since the last time that this was asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed) && self.speaking
    }

    /// Puts a change back that could not be committed.
    pub(super) fn keep_changed(&mut self) {
        self.changed = true;
    }

    /// The alerts since the last time, in the order in which they came.
    pub(super) fn take_alerts(&mut self) -> std::vec::Drain<'_, Alert> {
        self.changed |= !self.alerts.is_empty();
        self.alerts.drain(..)
    }

    /// From now on a list or table has these rows.
    pub(super) fn replace_table(&mut self, id: TableId, rows: Arc<Rows>) {
        self.stream.replace_table(id, rows);
    }

    /// The stream, to look at.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What the engine has counted since the last time, the reading back left out.
    pub(super) fn take_stats(&mut self) -> Stats {
        if !self.speaking {
            return Stats::default();
        }
        let now = self.stream.stats();
        let mut since = now.clone();
        for (rule, counted) in since.rules.iter_mut().zip(&self.counted.rules) {
            rule.alerts -= counted.alerts;
            rule.suppressed -= counted.suppressed;
            rule.missing_key -= counted.missing_key;
            rule.dropped.subtract(counted.dropped);
        }
        for (measure, counted) in since.measures.iter_mut().zip(&self.counted.measures) {
            measure.emitted -= counted.emitted;
            measure.missing_key -= counted.missing_key;
        }
        since.events -= self.counted.events;
        since.undeclared -= self.counted.undeclared;
        self.counted = now;
        since
    }

    fn event(&mut self, at: usize, event: &mut Event, next: i64, future_after_ms: i64) -> Stepped {
        if self.is_silent() {
            // After a silence of all inputs events mostly come in all of them at once. The one that is read first
            // must not make those of the others late.
            (0..self.inputs.len()).for_each(|input| self.wake(input));
        }
        self.wake(at);
        let time_ms = event.time_ms;
        let stepped = if self.is_future(at, time_ms, future_after_ms) {
            Stepped::Future(self.stream.push_future(at, event, &mut self.alerts))
        } else {
            let admission = self.stream.push(at, event, &mut self.alerts);
            if admission.is_in() {
                let high_ms = &mut self.inputs[at].high_ms;
                *high_ms = Some(high_ms.map_or(time_ms, |high| high.max(time_ms)));
            }
            Stepped::Event(admission)
        };
        self.advance(at, next);
        stepped
    }

    fn bring(
        &mut self,
        (from, offset): (usize, i64),
        event: &mut Event,
        next: i64,
        is_future: bool,
        stamped_ms: i64,
    ) -> Stepped {
        let brought = self.brought.as_mut().expect("the shard is one behind the repartition topic");
        if !brought.is_new(from, offset) {
            self.advance(0, next);
            return Stepped::Done;
        }
        // As in the shards of the sources, and for the same reason.
        for input in brought.wake(from, stamped_ms) {
            self.stream.set_idle(input, false, &mut self.alerts);
        }
        let stepped = if is_future {
            Stepped::Future(self.stream.push_future(from, event, &mut self.alerts))
        } else {
            Stepped::Event(self.stream.push(from, event, &mut self.alerts))
        };
        self.advance(0, next);
        stepped
    }

    /// Those that are not idle come first: of marks of one record nobody knows which was earlier, and no time may pass
    /// that an input still holds back.
    fn mark_brought(&mut self, marks: &[(usize, Option<i64>, bool)], next: i64, stamped_ms: i64) {
        let brought = self.brought.as_mut().expect("the shard is one behind the repartition topic");
        for idle in [false, true] {
            let is_idle = |(input, _, idle): &(usize, _, bool)| *idle && brought.can_be_idle(*input, stamped_ms);
            let found: Vec<_> = marks.iter().filter(|mark| is_idle(mark) == idle).collect();
            for (input, high_ms, _) in found {
                match high_ms {
                    Some(high_ms) if !idle => self.stream.observe(*input, *high_ms, &mut self.alerts),
                    Some(high_ms) => self.stream.observe_idle(*input, *high_ms, &mut self.alerts),
                    None => self.stream.set_idle(*input, idle, &mut self.alerts),
                }
                brought.set_idle(*input, idle);
            }
        }
        self.mute();
        self.advance(0, next);
    }

    /// While reading back the clock of then is not known, but how far time had come is.
    fn is_future(&self, at: usize, time_ms: i64, future_after_ms: i64) -> bool {
        if self.speaking {
            return time_ms > future_after_ms;
        }
        self.inputs[at].mark.high_ms.is_some_and(|high| time_ms > high)
    }

    fn advance(&mut self, at: usize, next: i64) {
        let input = &mut self.inputs[at];
        debug_assert!(next > input.next || !input.read_back, "offsets only grow");
        input.next = next;
        self.changed = true;
        if !self.speaking && input.next >= input.until {
            self.input_read_back(at);
        }
    }

    fn wake(&mut self, at: usize) {
        if std::mem::take(&mut self.inputs[at].idle) {
            self.stream.set_idle(at, false, &mut self.alerts);
        }
    }

    fn idle(&mut self, at: usize, elapsed_ms: i64) {
        let input = &mut self.inputs[at];
        if !std::mem::replace(&mut input.idle, true) {
            self.stream.set_idle(at, true, &mut self.alerts);
        }
        self.inputs[at].high_ms = self.inputs[at].high_ms.map(|high| high.saturating_add(elapsed_ms));
        self.stream.elapse(at, elapsed_ms, &mut self.alerts);
        self.mute();
    }

    /// Brings an input's time to where it was at the commit, then speaks if it was the last one.
    fn input_read_back(&mut self, at: usize) {
        let input = &mut self.inputs[at];
        if std::mem::replace(&mut input.read_back, true) || self.speaking {
            return;
        }
        let Mark { high_ms, idle, .. } = input.mark;
        debug_assert!(input.lateness_ms >= 0, "checked by the configuration");
        // It may be far behind another input: only one that was idle at the commit leaves time to the others.
        if let Some(high_ms) = high_ms.filter(|then| input.high_ms.is_some_and(|now| now < *then)) {
            input.high_ms = Some(high_ms);
            self.stream.observe(at, high_ms, &mut self.alerts);
        }
        if idle {
            self.idle(at, 0);
        }
        self.mute();
        if self.inputs.iter().all(|input| input.read_back) {
            self.speak();
        }
    }

    fn speak(&mut self) {
        self.stream.release(&mut self.alerts);
        // An input that was idle for a while has let time go on further than it holds it back now.
        if let Some(watermark_ms) = self.inputs.iter().filter_map(|input| input.mark.watermark_ms).max() {
            self.stream.raise(watermark_ms, &mut self.alerts);
        }
        self.mute();
        // An input that was idle at the commit may have a backlog by now: it is idle again when it is at its end.
        (0..self.inputs.len()).for_each(|input| self.wake(input));
        self.mute();
        self.speaking = true;
        self.changed = false;
        self.counted = self.stream.stats();
    }

    fn mute(&mut self) {
        if !self.speaking {
            self.alerts.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::LatePolicy;
    use crate::event::{Position, Value};
    use crate::ruleset::RuleSet;

    const RULES: &str = "event ping user_id text\nrule silence\n  for each user_id\n  on ping\n  then no ping within 10 s\n  \
                         alert low\n";

    fn program() -> Arc<Program> {
        let set = RuleSet::from_texts([("test.rules".to_owned(), RULES.to_owned())]);
        set.program().expect("the rules are right")
    }

    fn begin(from: i64, until: i64, mark: Mark) -> Begin {
        Begin {
            from,
            until,
            mark,
            settings: InputSettings { lateness_ms: 0, late: LatePolicy::Drop, duplicates: None },
        }
    }

    fn sources() -> Arc<[String]> {
        Arc::from(["a".to_owned(), "b".to_owned()])
    }

    fn rules() -> Rules {
        Rules { program: program(), sources: sources(), limits: Limits::NONE, behind: None }
    }

    fn shard(begin: &[Begin]) -> Shard {
        Shard::new(rules(), begin)
    }

    fn ping(shard: &mut Shard, input: usize, offset: i64, user: &str, time_ms: i64) -> Stepped {
        let mut event = Event {
            type_id: Some(crate::schema::TypeId(0)),
            time_ms,
            position: Position { offset: u64::try_from(offset).expect("not negative"), ..Position::default() },
            id: Some(format!("{user}{time_ms}").into()),
            values: vec![Value::Text(user.into())],
        };
        shard.step(Step::Event { input, event: &mut event, next: offset + 1, future_after_ms: 1_000_000 })
    }

    fn alerts(shard: &mut Shard) -> Vec<String> {
        shard.step(Step::Release);
        shard.take_alerts().map(|alert| alert.events[0].id.clone().expect("given").to_string()).collect()
    }

    #[test]
    fn what_was_committed_is_not_said_again_and_open_runs_are_there() {
        let mut first = shard(&[begin(0, 0, Mark::default())]);
        assert!(first.is_speaking());
        ping(&mut first, 0, 0, "u", 1_000);
        ping(&mut first, 0, 1, "v", 12_000);
        assert_eq!(alerts(&mut first), ["u1000"]);
        let (next, mark) = (first.next(0), first.mark(0));
        assert_eq!(mark, Mark::new(None, Some(12_000), false).at(Some(12_000)));

        let mut second = shard(&[begin(0, next, mark)]);
        ping(&mut second, 0, 0, "u", 1_000);
        assert!(!second.is_speaking());
        ping(&mut second, 0, 1, "v", 12_000);
        assert!(second.is_speaking());
        assert_eq!(alerts(&mut second), Vec::<String>::new());
        ping(&mut second, 0, 2, "w", 30_000);
        assert_eq!(alerts(&mut second), ["v12000"]);
    }

    #[test]
    fn a_state_that_was_saved_goes_on_and_is_muted_up_to_what_was_committed() {
        let mut first = shard(&[begin(0, 0, Mark::default())]);
        ping(&mut first, 0, 0, "u", 1_000);
        ping(&mut first, 0, 1, "v", 2_000);
        assert_eq!(alerts(&mut first), Vec::<String>::new());
        let (mut state, inputs) = (Vec::new(), [(first.high_ms(0), first.is_idle(0))]);
        first.save(&mut state);
        ping(&mut first, 0, 2, "w", 11_500);
        assert_eq!(alerts(&mut first), ["u1000"]);

        let from = [begin(2, 3, first.mark(0))];
        let saved = Saved { inputs: &inputs, state: &state, tables: &[] };
        let (mut second, carried) = Shard::restored(rules(), &from, saved).expect("it was saved just now");
        assert_eq!((carried.kept, second.is_speaking()), (2, false));
        ping(&mut second, 0, 2, "w", 11_500);
        assert!(second.is_speaking());
        assert_eq!(alerts(&mut second), Vec::<String>::new(), "it was said before the commit");
        ping(&mut second, 0, 3, "x", 12_500);
        assert_eq!(alerts(&mut second), ["v2000"]);
    }

    #[test]
    fn an_input_that_was_idle_is_waited_for_when_it_has_something_to_read_back() {
        let mut first = shard(&[begin(0, 0, Mark::default()), begin(0, 0, Mark::default())]);
        ping(&mut first, 0, 0, "u", 1_000);
        ping(&mut first, 1, 0, "v", 1_000);
        first.step(Step::Idle { input: 1, elapsed_ms: 0 });
        let (mut state, inputs) = (Vec::new(), [0, 1].map(|input| (first.high_ms(input), first.is_idle(input))));
        first.save(&mut state);
        ping(&mut first, 1, 1, "w", 3_000);
        ping(&mut first, 0, 1, "x", 9_000);
        assert_eq!(alerts(&mut first), Vec::<String>::new());

        // Read back in the other order.
        let from = [begin(1, 2, first.mark(0)), begin(1, 2, first.mark(1))];
        let saved = Saved { inputs: &inputs, state: &state, tables: &[] };
        let (mut second, _) = Shard::restored(rules(), &from, saved).expect("it was saved just now");
        ping(&mut second, 0, 1, "x", 9_000);
        assert_eq!(ping(&mut second, 1, 1, "w", 3_000), Stepped::Event(Admission::Accepted));
        assert!(second.is_speaking());
        assert_eq!(second.stream().open_runs(), first.stream().open_runs());
    }

    #[test]
    fn time_that_went_on_by_itself_is_there_after_reading_back() {
        let mut first = shard(&[begin(0, 0, Mark::default())]);
        ping(&mut first, 0, 0, "u", 1_000);
        first.step(Step::Idle { input: 0, elapsed_ms: 0 });
        first.step(Step::Idle { input: 0, elapsed_ms: 10_001 });
        assert_eq!(alerts(&mut first), ["u1000"]);
        let mut second = shard(&[begin(0, 1, first.mark(0))]);
        ping(&mut second, 0, 0, "u", 1_000);
        assert!(second.is_speaking());
        assert_eq!(alerts(&mut second), Vec::<String>::new(), "it was said before the commit");
        assert_eq!(second.stream().watermark(), Some(11_001));
    }

    #[test]
    fn an_event_that_was_in_the_future_is_so_again() {
        let mut first = shard(&[begin(0, 0, Mark::default())]);
        ping(&mut first, 0, 0, "u", 1_000);
        assert!(matches!(ping(&mut first, 0, 1, "v", 9_000_000), Stepped::Future(_)));
        let mut second = shard(&[begin(0, 2, first.mark(0))]);
        ping(&mut second, 0, 0, "u", 1_000);
        assert!(matches!(ping(&mut second, 0, 1, "v", 9_000_000), Stepped::Future(_)));
        assert_eq!(second.stream().watermark(), Some(1_000));
        assert_eq!(ping(&mut second, 0, 2, "w", 2_000), Stepped::Event(Admission::Accepted));
    }

    /// An input whose time went on by itself was behind the others all the same.
    #[test]
    fn what_was_not_said_for_an_input_that_was_idle_and_behind_is_said_after_a_restart() {
        let run = |shard: &mut Shard| {
            ping(shard, 0, 1, "x", 40_000);
            ping(shard, 1, 2, "x", 40_001);
            alerts(shard)
        };
        let mut first = shard(&[begin(0, 0, Mark::default()), begin(0, 0, Mark::default())]);
        ping(&mut first, 0, 0, "u", 1_000);
        ping(&mut first, 1, 0, "w", 1_001);
        for input in 0..2 {
            first.step(Step::Idle { input, elapsed_ms: 5_000 });
        }
        ping(&mut first, 1, 1, "v", 30_000);
        assert_eq!(alerts(&mut first), Vec::<String>::new(), "the first input is at 6 s");
        let mut second = shard(&[begin(0, 1, first.mark(0)), begin(0, 2, first.mark(1))]);
        ping(&mut second, 1, 0, "w", 1_001);
        ping(&mut second, 1, 1, "v", 30_000);
        ping(&mut second, 0, 0, "u", 1_000);
        assert!(second.is_speaking() && second.stream().watermark() == first.stream().watermark());
        assert_eq!(run(&mut second), ["u1000", "w1001"]);
        assert_eq!(run(&mut first), ["u1000", "w1001"]);
    }

    /// An input that was idle, and is no more, has let time go on further than it holds it back now.
    #[test]
    fn what_was_said_while_an_input_was_idle_is_not_said_again() {
        let late = |begin: Begin| Begin { settings: InputSettings { lateness_ms: 20_000, ..begin.settings }, ..begin };
        let mut first = shard(&[late(begin(0, 0, Mark::default())), late(begin(0, 0, Mark::default()))]);
        ping(&mut first, 0, 0, "u", 20_000);
        ping(&mut first, 1, 0, "w", 20_000);
        first.step(Step::Idle { input: 0, elapsed_ms: 0 });
        ping(&mut first, 1, 1, "v", 60_000);
        assert_eq!(alerts(&mut first).len(), 2, "both are silent at 30 s, and the watermark is at 40 s");
        ping(&mut first, 0, 1, "x", 45_000);
        let mut second = shard(&[late(begin(0, 2, first.mark(0))), late(begin(0, 2, first.mark(1)))]);
        ping(&mut second, 0, 0, "u", 20_000);
        ping(&mut second, 0, 1, "x", 45_000);
        ping(&mut second, 1, 0, "w", 20_000);
        ping(&mut second, 1, 1, "v", 60_000);
        assert!(second.is_speaking());
        assert_eq!(second.stream().watermark(), first.stream().watermark());
        ping(&mut second, 0, 2, "y", 70_000);
        assert_eq!(alerts(&mut second), Vec::<String>::new());
    }

    #[test]
    fn inputs_wait_for_each_other_before_the_shard_speaks() {
        let mark = |high| Mark::new(None, Some(high), false);
        let mut shard = shard(&[begin(0, 1, mark(1_000)), begin(0, 1, mark(50_000))]);
        ping(&mut shard, 1, 0, "v", 50_000);
        assert!(shard.is_waiting(1) && !shard.is_speaking());
        ping(&mut shard, 0, 0, "u", 1_000);
        assert!(shard.is_speaking());
        assert_eq!(alerts(&mut shard), Vec::<String>::new());
        ping(&mut shard, 0, 1, "w", 40_000);
        assert_eq!(alerts(&mut shard), ["u1000"], "the slower input holds back time as it did before");
    }

    #[test]
    fn an_idle_input_with_a_backlog_holds_back_time_again() {
        let idle = Mark::new(None, Some(1_000), true);
        let mut shard = shard(&[begin(0, 1, idle), begin(5, 5, Mark::new(None, Some(1_000), true))]);
        ping(&mut shard, 0, 0, "u", 1_000);
        assert!(shard.is_speaking() && !shard.is_idle(0) && !shard.is_idle(1));
        ping(&mut shard, 0, 1, "v", 60_000);
        assert_eq!(alerts(&mut shard), Vec::<String>::new());
        assert_eq!(ping(&mut shard, 1, 5, "u", 5_000), Stepped::Event(Admission::Accepted));
    }
}
