//! One program over events in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

use crate::alert::Alert;
use crate::engine::emit;
use crate::engine::history::PastRun;
use crate::engine::nfa::{self, Completed, Offer};
use crate::engine::runs::{KeyTable, Row, Runs};
use crate::engine::suppress::Suppressor;
use crate::event::{Event, KeyBuilder};
use crate::program::{Dispatch, Program, Rule, RuleId, Strategy};

/// What fires at the end of a finite input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum End {
    /// Deadlines up to the last event's time, inclusive: the input is complete up to there.
    #[default]
    LastEvent,
    /// All deadlines.
    Flush,
}

/// What an engine has counted since it began.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Events that were judged.
    pub events: u64,
    /// Of these, events of a type that is not declared.
    pub undeclared: u64,
    /// By rule.
    pub rules: Vec<RuleStats>,
}

/// What has been counted for a rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleStats {
    /// Alerts that were sent.
    pub alerts: u64,
    /// Alerts that `at most once per` held back.
    pub suppressed: u64,
    /// Events that the rule did not see because a part of its key is missing.
    pub missing_key: u64,
}

/// A program with its state. Events must come in order of time.
#[derive(Debug)]
pub struct Engine {
    program: Arc<Program>,
    state: State,
}

/// Everything that moves.
#[derive(Debug)]
struct State {
    sources: Arc<[String]>,
    hasher: DefaultHashBuilder,
    shard: Shard,
    /// By key.
    tables: Vec<KeyTable>,
    /// By rule.
    rules: Vec<RuleState>,
    /// For each rule with a waiting run one time that is not after the end of its first wait.
    timers: BinaryHeap<Reverse<(i64, RuleId)>>,
    key: KeyBuilder,
    stats: Stats,
    now_ms: i64,
    swept_ms: i64,
}

/// Which keys an engine judges: those whose hash falls to it.
#[derive(Clone, Copy, Debug)]
struct Shard {
    index: u64,
    count: u64,
}

#[derive(Debug, Default)]
struct RuleState {
    runs: Runs,
    suppressor: Suppressor,
    timer_set: bool,
}

/// Runs whose time has passed are cleared at this distance of event time, so that the clearing of a rule that nothing
/// touches costs nothing per event.
const SWEEP_MS: i64 = 1_000;

impl Engine {
    /// An engine at the beginning of its input.
    pub fn new(program: Arc<Program>) -> Engine {
        Engine::shard(program, DefaultHashBuilder::default(), Shard { index: 0, count: 1 })
    }

    /// Engines that share the keys among them: each is given every event and judges what is its own. Together they
    /// give the alerts of one.
    pub fn sharded(program: &Arc<Program>, count: usize) -> Vec<Engine> {
        let hasher = DefaultHashBuilder::default();
        let count = count.max(1) as u64;
        let shard = |index| Engine::shard(Arc::clone(program), hasher.clone(), Shard { index, count });
        (0..count).map(shard).collect()
    }

    fn shard(program: Arc<Program>, hasher: DefaultHashBuilder, shard: Shard) -> Engine {
        let state = State {
            sources: Arc::from([]),
            hasher,
            shard,
            tables: program.keys.iter().map(|_| KeyTable::default()).collect(),
            rules: program.rules.iter().map(|_| RuleState::default()).collect(),
            timers: BinaryHeap::new(),
            key: KeyBuilder::default(),
            stats: Stats { rules: vec![RuleStats::default(); program.rules.len()], ..Stats::default() },
            now_ms: i64::MIN,
            swept_ms: i64::MIN,
        };
        Engine { program, state }
    }

    /// Names the sources, by their number: an event without an id is told from others by its place in them.
    pub fn name_sources(&mut self, names: Arc<[String]>) {
        self.state.sources = names;
    }

    /// Judges an event, which is not before the last one. Waits that ended before it fire first.
    #[inline]
    pub fn on_event(&mut self, event: &Event, alerts: &mut Vec<Alert>) {
        let Engine { program, state } = self;
        debug_assert!(event.time_ms >= state.now_ms, "events come in order of time");
        state.now_ms = event.time_ms;
        state.fire(program, event.time_ms, alerts);
        // Each event is counted by one shard only.
        state.stats.events += u64::from(state.shard.is_first());
        let Some(type_id) = event.type_id else {
            state.stats.undeclared += u64::from(state.shard.is_first());
            return;
        };
        for dispatch in &program.types[type_id.index()].dispatch {
            state.dispatch(program, dispatch, event, alerts);
        }
    }

    /// Fires the waits that ended before the watermark, and forgets runs whose time has passed.
    pub fn advance(&mut self, watermark_ms: i64, alerts: &mut Vec<Alert>) {
        let Engine { program, state } = self;
        state.fire(program, watermark_ms, alerts);
        if watermark_ms.saturating_sub(state.swept_ms) >= SWEEP_MS {
            state.swept_ms = watermark_ms;
            for rule in &program.rules {
                state.sweep(rule, watermark_ms, usize::MAX);
            }
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
    pub fn stats(&self) -> &Stats {
        &self.state.stats
    }

    /// From now on keeps how the runs of all rules end.
    pub fn keep_history(&mut self) {
        self.state.rules.iter_mut().for_each(|rule| rule.runs.keep_history());
    }

    /// How the runs of a rule ended since [`Engine::keep_history`], in order, and then those that are open.
    pub fn history(&self, rule: RuleId) -> Vec<PastRun> {
        self.state.rules[rule.index()].runs.history()
    }

    /// How many runs are open.
    pub fn open_runs(&self) -> usize {
        self.state.rules.iter().map(|rule| rule.runs.len()).sum()
    }

    /// How many keys have something open.
    pub fn open_keys(&self) -> usize {
        self.state.tables.iter().map(KeyTable::len).sum()
    }
}

impl State {
    fn dispatch(&mut self, program: &Program, dispatch: &Dispatch, event: &Event, alerts: &mut Vec<Alert>) {
        self.key.clear();
        if !dispatch.values.iter().all(|slot| self.key.push(&event.values[usize::from(*slot)])) {
            for rule in &dispatch.rules {
                self.stats.rules[rule.index()].missing_key += u64::from(self.shard.is_first());
            }
            return;
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write(self.key.as_bytes());
        let hash = hasher.finish();
        if !self.shard.owns(hash) {
            return;
        }
        // One look-up serves all rules with this key.
        let mut row = self.tables[dispatch.key.index()].find(hash, self.key.as_bytes());
        for rule in &dispatch.rules {
            row = self.offer(program, &program.rules[rule.index()], (hash, row), event, alerts);
        }
    }

    /// Offers an event to a rule. Takes and gives the key's hash and its row, if it has something open.
    fn offer(
        &mut self,
        program: &Program,
        rule: &Rule,
        (hash, row): (u64, Option<Row>),
        event: &Event,
        alerts: &mut Vec<Alert>,
    ) -> Option<Row> {
        let mut offer = Offer::new(rule, event);
        let key = self.key.as_bytes();
        let state = &mut self.rules[rule.id.index()];
        let stats = &mut self.stats.rules[rule.id.index()];
        let suppressor = &mut state.suppressor;
        let mut send = |completed: Completed<'_>| {
            send(program, &self.sources, suppressor, stats, key, &completed, alerts);
        };
        if rule.strategy == Strategy::Filter {
            if offer.starts() {
                offer.complete_at_once(send);
            }
            return row;
        }
        let table = &mut self.tables[rule.key.index()];
        let mut used_up = false;
        if let Some(list) = row.and_then(|row| table.open_list(row, rule.id)) {
            used_up = offer.offer_to_open_runs(&mut state.runs, list, &mut send);
        }
        let starts = !used_up && offer.starts();
        let row = if starts {
            let row = row.unwrap_or_else(|| table.insert(hash, key));
            offer.start(&mut state.runs, row, table.list_mut(row, rule.id));
            Some(row)
        } else {
            row.filter(|row| !table.tidy(*row, rule.id))
        };
        if starts && rule.within.is_some() {
            // As many leave as come, so what has passed never piles up. This key keeps its row: it has a run.
            self.sweep(rule, event.time_ms, 2);
        }
        if rule.absence.is_some() {
            self.set_timer(rule);
        }
        row
    }

    /// Forgets up to `most` runs of a rule whose `within` has passed.
    fn sweep(&mut self, rule: &Rule, watermark_ms: i64, most: usize) {
        let runs = &mut self.rules[rule.id.index()].runs;
        for _ in 0..most {
            let Some(row) = runs.expired(watermark_ms) else { break };
            nfa::expire(rule, runs, &mut self.tables[rule.key.index()], row);
        }
    }

    fn set_timer(&mut self, rule: &Rule) {
        let state = &mut self.rules[rule.id.index()];
        if !state.timer_set
            && let Some(ends_ms) = state.runs.next_wait_end()
        {
            state.timer_set = true;
            self.timers.push(Reverse((ends_ms, rule.id)));
        }
    }

    /// Fires the waits that ended before a time, the earliest first; at equal times in the order of rules, and within
    /// a rule the run that began to wait first.
    #[inline]
    fn fire(&mut self, program: &Program, before_ms: i64, alerts: &mut Vec<Alert>) {
        while self.timers.peek().is_some_and(|Reverse((ends_ms, _))| *ends_ms < before_ms) {
            self.fire_next(program, alerts);
        }
    }

    fn fire_next(&mut self, program: &Program, alerts: &mut Vec<Alert>) {
        let Some(Reverse((due_ms, id))) = self.timers.pop() else { return };
        let rule = &program.rules[id.index()];
        let state = &mut self.rules[id.index()];
        state.timer_set = false;
        // The timer was set for a run that may have ended meanwhile; then it is set again for the one now first.
        if let Some(row) = state.runs.wait_over(due_ms.saturating_add(1)) {
            let stats = &mut self.stats.rules[id.index()];
            let (sources, suppressor) = (&self.sources, &mut state.suppressor);
            let table = &mut self.tables[rule.key.index()];
            nfa::wait_ended(rule, &mut state.runs, table, row, |table, key, completed| {
                send(program, sources, suppressor, stats, table.key(key).as_bytes(), &completed, alerts);
            });
        }
        self.set_timer(rule);
    }
}

impl Shard {
    fn is_first(self) -> bool {
        self.index == 0
    }

    /// By bits of the hash that the key table does not use first.
    #[inline]
    fn owns(self, hash: u64) -> bool {
        self.count == 1 || (hash.rotate_left(24) & 0xffff) % self.count == self.index
    }
}

impl Stats {
    /// Adds what another shard has counted.
    pub fn add(&mut self, other: &Stats) {
        self.events += other.events;
        self.undeclared += other.undeclared;
        self.rules.resize(self.rules.len().max(other.rules.len()), RuleStats::default());
        for (rule, other) in self.rules.iter_mut().zip(&other.rules) {
            rule.alerts += other.alerts;
            rule.suppressed += other.suppressed;
            rule.missing_key += other.missing_key;
        }
    }
}

/// Makes an alert of a completed run, unless `at most once per` holds it back.
fn send(
    program: &Program,
    sources: &[String],
    suppressor: &mut Suppressor,
    stats: &mut RuleStats,
    key: &[u8],
    completed: &Completed<'_>,
    alerts: &mut Vec<Alert>,
) {
    let suppressed = match completed.rule.alert.at_most_once_ms {
        Some(ms) => suppressor.admit(key, completed.time_ms, ms),
        None => Some(0),
    };
    let Some(suppressed) = suppressed else {
        stats.suppressed += 1;
        return;
    };
    stats.alerts += 1;
    let mut alert = emit::alert(program, sources, key, completed);
    alert.suppressed = suppressed;
    alerts.push(alert);
}
