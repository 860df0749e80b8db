//! What all keys together may have open: counted now and then, and what is over dropped, the oldest first.
//!
//! It is counted before the first event of a second of event time, once as many events have come as there are rules and
//! more to be looked at, so that counting costs nothing that shows. The moment depends on the events alone and on no
//! batch, so the same events drop the same runs. What has passed by itself is let go of first: it is not dropped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Live, RuleState, State};
use crate::engine::held::Streaks;
use crate::engine::keys::KeyTable;
use crate::engine::limits::{Footprint, Limit, WhenFull};
use crate::engine::nfa;
use crate::engine::record;
use crate::engine::runs;
use crate::engine::suppress::Suppressor;
use crate::program::{Program, Rule, RuleId, Strategy, TwoStepId};

/// Who has something open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Rule(RuleId),
    TwoStep(TwoStepId),
}

/// The distance of event time at which it is counted what is open.
const COUNT_MS: i64 = 1_000;

impl State {
    /// Forgets all of which the time has passed.
    pub(super) fn sweep(&mut self, program: &Program, now_ms: i64) {
        self.swept_ms = now_ms;
        self.memory.sweep(program, now_ms, &mut self.live.keys);
        self.live.sweep_due(program, now_ms);
        for (two_step, runs) in program.two_steps.iter().zip(&mut self.live.two_steps) {
            let key = program.rules[two_step.members[0].rule.index()].key;
            runs.expire(two_step, &mut self.live.keys[key.index()], now_ms);
        }
    }

    /// Before an event of this time: if more is open than all keys may have, drops what is oldest, or lets nothing new
    /// begin.
    #[cold]
    pub(super) fn keep_to_budget(&mut self, program: &Program, now_ms: i64) {
        self.counted_ms = now_ms.div_euclid(COUNT_MS).saturating_add(1).saturating_mul(COUNT_MS);
        let to_look_at = program.rules.len() + program.windows.len() + program.measures.len();
        if self.memo.arrival() < self.counted_arrival + to_look_at as u64 {
            return;
        }
        self.counted_arrival = self.memo.arrival();
        self.sweep(program, now_ms);
        let remembered = self.memory.bytes(program) + self.measures.bytes(program);
        self.live.keep_to_budget(program, remembered);
    }
}

impl Live {
    fn keep_to_budget(&mut self, program: &Program, remembered: usize) {
        let limits = self.room.limits;
        let mut open = self.footprint(program);
        open.bytes += remembered;
        self.room.full = None;
        let Some(limit) = limits.exceeded(open) else { return };
        if limits.when_full == WhenFull::DropNew {
            self.room.full = Some(limit);
            return;
        }
        let oldest = holders(program).filter_map(|holder| Some(Reverse((self.oldest_ms(program, holder)?, holder))));
        let mut oldest: BinaryHeap<Reverse<(i64, Holder)>> = oldest.collect();
        while let Some(limit) = limits.exceeded(open)
            && let Some(Reverse((_, holder))) = oldest.pop()
        {
            let before = self.footprint_of(program, holder);
            self.drop_oldest(program, holder, limit);
            open = open.minus(before).plus(self.footprint_of(program, holder));
            oldest.extend(self.oldest_ms(program, holder).map(|oldest_ms| Reverse((oldest_ms, holder))));
        }
    }

    /// Whether a run of a rule and the key at hand may start beside those of all keys. Room that its own key makes is enough.
    #[cold]
    pub(super) fn admit(&mut self, rule: &Rule, now_ms: i64) -> bool {
        let keys = &self.keys[rule.key.index()];
        let of_key = keys.here().map_or(0, |row| self.rules[rule.id.index()].runs.of_key(keys, row).open());
        if self.room.full.is_none() && of_key >= self.room.limits.open_runs_per_key {
            return true;
        }
        self.sweep(rule, now_ms, usize::MAX);
        let RuleState { runs, .. } = &mut self.rules[rule.id.index()];
        let (keys, dropped) = (&mut self.keys[rule.key.index()], &mut self.stats.rules[rule.id.index()].dropped);
        self.room.admit(!keys.is_open_here(), runs.len(), dropped, || usize::from(nfa::drop_oldest(runs, keys)))
    }

    /// What all rules have open.
    fn footprint(&self, program: &Program) -> Footprint {
        let tables = self.keys.iter().map(of_table);
        let holders = holders(program).map(|holder| self.own_footprint(program, holder));
        let mut open = tables.chain(holders).fold(Footprint::default(), Footprint::plus);
        open.bytes += self.rules.iter().map(|rule| rule.suppressor.len() * Suppressor::ROW_BYTES).sum::<usize>();
        open
    }

    /// What one holder has open, with all keys of its table.
    fn footprint_of(&self, program: &Program, holder: Holder) -> Footprint {
        let own = self.own_footprint(program, holder);
        own.plus(of_table(&self.keys[rule_of(program, holder).key.index()]))
    }

    /// What one holder has open, without what it shares with others.
    fn own_footprint(&self, program: &Program, holder: Holder) -> Footprint {
        match holder {
            Holder::Rule(id) => self.rules[id.index()].footprint(&program.rules[id.index()]),
            Holder::TwoStep(id) => self.two_steps[id.index()].footprint(rule_of(program, holder)),
        }
    }

    /// When that began which a holder would drop first.
    fn oldest_ms(&self, program: &Program, holder: Holder) -> Option<i64> {
        let id = match holder {
            Holder::Rule(id) => id,
            Holder::TwoStep(id) => return self.two_steps[id.index()].oldest_ms(),
        };
        let (rule, state) = (&program.rules[id.index()], &self.rules[id.index()]);
        match &rule.strategy {
            Strategy::Filter => None,
            Strategy::EachPair => state.pairs.oldest_ms(),
            Strategy::Held(_) => state.streaks.oldest_ms(),
            Strategy::Session(_) => state.sessions.oldest_ms(),
            Strategy::SequenceNfa | Strategy::AllOf => {
                state.runs.oldest(&self.keys[rule.key.index()]).map(|(start_ms, _)| start_ms)
            }
        }
    }

    /// Drops what a holder has had open for longest.
    fn drop_oldest(&mut self, program: &Program, holder: Holder, limit: Limit) {
        let id = match holder {
            Holder::Rule(id) => id,
            Holder::TwoStep(id) => {
                let two_step = &program.two_steps[id.index()];
                let keys = &mut self.keys[rule_of(program, holder).key.index()];
                self.two_steps[id.index()].drop_oldest(two_step, keys, limit, &mut self.stats.rules);
                return;
            }
        };
        let (rule, state) = (&program.rules[id.index()], &mut self.rules[id.index()]);
        let keys = &mut self.keys[rule.key.index()];
        let runs = match &rule.strategy {
            Strategy::Filter => 0,
            Strategy::EachPair => state.pairs.drop_oldest(keys),
            Strategy::Held(_) => usize::from(state.streaks.take_oldest(keys).is_some()),
            Strategy::Session(_) => usize::from(state.sessions.drop_oldest(keys)),
            Strategy::SequenceNfa | Strategy::AllOf => usize::from(nfa::drop_oldest(&mut state.runs, keys)),
        };
        self.stats.rules[id.index()].dropped.count(limit, runs);
    }
}

impl RuleState {
    /// What a rule has open, without the keys that it shares with others.
    fn footprint(&self, rule: &Rule) -> Footprint {
        match &rule.strategy {
            Strategy::Filter => Footprint::default(),
            Strategy::EachPair => self.pairs.footprint(rule),
            Strategy::Held(_) => Footprint::of_rows(self.streaks.len(), Streaks::ROW_BYTES),
            Strategy::Session(session) => self.sessions.footprint(rule, session),
            Strategy::SequenceNfa | Strategy::AllOf => {
                let shared = rule.steps.iter().map(record::usual_bytes).max().unwrap_or_default();
                let runs = Footprint::of_rows(self.runs.len(), run_bytes(rule));
                runs.plus(Footprint::of_rows(self.runs.shared(), shared))
            }
        }
    }
}

/// A run of a state machine, in bytes, with the events that it may have taken itself.
fn run_bytes(rule: &Rule) -> usize {
    let own = rule.steps.iter().filter(|step| !(step.is_repeated() && step.independent));
    runs::RUN_BYTES + record::spilled_bytes(own.map(record::usual_bytes).sum())
}

fn of_table(keys: &KeyTable) -> Footprint {
    Footprint { keys: keys.open(), bytes: keys.bytes() }
}

/// The rule of a holder; of those that run together the first.
fn rule_of(program: &Program, holder: Holder) -> &Rule {
    let id = match holder {
        Holder::Rule(id) => id,
        Holder::TwoStep(id) => program.two_steps[id.index()].members[0].rule,
    };
    &program.rules[id.index()]
}

fn holders(program: &Program) -> impl Iterator<Item = Holder> + use<> {
    let rules = (0..).map(RuleId).take(program.rules.len()).map(Holder::Rule);
    rules.chain((0..).map(TwoStepId).take(program.two_steps.len()).map(Holder::TwoStep))
}
