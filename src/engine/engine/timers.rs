//! What ends by itself when its time has come: waits and sessions, which complete then, and what is forgotten.
//!
//! Of each rule only the time that comes first stands in a queue, and only where it has something open.

use std::cmp::Reverse;

use super::{Live, RuleState};
use crate::alert::Alert;
use crate::engine::completed::Completed;
use crate::engine::desk::Desk;
use crate::engine::lookups::Tables;
use crate::engine::nfa;
use crate::event::Key;
use crate::program::{Program, Rule, Strategy};

impl Live {
    /// After a run has started: as many leave as come, so what has passed never piles up.
    pub(super) fn sweep_behind(&mut self, rule: &Rule, now_ms: i64) {
        if rule.within.is_some() {
            self.sweep(rule, now_ms, 2);
            self.set_sweep(rule);
        }
    }

    /// Forgets up to `most` runs of a rule whose `within` has passed.
    pub(super) fn sweep(&mut self, rule: &Rule, watermark_ms: i64, most: usize) {
        let RuleState { runs, pairs, streaks, .. } = &mut self.rules[rule.id.index()];
        let keys = &mut self.keys[rule.key.index()];
        match (&rule.strategy, rule.within) {
            (Strategy::EachPair, Some(within)) => {
                return pairs.forget_before(keys, watermark_ms.saturating_sub(within.ms), most);
            }
            (Strategy::Held(held), _) => {
                let gap_ms = held.gap_ms.unwrap_or(i64::MAX);
                return streaks.forget_before(keys, watermark_ms.saturating_sub(gap_ms), most);
            }
            _ => {}
        }
        for _ in 0..most {
            let Some(row) = runs.expired(watermark_ms) else { break };
            nfa::expire(runs, keys, row);
        }
    }

    /// Forgets all of which the time has passed. Only rules that have such are looked at.
    pub(super) fn sweep_due(&mut self, program: &Program, watermark_ms: i64) {
        while let Some(Reverse((due_ms, id))) = self.sweeps.peek().copied()
            && due_ms < watermark_ms
        {
            self.sweeps.pop();
            self.rules[id.index()].sweep_set = false;
            let rule = &program.rules[id.index()];
            self.sweep(rule, watermark_ms, usize::MAX);
            self.set_sweep(rule);
        }
    }

    pub(super) fn set_sweep(&mut self, rule: &Rule) {
        let state = &mut self.rules[rule.id.index()];
        if !state.sweep_set
            && let Some(due_ms) = state.next_sweep(rule)
        {
            state.sweep_set = true;
            self.sweeps.push(Reverse((due_ms, rule.id)));
        }
    }

    pub(super) fn set_timer(&mut self, rule: &Rule) {
        let state = &mut self.rules[rule.id.index()];
        if !state.timer_set
            && let Some(ends_ms) = state.next_end(rule)
        {
            state.timer_set = true;
            self.timers.push(Reverse((ends_ms, rule.level, rule.id)));
        }
    }

    pub(super) fn fire_next(&mut self, program: &Program, tables: Tables<'_>, alerts: &mut Vec<Alert>) {
        let Some(Reverse((due_ms, _, id))) = self.timers.pop() else { return };
        let rule = &program.rules[id.index()];
        let state = &mut self.rules[id.index()];
        state.timer_set = false;
        // The timer was set for a run that may have ended meanwhile; then it is set again for the one now first.
        if state.next_end(rule) == Some(due_ms) {
            let stats = &mut self.stats.rules[id.index()];
            let mut desk = Desk { program, sources: &self.sources, pending: &mut self.pending, stats, alerts };
            let suppressor = &mut state.suppressor;
            let mut send = |key: &Key, completed: Completed<'_>| desk.send(suppressor, key.as_bytes(), &completed);
            let keys = &mut self.keys[rule.key.index()];
            if matches!(rule.strategy, Strategy::Session(_)) {
                state.sessions.close(rule, keys, due_ms, tables, self.asked.as_deref(), send);
            } else if let Some(row) = state.runs.wait_over(due_ms.saturating_add(1)) {
                nfa::wait_ended(rule, &mut state.runs, keys, row, tables, |keys, key, completed| {
                    send(keys.key(key), completed);
                });
            }
        }
        self.set_timer(rule);
    }
}

impl RuleState {
    /// When the next wait or session ends.
    fn next_end(&mut self, rule: &Rule) -> Option<i64> {
        match &rule.strategy {
            Strategy::Session(session) => self.sessions.next_close(session),
            _ => self.runs.next_wait_end(),
        }
    }

    /// From when on there is something to be forgotten: its time has passed.
    fn next_sweep(&self, rule: &Rule) -> Option<i64> {
        match &rule.strategy {
            Strategy::EachPair => Some(self.pairs.oldest_ms()?.saturating_add(rule.within?.ms)),
            Strategy::Held(held) => Some(self.streaks.oldest_ms()?.saturating_add(held.gap_ms?)),
            _ => self.runs.expired(i64::MAX).map(|row| self.runs.get(row).ends_ms),
        }
    }
}
