//! One program over events in order of time.

mod budget;
mod saved;
mod timers;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

use crate::alert::Alert;
use crate::engine::completed::Completed;
use crate::engine::desk::Desk;
use crate::engine::eval::Context;
use crate::engine::held::{self, Streaks};
use crate::engine::history::PastRun;
use crate::engine::keys::{KeyAt, KeyTable};
use crate::engine::limits::{Limits, Room};
use crate::engine::lookups::Tables;
use crate::engine::measures::{Measures, Outlet};
use crate::engine::memo::Memo;
use crate::engine::nfa::{self, Offer};
use crate::engine::pairs::Pairs;
use crate::engine::past::{Arriving, Memory, Past};
use crate::engine::pending::{self, Pending};
use crate::engine::runs::Runs;
use crate::engine::sessions::Sessions;
use crate::engine::stats::{MeasureStats, RuleStats, Stats, WithoutKey};
use crate::engine::suppress::Suppressor;
use crate::engine::trace::{Asked, Judged, Trace};
use crate::engine::two_step::TwoSteps;
use crate::engine::{candidates, lookups};
use crate::event::{Event, Key, KeyBuilder, Value};
use crate::program::{Dispatch, MeasureId, Program, Rows, Rule, RuleId, Strategy, TableId, TwoStep, TwoStepId};

/// What fires at the end of a finite input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum End {
    /// Deadlines up to the last event's time, inclusive: the input is complete up to there.
    #[default]
    LastEvent,
    /// All deadlines.
    Flush,
}

/// A program with its state. Events must come in order of time.
#[derive(Debug)]
pub struct Engine {
    program: Arc<Program>,
    state: State,
}

/// Everything that moves: what is remembered of the past, which judging only reads, and what judging changes.
#[derive(Debug)]
struct State {
    memory: Memory,
    /// The rows of the lists and tables.
    lookups: Vec<Arc<Rows>>,
    /// Whether there are tables that events change.
    applies_changes: bool,
    key: KeyBuilder,
    memo: Memo,
    live: Live,
    measures: Measures,
    without_key: WithoutKey,
    /// The rules and measures that look at the event at hand, in order.
    rules: Vec<RuleId>,
    measuring: Vec<MeasureId>,
    now_ms: i64,
    swept_ms: i64,
    /// The time from which on it is counted again what all keys have open.
    counted_ms: i64,
    /// The number of the event before which it was counted last.
    counted_arrival: u64,
}

/// What judging changes.
#[derive(Debug)]
struct Live {
    sources: Arc<[String]>,
    hasher: DefaultHashBuilder,
    shard: Shard,
    room: Room,
    /// By key.
    keys: Vec<KeyTable>,
    /// By rule.
    rules: Vec<RuleState>,
    /// Of the two-step sequences.
    two_steps: Vec<TwoSteps>,
    /// Whether all sequences are run by state machines: somebody asked how their runs end, or what their conditions see.
    plainly: bool,
    /// For each rule with something that ends by itself one time that is not after the first such end; at equal times
    /// rules that others stand on come first.
    timers: BinaryHeap<Reverse<(i64, u16, RuleId)>>,
    /// For each rule with something that is forgotten when its time has passed one time that is not after the first
    /// such time.
    sweeps: BinaryHeap<Reverse<(i64, RuleId)>>,
    /// Alerts that other rules are still to see.
    pending: Vec<Pending>,
    /// The rule and key whose judgements are written down, if anybody asked.
    asked: Asked,
    stats: Stats,
}

/// Which keys an engine judges: those whose hash falls to it.
#[derive(Clone, Copy, Debug)]
struct Shard {
    index: u64,
    count: u64,
    /// Whether by a hash that is the same in every process.
    lasting: bool,
}

#[derive(Debug)]
struct RuleState {
    runs: Runs,
    pairs: Pairs,
    streaks: Streaks,
    sessions: Sessions,
    suppressor: Suppressor,
    timer_set: bool,
    sweep_set: bool,
}

/// Where an event is judged: its key, and what is remembered of it.
#[derive(Clone, Copy)]
struct Place<'a> {
    program: &'a Program,
    tables: Tables<'a>,
    memo: &'a Memo,
    key: KeyAt<'a>,
    past: Option<Past<'a>>,
}

/// Runs whose time has passed are cleared at this distance of event time, so that the clearing of a rule that nothing
/// touches costs nothing per event.
const SWEEP_MS: i64 = 1_000;

impl Engine {
    /// An engine at the beginning of its input.
    pub fn new(program: Arc<Program>) -> Engine {
        Engine::shard(program, DefaultHashBuilder::default(), Shard { index: 0, count: 1, lasting: false })
    }

    /// Engines that share the keys among them: each is given every event and judges what is its own. Together they
    /// give the alerts of one.
    pub fn sharded(program: &Arc<Program>, count: usize) -> Vec<Engine> {
        let hasher = DefaultHashBuilder::default();
        let count = count.max(1) as u64;
        let shard = |index| Engine::shard(Arc::clone(program), hasher.clone(), Shard { index, count, lasting: false });
        (0..count).map(shard).collect()
    }

    fn shard(program: Arc<Program>, hasher: DefaultHashBuilder, shard: Shard) -> Engine {
        let live = Live {
            sources: Arc::from([]),
            keys: program.keys.iter().map(|plan| KeyTable::new(hasher.clone(), plan.usual_cells)).collect(),
            shard,
            room: Room::ENDLESS,
            rules: program.rules.iter().map(RuleState::new).collect(),
            two_steps: two_steps(&program),
            hasher,
            plainly: false,
            timers: BinaryHeap::new(),
            sweeps: BinaryHeap::new(),
            pending: Vec::new(),
            asked: None,
            stats: Stats {
                rules: vec![RuleStats::default(); program.rules.len()],
                measures: vec![MeasureStats::default(); program.measures.len()],
                ..Stats::default()
            },
        };
        let state = State {
            memory: Memory::new(&program),
            lookups: lookups::initial(&program),
            applies_changes: !program.changes.is_empty(),
            key: KeyBuilder::default(),
            memo: Memo::new(program.predicates),
            live,
            measures: Measures::new(&program),
            without_key: WithoutKey::new(&program),
            rules: Vec::new(),
            measuring: Vec::new(),
            now_ms: i64::MIN,
            swept_ms: i64::MIN,
            counted_ms: i64::MAX,
            counted_arrival: 0,
        };
        Engine { program, state }
    }

    /// From now on no more than this is open.
    pub fn set_limits(&mut self, limits: Limits) {
        self.state.live.room = Room { limits, full: None };
        self.state.counted_ms = if limits.has_budget() { i64::MIN } else { i64::MAX };
    }

    /// From now on only the keys that lie in one of so many partitions are judged, as [`Key::partition`] says; what is
    /// pinned, in the first. In which one a key lies is the same in every process.
    pub fn judge_partition(&mut self, index: usize, count: usize) {
        self.state.live.shard = Shard { index: index as u64, count: count as u64, lasting: true };
    }

    /// Names the sources, by their number: an event without an id is told from others by its place in them.
    pub fn name_sources(&mut self, names: Arc<[String]>) {
        self.state.live.sources = names;
    }

    /// From now on events change no table: whoever runs the engine keeps the rows, from the same topics.
    pub fn keep_tables_outside(&mut self) {
        self.state.applies_changes = false;
    }

    /// From now on a list or table has these rows.
    pub fn replace_table(&mut self, id: TableId, rows: Arc<Rows>) {
        self.state.lookups[id.index()] = rows;
    }

    /// Sets one row of a list or table, or takes it away.
    pub fn update_table(&mut self, id: TableId, key: &Value, row: Option<Box<[Value]>>) {
        lookups::update(&mut self.state.lookups[id.index()], key, row);
    }

    /// The rows of the lists and tables as they are now, by their number.
    pub fn tables(&self) -> &[Arc<Rows>] {
        &self.state.lookups
    }

    /// Judges an event, which is not before the last one. Waits that ended before it fire first.
    #[inline]
    pub fn on_event(&mut self, event: &Event, alerts: &mut Vec<Alert>) {
        let Engine { program, state } = self;
        debug_assert!(event.time_ms >= state.now_ms, "events come in order of time");
        state.now_ms = event.time_ms;
        state.fire(program, event.time_ms, alerts);
        if state.applies_changes {
            lookups::apply(program, event, &mut state.lookups);
        }
        // Each event is counted by one shard only.
        let counts = state.live.shard.is_first();
        state.live.stats.events += u64::from(counts);
        if event.time_ms >= state.counted_ms {
            state.keep_to_budget(program, event.time_ms);
        }
        if event.type_id.is_none() {
            state.live.stats.undeclared += u64::from(counts);
            return;
        }
        state.judge(program, event, alerts);
        state.settle(program, alerts);
    }

    /// Fires the waits that ended before the watermark, and forgets what lies too far back.
    pub fn advance(&mut self, watermark_ms: i64, alerts: &mut Vec<Alert>) {
        let Engine { program, state } = self;
        state.fire(program, watermark_ms, alerts);
        if watermark_ms.saturating_sub(state.swept_ms) >= SWEEP_MS {
            state.sweep(program, watermark_ms);
        }
    }

    /// The input has ended at `last_ms`.
    pub fn finish(&mut self, end: End, last_ms: Option<i64>, alerts: &mut Vec<Alert>) {
        let before_ms = match (end, last_ms) {
            (End::Flush, _) => i64::MAX,
            (End::LastEvent, Some(last_ms)) => last_ms.saturating_add(1),
            (End::LastEvent, None) => return,
        };
        self.state.fire(&self.program, before_ms, alerts);
    }

    /// What has been counted.
    pub fn stats(&self) -> Stats {
        let mut stats = self.state.live.stats.clone();
        self.state.without_key.add_to(&mut stats, &self.program);
        stats
    }

    /// From now on keeps how the runs of all rules end.
    pub fn keep_history(&mut self) {
        self.run_plainly();
        self.state.live.rules.iter_mut().for_each(|rule| rule.runs.keep_history());
    }

    /// How the runs of a rule ended since [`Engine::keep_history`], in order, and then those that are open.
    pub fn history(&self, rule: RuleId) -> Vec<PastRun> {
        let live = &self.state.live;
        live.rules[rule.index()].runs.history(&live.keys[self.program.rules[rule.index()].key.index()])
    }

    /// From now on writes down what the conditions of a rule see for a key.
    pub fn trace(&mut self, rule: RuleId, key: Key) {
        self.run_plainly();
        self.state.live.asked = Some(Arc::new(Trace::new(rule, key)));
    }

    /// From now on all sequences are run by state machines; nothing is open yet.
    fn run_plainly(&mut self) {
        let Live { keys, hasher, plainly, .. } = &mut self.state.live;
        debug_assert!(keys.iter().all(|table| table.len() == 0), "it is asked for before the first event");
        *keys = self.program.keys.iter().map(|plan| KeyTable::new(hasher.clone(), plan.cells.len())).collect();
        *plainly = true;
    }

    /// What the conditions saw since [`Engine::trace`], in order.
    pub fn traced(&self) -> Vec<Judged> {
        self.state.live.asked.as_ref().map_or_else(Vec::new, |asked| asked.judged())
    }

    /// How many runs, sessions, streaks and sides of a join are open.
    pub fn open_runs(&self) -> usize {
        let two_steps = self.state.live.two_steps.iter().map(TwoSteps::len);
        self.state.live.rules.iter().map(RuleState::open).chain(two_steps).sum()
    }

    /// How many runs are open of each rule that has any; of rules that run together the first stands for all.
    pub fn open_by_rule(&self) -> impl Iterator<Item = (&str, usize)> {
        let Engine { program, state } = self;
        let alone = program.rules.iter().zip(&state.live.rules).map(|(rule, state)| (rule, state.open()));
        let two_steps = program.two_steps.iter().zip(&state.live.two_steps);
        let together = two_steps.map(|(two_step, runs)| (&program.rules[two_step.members[0].rule.index()], runs.len()));
        alone.chain(together).filter(|(_, open)| *open > 0).map(|(rule, open)| (&*rule.name, open))
    }

    /// How many keys have an open run.
    pub fn open_keys(&self) -> usize {
        self.state.live.keys.iter().map(KeyTable::open).sum()
    }

    /// How many rows remember something of a key's past, and how many are in open windows of measures.
    pub fn remembered(&self) -> usize {
        self.state.memory.rows() + self.state.measures.len()
    }
}

impl State {
    /// Offers an event, which is of a declared or derived type, to the rules that name it.
    #[inline]
    fn judge(&mut self, program: &Program, event: &Event, alerts: &mut Vec<Alert>) {
        let type_id = event.type_id.expect("only typed events are judged");
        self.memo.begin();
        for (at, dispatch) in program.types[type_id.index()].dispatch.iter().enumerate() {
            self.key.clear();
            if dispatch.values.iter().all(|slot| self.key.push(&event.values[usize::from(*slot)])) {
                self.dispatch(program, dispatch, event, alerts);
            } else if self.live.shard.is_first() {
                self.without_key.count(type_id, at);
            }
        }
    }

    /// Offers an event, whose key is made, to the rules with this key that it can mean anything to.
    fn dispatch(&mut self, program: &Program, dispatch: &Dispatch, event: &Event, alerts: &mut Vec<Alert>) {
        let State { memory, lookups, key, memo, live, measures, rules, measuring, .. } = self;
        let hash = live.hash(key.as_bytes());
        let is_own = if live.shard.lasting {
            live.shard.holds(program, dispatch, key.as_bytes())
        } else {
            live.shard.owns(hash, dispatch.pinned)
        };
        if !is_own {
            return;
        }
        let key = KeyAt { hash, bytes: key.as_bytes() };
        // One look-up serves all that keeps something of this key.
        live.keys[dispatch.key.index()].enter(key);
        let arriving = Arriving { program, dispatch, key, event, tables: lookups };
        memory.before(arriving, &mut live.keys[dispatch.key.index()]);
        let past = dispatch.reads_past().then_some(Past { program, memory, key });
        let context = Context { past, ..Context::of_judged(event, lookups, memo) };
        if live.plainly {
            rules.extend_from_slice(&dispatch.rules);
        } else {
            candidates::find(&dispatch.entries, context, rules);
            live.add_open(program, dispatch, key, rules);
            candidates::put_in_order(rules);
        }
        let place = Place { program, tables: lookups, memo, key, past };
        for rule in rules.drain(..) {
            live.offer(&program.rules[rule.index()], place, event, alerts);
        }
        candidates::find(&dispatch.measured, context, measuring);
        candidates::put_in_order(measuring);
        for measure in measuring.drain(..) {
            measures.offer(measure, key, context, &mut live.outlet(program, lookups, alerts));
        }
        let keys = &mut live.keys[dispatch.key.index()];
        memory.after(arriving, keys);
        keys.leave();
    }

    /// Shows alerts to the rules over them, those of rules that stand lowest first, until there is nothing to show.
    #[inline]
    fn settle(&mut self, program: &Program, alerts: &mut Vec<Alert>) {
        while let Some(pending) = pending::next(&mut self.live.pending) {
            for event in &pending.events {
                self.judge(program, event, alerts);
            }
        }
    }

    /// Fires what ended before a time, the earliest first.
    #[inline]
    fn fire(&mut self, program: &Program, before_ms: i64, alerts: &mut Vec<Alert>) {
        while self.live.timers.peek().is_some_and(|Reverse((ends_ms, ..))| *ends_ms < before_ms) {
            self.live.fire_next(program, &self.lookups, alerts);
            self.settle(program, alerts);
        }
        if self.measures.is_due(before_ms) {
            self.measures.fire(before_ms, &mut self.live.outlet(program, &self.lookups, alerts));
        }
    }
}

impl Live {
    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        Key::hash_of(key, &self.hasher)
    }

    /// Where what measures emit goes.
    fn outlet<'a>(&'a mut self, program: &'a Program, tables: Tables<'a>, alerts: &'a mut Vec<Alert>) -> Outlet<'a> {
        let Live { sources, keys, stats, .. } = self;
        Outlet { program, sources, tables, keys, stats: &mut stats.measures, alerts }
    }

    /// Adds the rules of a dispatch that look at an event whatever it holds: those with open runs of its key, and one
    /// whose judgements are written down. Under the same key other rules may listen elsewhere, to another part of the
    /// event.
    #[inline]
    fn add_open(&self, program: &Program, dispatch: &Dispatch, key: KeyAt<'_>, rules: &mut Vec<RuleId>) {
        let keys = &self.keys[dispatch.key.index()];
        let owners = &program.keys[dispatch.key.index()].cells;
        let mut add = |rule: RuleId| {
            if dispatch.rules.binary_search(&rule).is_ok() {
                rules.push(rule);
            }
        };
        if let Some(row) = keys.here() {
            keys.each_open(row, |cell| owners[cell.index()].into_iter().for_each(&mut add));
        }
        if let Some(asked) = self.asked.as_ref().and_then(|asked| asked.rule_of(key.bytes)) {
            add(asked);
        }
    }

    /// Offers an event to a rule, or to those that run together with it.
    fn offer(&mut self, rule: &Rule, place: Place<'_>, event: &Event, alerts: &mut Vec<Alert>) {
        if let Some(two_step) = rule.two_step.filter(|_| !self.plainly) {
            return self.offer_to_two_steps(two_step, rule, place, event, alerts);
        }
        let Place { program, tables, memo, key, past } = place;
        let mut offer = Offer::new(rule, event, memo, past, tables);
        if let Some(asked) = self.asked.as_ref().filter(|asked| asked.is_of(rule.id, key.bytes)) {
            offer.trace(Some(Arc::clone(asked)));
        }
        let state = &mut self.rules[rule.id.index()];
        let stats = &mut self.stats.rules[rule.id.index()];
        let mut desk = Desk { program, sources: &self.sources, pending: &mut self.pending, stats, alerts };
        let suppressor = &mut state.suppressor;
        let send = |completed: Completed<'_>| desk.send(suppressor, key.bytes, &completed);
        let at = (&mut self.keys[rule.key.index()], key);
        match &rule.strategy {
            Strategy::Filter => {
                if offer.starts().is_some() {
                    offer.complete_at_once(send);
                }
            }
            Strategy::EachPair => {
                let dropped = state.pairs.offer(&mut offer, at, &self.room, send);
                stats.dropped.add(dropped);
                self.set_sweep(rule);
            }
            Strategy::Held(held) => {
                let dropped = held::offer(&mut offer, *held, &mut state.streaks, at, &self.room, send);
                stats.dropped.add(dropped);
                self.set_sweep(rule);
            }
            Strategy::Session(session) => {
                let dropped = state.sessions.offer(&mut offer, session, at, &self.room);
                stats.dropped.add(dropped);
                self.set_timer(rule);
            }
            Strategy::SequenceNfa | Strategy::AllOf => self.offer_to_runs(offer, place, alerts),
        }
    }

    /// Offers an event to the two-step sequences that run together, once for all of them; `first` is the first.
    fn offer_to_two_steps(
        &mut self,
        id: TwoStepId,
        first: &Rule,
        place: Place<'_>,
        event: &Event,
        alerts: &mut Vec<Alert>,
    ) {
        let Place { program, tables, memo, key, past } = place;
        let two_step = &program.two_steps[id.index()];
        let offer = Offer::new(first, event, memo, past, tables);
        let Live { sources, room, pending, stats, rules, two_steps, keys, .. } = self;
        let (runs, keys) = (&mut two_steps[id.index()], &mut keys[first.key.index()]);
        runs.complete(program, two_step, &offer, keys, |completed| {
            let at = completed.rule.id.index();
            let mut desk = Desk { program, sources, pending, stats: &mut stats.rules[at], alerts };
            desk.send(&mut rules[at].suppressor, key.bytes, completed);
        });
        if offer.starts().is_some() {
            runs.start(two_step, &offer, keys, key, room, &mut stats.rules);
        }
    }

    fn offer_to_runs(&mut self, mut offer: Offer<'_>, place: Place<'_>, alerts: &mut Vec<Alert>) {
        let Place { program, key, .. } = place;
        let (rule, event) = (offer.rule, offer.event);
        let state = &mut self.rules[rule.id.index()];
        let stats = &mut self.stats.rules[rule.id.index()];
        let mut desk = Desk { program, sources: &self.sources, pending: &mut self.pending, stats, alerts };
        let suppressor = &mut state.suppressor;
        let send = |completed: Completed<'_>| desk.send(suppressor, key.bytes, &completed);
        let keys = &mut self.keys[rule.key.index()];
        let used_up = keys.here().is_some_and(|row| offer.offer_to_open_runs(&mut state.runs, keys, row, send));
        let starts = if used_up { None } else { offer.starts() };
        let is_tight = self.room.is_tight(self.rules[rule.id.index()].runs.len());
        if let Some(first) = starts.filter(|_| !is_tight || self.admit(rule, event.time_ms)) {
            let RuleState { runs, .. } = &mut self.rules[rule.id.index()];
            let keys = &mut self.keys[rule.key.index()];
            let row = keys.here_or_new(key);
            let of_key = runs.of_key(keys, row);
            let limits = &self.room.limits;
            let dropped = &mut self.stats.rules[rule.id.index()].dropped;
            if of_key.open() < limits.open_runs_per_key || nfa::make_room(runs, keys, of_key, limits, dropped) {
                offer.start(runs, keys, row, first);
                self.sweep_behind(rule, event.time_ms);
            }
        }
        if rule.absence.is_some() {
            self.set_timer(rule);
        }
    }
}

/// No runs yet, of each.
fn two_steps(program: &Program) -> Vec<TwoSteps> {
    let within_ms = |two_step: &TwoStep| {
        let within = program.rules[two_step.members[0].rule.index()].within;
        within.expect("a two-step sequence has an end").ms
    };
    program.two_steps.iter().map(|two_step| TwoSteps::new(within_ms(two_step), two_step.cell)).collect()
}

impl RuleState {
    fn new(rule: &Rule) -> RuleState {
        RuleState {
            runs: Runs::new(rule.cell),
            pairs: Pairs::new(rule.cell),
            streaks: Streaks::of_runs(rule.cell),
            sessions: Sessions::new(rule.cell),
            suppressor: Suppressor::default(),
            timer_set: false,
            sweep_set: false,
        }
    }
}

impl Shard {
    fn is_first(self) -> bool {
        self.index == 0
    }

    /// By the partition of the key.
    fn holds(self, program: &Program, dispatch: &Dispatch, key: &[u8]) -> bool {
        let parts = &program.keys[dispatch.key.index()].parts;
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let partition = if dispatch.pinned { 0 } else { Key::partition(parts, key, count) };
        partition as u64 == self.index
    }

    /// By bits of the hash that the key table does not use first.
    #[inline]
    fn owns(self, hash: u64, pinned: bool) -> bool {
        self.count == 1
            || if pinned { self.is_first() } else { (hash.rotate_left(24) & 0xffff) % self.count == self.index }
    }
}
