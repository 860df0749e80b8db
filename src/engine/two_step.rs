//! Runs of two-step sequences: each waits for one event, and stands with those of its key that wait for the same.
//!
//! A run is one row of a queue in order of start, so that those whose `within` has passed leave at its front. The open
//! runs of a key are chained through their rows, oldest first, one chain for each value by which they are grouped; a
//! chain is a ring, found by its youngest run. Most keys have one run, or runs of one value, and need no map. A run that
//! is over leaves its chain at once and the queue in its turn, or when more are over than open.

mod saved;

use std::collections::BTreeMap;

use hashbrown::HashMap;
use smallvec::{SmallVec, smallvec};

use crate::engine::chunks::Chunks;
use crate::engine::compare;
use crate::engine::completed::Completed;
use crate::engine::crowd::Crowd;
use crate::engine::eval;
use crate::engine::groups::{self, Group};
use crate::engine::keys::{KeyAt, KeyTable};
use crate::engine::limits::{Footprint, Limit, Limits, Room, WhenFull};
use crate::engine::nfa::Offer;
use crate::engine::record::{self, Records, Taken};
use crate::engine::runs::Trail;
use crate::engine::slab::{NONE, Row, Slab};
use crate::engine::stats::RuleStats;
use crate::event::Value;
use crate::program::{CaptureId, CellId, Comparison, Member, Program, Rule, Second, StepId, TwoStep};

pub(super) use saved::Loaded;

const FIRST: StepId = StepId(0);
const SECOND: StepId = StepId(1);

/// An open run; one that is over has no key.
#[derive(Debug)]
struct Open {
    key: Row,
    /// The next younger run of its chain; after the youngest comes the oldest.
    after: Row,
    /// The rules that it is over for; nothing where only one rule runs, or it is over for none.
    done: Option<Box<Done>>,
    /// The record of the first event.
    first: Records,
}

impl Default for Open {
    /// A run of nobody.
    fn default() -> Self {
        Open { key: NONE, after: NONE, done: None, first: Records::default() }
    }
}

/// Rules that a run is over for: a bit for each, by its place.
#[derive(Debug, Default)]
struct Done(SmallVec<[u64; 2]>);

/// The runs of a key with one value: the youngest of them.
type Chain = Row;

/// Chains of a key, each with its value where there are several.
type Matching = SmallVec<[(Option<Group>, Chain); 1]>;

/// The runs of a key by value, where there are several.
type Groups = BTreeMap<Group, Chain>;

/// The open runs of the rules that run together.
#[derive(Debug)]
pub(super) struct TwoSteps {
    within_ms: i64,
    /// Where the rows of keys tell of their runs: `at` is the chain where all have one value, `more` the groups where
    /// they have several.
    cell: CellId,
    groups: Slab<Groups>,
    /// The runs in order of start. A run's row is its number, counted on and wrapped; `base` is that of the front.
    runs: Chunks<Open>,
    base: Row,
    /// When the front run started.
    oldest_ms: i64,
    open: usize,
    /// The keys that have, or have lately had, as many runs as they may.
    crowds: HashMap<Row, Crowd>,
}

/// So many runs that are over stay in the queue until their turn, beside as many as are open.
const OVER_KEPT: usize = 16;

/// A run, in bytes.
pub(super) const RUN_BYTES: usize = size_of::<Open>();

impl TwoSteps {
    /// No runs yet; this is their cell in the rows of keys.
    pub(super) fn new(within_ms: i64, cell: CellId) -> TwoSteps {
        TwoSteps {
            within_ms,
            cell,
            groups: Slab::default(),
            runs: Chunks::default(),
            base: 0,
            oldest_ms: i64::MAX,
            open: 0,
            crowds: HashMap::new(),
        }
    }

    /// How many runs are open.
    pub(super) fn len(&self) -> usize {
        self.open
    }

    /// Offers an event, whose key is the one at hand, to the open runs: it completes those that it fits, the oldest
    /// first.
    pub(super) fn complete(
        &mut self,
        program: &Program,
        two_step: &TwoStep,
        offer: &Offer<'_>,
        keys: &mut KeyTable,
        completed: impl FnMut(&Completed<'_>),
    ) {
        self.expire(two_step, keys, offer.event.time_ms);
        let second = two_step.seconds.iter().position(|second| Some(second.type_id) == offer.event.type_id);
        let is_open = |row| !keys.cell(row, self.cell).is_empty();
        if let Some(at) = second.filter(|_| keys.here().is_some_and(is_open)) {
            self.complete_of_key(program, two_step, at, offer, keys, completed);
        }
    }

    /// Forgets the runs whose `within` has passed before a time.
    pub(super) fn expire(&mut self, two_step: &TwoStep, keys: &mut KeyTable, now_ms: i64) {
        let oldest_ms = now_ms.saturating_sub(self.within_ms);
        while self.oldest_ms < oldest_ms {
            let Some(front) = self.runs.pop_front() else { break };
            let row = self.base;
            self.base = self.base.wrapping_add(1);
            if front.key != NONE {
                self.end_for_all(two_step, keys, row, &front);
                self.tidy(keys, front.key);
            }
            self.oldest_ms = self.runs.front().map_or(i64::MAX, start_ms);
        }
        if self.runs.len() > 2 * self.open + OVER_KEPT {
            self.compact(two_step, keys);
        }
    }

    /// Starts a run with an event that fits the first step, after it has been offered to the open ones. Its key is the
    /// one at hand.
    pub(super) fn start(
        &mut self,
        two_step: &TwoStep,
        offer: &Offer<'_>,
        keys: &mut KeyTable,
        key: KeyAt<'_>,
        room: &Room,
        stats: &mut [RuleStats],
    ) {
        let open = |keys: &KeyTable| keys.here().map_or(0, |row| keys.cell(row, self.cell).open());
        let mut done = Done::default();
        if let Some(row) = keys.here().filter(|_| open(keys) >= room.limits.open_runs_per_key) {
            let Some(refused) = self.make_room(two_step, keys, row, &room.limits, stats) else { return };
            done = refused;
        }
        if room.is_tight(self.open) && !self.admit(two_step, keys, room, stats) {
            return;
        }
        let made = record::make(offer.rule, FIRST, offer.event, offer.arrival());
        let mut first = Records::default();
        first.insert(&made);
        let done = (done.len() > 0).then(|| Box::new(done));
        let key = keys.here_or_new(key);
        self.add(two_step, keys, Open { key, after: NONE, done, first });
    }

    /// Whether a run of the key at hand may start beside those of all keys.
    #[cold]
    fn admit(&mut self, two_step: &TwoStep, keys: &mut KeyTable, room: &Room, stats: &mut [RuleStats]) -> bool {
        if let Some(limit) = room.refuses(!keys.is_open_here(), self.open) {
            for member in &two_step.members {
                stats[member.rule.index()].dropped.count(limit, 1);
            }
            return false;
        }
        let limit = Limit::OpenRunsPerRule;
        while self.open >= room.limits.open_runs_per_rule && self.drop_oldest(two_step, keys, limit, stats) {}
        true
    }

    /// When the run started that is the oldest of all keys.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.runs.iter().find(|run| run.key != NONE).map(start_ms)
    }

    /// Drops the run that started first, of all keys. It is counted for the rules for which it was open.
    pub(super) fn drop_oldest(
        &mut self,
        two_step: &TwoStep,
        keys: &mut KeyTable,
        limit: Limit,
        stats: &mut [RuleStats],
    ) -> bool {
        while let Some(front) = self.runs.pop_front() {
            let row = self.base;
            self.base = self.base.wrapping_add(1);
            self.oldest_ms = self.runs.front().map_or(i64::MAX, start_ms);
            if front.key != NONE {
                let open = two_step.members.iter().enumerate().filter(|(place, _)| !front.is_done(*place));
                open.for_each(|(_, member)| stats[member.rule.index()].dropped.count(limit, 1));
                self.end_for_all(two_step, keys, row, &front);
                self.tidy(keys, front.key);
                return true;
            }
        }
        false
    }

    /// What runs hold; `rule` is one of those that run together.
    pub(super) fn footprint(&self, rule: &Rule) -> Footprint {
        let run_bytes = RUN_BYTES + record::spilled_bytes(record::usual_bytes(&rule.steps[FIRST.index()]));
        Footprint::of_rows(self.runs.len(), run_bytes)
    }

    /// A run begins.
    fn add(&mut self, two_step: &TwoStep, keys: &mut KeyTable, run: Open) {
        self.open += 1;
        keys.begin(run.key, self.cell);
        self.enqueue(two_step, keys, run);
    }

    /// Puts a run at the end of the queue and of its chain.
    fn enqueue(&mut self, two_step: &TwoStep, keys: &mut KeyTable, run: Open) {
        let (key_row, value) = (run.key, value_of(&run, two_step.by));
        if self.runs.is_empty() {
            self.oldest_ms = start_ms(&run);
        }
        let row = self.push(run);
        let (group, chain) = self.chain_for(two_step.by, keys, key_row, value);
        let chain = self.append(chain, row);
        self.put_chain(keys, key_row, group, chain);
        if let Some(mut crowd) = self.crowds.remove(&key_row) {
            crowd.start(row, |place| self.is_open(key_row, row, place));
            self.crowds.insert(key_row, crowd);
        }
    }

    /// Puts a run at the end of the queue. Gives its row.
    fn push(&mut self, run: Open) -> Row {
        let length = |runs: &Chunks<Open>| Row::try_from(runs.len()).expect("memory ends before 2^32 runs");
        if self.base.wrapping_add(length(&self.runs)) == NONE {
            // The row that stands for none is passed over.
            self.runs.push(Open::default());
        }
        let row = self.base.wrapping_add(length(&self.runs));
        self.runs.push(run);
        row
    }

    /// The chain of a key for a value, with the value where there are groups; the key's runs are parted by value when a
    /// second value comes.
    fn chain_for(
        &mut self,
        by: Option<CaptureId>,
        keys: &mut KeyTable,
        key_row: Row,
        value: Option<Value>,
    ) -> (Option<Group>, Chain) {
        let cell = keys.cell(key_row, self.cell);
        let (Some(by), Some(value)) = (by, value) else { return (None, cell.at) };
        let group = Group(value);
        if cell.more == NONE {
            let there = if cell.at == NONE { None } else { Some(Group(self.grouping_of(cell.at, by))) };
            let Some(there) = there.filter(|there| *there != group) else { return (None, cell.at) };
            let groups = self.groups.insert(BTreeMap::from([(there, cell.at)]));
            let cell = keys.cell_mut(key_row, self.cell);
            (cell.at, cell.more) = (NONE, groups);
            return (Some(group), NONE);
        }
        let chain = self.groups.get(cell.more).get(&group).copied();
        (Some(group), chain.unwrap_or(NONE))
    }

    /// Puts a run behind the youngest of a chain. Gives the chain.
    fn append(&mut self, chain: Chain, row: Row) -> Chain {
        let oldest = if chain == NONE { row } else { std::mem::replace(&mut self.run_mut(chain).after, row) };
        self.run_mut(row).after = oldest;
        row
    }

    /// Ends a run, whose row is empty by now, for all rules for which it is open. Its key is there still.
    fn end_for_all(&mut self, two_step: &TwoStep, keys: &mut KeyTable, row: Row, run: &Open) {
        if let Some(crowd) = self.crowds.get_mut(&run.key) {
            let open = (0..two_step.members.len()).filter(|place| !run.is_done(*place));
            open.for_each(|place| crowd.end(place));
        }
        self.unchain(two_step, keys, row, run);
    }

    /// Takes a run, whose row is empty by now, out of its chain.
    fn unchain(&mut self, two_step: &TwoStep, keys: &mut KeyTable, row: Row, run: &Open) {
        self.open -= 1;
        keys.end(run.key, self.cell);
        let cell = keys.cell(run.key, self.cell);
        let group = if cell.more == NONE { None } else { value_of(run, two_step.by).map(Group) };
        let chain = group.as_ref().map_or(cell.at, |group| self.groups.get(cell.more)[group]);
        // Mostly it is the oldest of its chain.
        let left = if chain == row && run.after == row {
            NONE
        } else if chain != row && self.run(chain).after == row {
            self.run_mut(chain).after = run.after;
            chain
        } else {
            self.without_completed(chain)
        };
        self.put_chain(keys, run.key, group, left);
    }

    /// Sets a chain of a key; that of a value with no run left is forgotten.
    fn put_chain(&mut self, keys: &mut KeyTable, key_row: Row, group: Option<Group>, left: Chain) {
        let cell = keys.cell_mut(key_row, self.cell);
        let Some(group) = group else {
            cell.at = left;
            return;
        };
        let groups = self.groups.get_mut(cell.more);
        if left != NONE {
            groups.insert(group, left);
            return;
        }
        groups.remove(&group);
        if groups.is_empty() {
            self.groups.remove(std::mem::replace(&mut cell.more, NONE));
        }
    }

    /// Makes room for a run of a key that has as many as it may for some rule: the oldest of that rule is dropped, or
    /// the new one is not for it. Gives the rules that it is over for from the beginning; none where it is for no rule.
    #[cold]
    fn make_room(
        &mut self,
        two_step: &TwoStep,
        keys: &mut KeyTable,
        key_row: Row,
        limits: &Limits,
        stats: &mut [RuleStats],
    ) -> Option<Done> {
        let rules = two_step.members.len();
        let mut crowd = self.crowds.remove(&key_row).unwrap_or_else(|| self.crowd(keys, key_row, rules));
        let full: Vec<usize> = (0..rules).filter(|place| crowd.open(*place) >= limits.open_runs_per_key).collect();
        for place in &full {
            stats[two_step.members[*place].rule.index()].dropped.count(Limit::OpenRunsPerKey, 1);
        }
        if limits.when_full == WhenFull::DropNew {
            self.crowds.insert(key_row, crowd);
            let mut done = Done::default();
            for place in &full {
                done.mark(*place);
            }
            return (full.len() < rules).then_some(done);
        }
        for place in full {
            let oldest = crowd.oldest(place, |row| self.is_open(key_row, row, place));
            crowd.end(place);
            self.end_for(two_step, keys, oldest.expect("as many are open as may be"), place);
        }
        crowd.forget(|row| self.is_over(key_row, row));
        self.crowds.insert(key_row, crowd);
        Some(Done::default())
    }

    /// The runs of a key, to see which is the oldest for each rule.
    fn crowd(&self, keys: &KeyTable, key_row: Row, rules: usize) -> Crowd {
        let cell = keys.cell(key_row, self.cell);
        let groups = (cell.more != NONE).then(|| self.groups.get(cell.more).values().copied());
        let chains = groups.into_iter().flatten().chain(Some(cell.at));
        let mut rows: Vec<Row> = chains.flat_map(|chain| self.rows(chain)).collect();
        rows.sort_unstable_by_key(|row| row.wrapping_sub(self.base));
        Crowd::new(rows.into(), rules, |row, place| self.is_open(key_row, row, place))
    }

    /// Ends a run for one rule.
    fn end_for(&mut self, two_step: &TwoStep, keys: &mut KeyTable, row: Row, place: usize) {
        let run = self.run_mut(row);
        if !two_step.is_single() && run.end_for(place) < two_step.members.len() {
            return;
        }
        let after = run.after;
        let ended = std::mem::replace(run, Open { after, ..Open::default() });
        self.unchain(two_step, keys, row, &ended);
    }

    /// Whether a run of a key is open for a rule.
    fn is_open(&self, key_row: Row, row: Row, place: usize) -> bool {
        !self.is_over(key_row, row) && !self.run(row).is_done(place)
    }

    /// Whether a run of a key is over for all rules.
    fn is_over(&self, key_row: Row, row: Row) -> bool {
        let at = row.wrapping_sub(self.base) as usize;
        at >= self.runs.len() || self.runs[at].key != key_row
    }

    /// Lets go of the rows of runs that are over.
    #[cold]
    fn compact(&mut self, two_step: &TwoStep, keys: &mut KeyTable) {
        let mut runs = std::mem::take(&mut self.runs);
        for run in runs.iter().filter(|run| run.key != NONE) {
            let cell = keys.cell_mut(run.key, self.cell);
            (cell.at, cell.more) = (NONE, NONE);
        }
        self.groups = Slab::default();
        self.oldest_ms = i64::MAX;
        // They are made again where they are asked for: rows have new numbers.
        self.crowds.clear();
        while let Some(run) = runs.pop_front() {
            if run.key != NONE {
                self.enqueue(two_step, keys, Open { after: NONE, ..run });
            }
        }
    }

    fn complete_of_key(
        &mut self,
        program: &Program,
        two_step: &TwoStep,
        at: usize,
        offer: &Offer<'_>,
        keys: &mut KeyTable,
        mut completed: impl FnMut(&Completed<'_>),
    ) {
        let key_row = keys.here().expect("the key has open runs");
        let second = &two_step.seconds[at];
        let compared =
            second.compared.as_ref().map(|(comparison, value)| (*comparison, eval::value(value, offer.context(None))));
        let compared = compared.as_ref().map(|(comparison, value)| (*comparison, &**value));
        let chains = self.matching(two_step, keys, key_row, compared);
        if chains.is_empty() {
            return;
        }
        // What the event must fulfil by itself comes first: where it does not, no run need be looked at.
        let holds = |condition| eval::holds(condition, offer.context(None));
        let members = two_step.members.iter().enumerate().filter(|(_, member)| member.own[at].iter().all(holds));
        let rule = |member: &Member| &program.rules[member.rule.index()];
        let members: Vec<(usize, &Rule)> = members.map(|(place, member)| (place, rule(member))).collect();
        if members.is_empty() {
            return;
        }
        let rows = chains.iter().flat_map(|(_, chain)| self.rows(*chain));
        let mut fired: Vec<Row> = rows.filter(|row| self.links_hold(second, offer, *row)).collect();
        if fired.is_empty() {
            return;
        }
        fired.sort_unstable_by_key(|row| row.wrapping_sub(self.base));
        for row in fired {
            self.fire(two_step, offer, keys, row, &members, &mut completed);
        }
        for (group, chain) in chains {
            let left = self.without_completed(chain);
            self.put_chain(keys, key_row, group, left);
        }
        self.tidy(keys, key_row);
    }

    /// The chains of a key whose values compare as they must.
    fn matching(
        &self,
        two_step: &TwoStep,
        keys: &KeyTable,
        key_row: Row,
        compared: Option<(Comparison, &Value)>,
    ) -> Matching {
        let cell = keys.cell(key_row, self.cell);
        let Some((comparison, value)) = compared else { return smallvec![(None, cell.at)] };
        if value.is_missing() {
            return Matching::new();
        }
        if cell.more != NONE {
            let found = groups::matching(self.groups.get(cell.more), comparison, value);
            return found.map(|(group, chain)| (Some(group.clone()), *chain)).collect();
        }
        let fits = |by| compare::holds(comparison, value, &self.grouping_of(cell.at, by));
        if two_step.by.is_none_or(fits) { smallvec![(None, cell.at)] } else { Matching::new() }
    }

    /// Whether what links both events holds, beside the comparison by which runs are grouped.
    fn links_hold(&self, second: &Second, offer: &Offer<'_>, row: Row) -> bool {
        let trail = Trail::of_records(self.run(row).first.as_bytes());
        second.linked.iter().all(|condition| eval::holds(condition, offer.context(Some(trail))))
    }

    /// Completes a run for those of the given rules for which it has not yet completed.
    fn fire(
        &mut self,
        two_step: &TwoStep,
        offer: &Offer<'_>,
        keys: &mut KeyTable,
        row: Row,
        members: &[(usize, &Rule)],
        completed: &mut impl FnMut(&Completed<'_>),
    ) {
        let at = row.wrapping_sub(self.base) as usize;
        let Open { key, done, first, .. } = &mut self.runs[at];
        let mut crowd = if self.crowds.is_empty() { None } else { self.crowds.get_mut(key) };
        let mut is_over = two_step.is_single();
        for (place, rule) in members {
            if !is_over && !done.get_or_insert_default().mark(*place) {
                continue;
            }
            if let Some(crowd) = &mut crowd {
                crowd.end(*place);
            }
            let mut events = Records::default();
            events.insert(first.as_bytes());
            events.insert(&record::make(rule, SECOND, offer.event, offer.arrival()));
            let trail = Trail::of_records(events.as_bytes());
            completed(&Completed { rule, ..offer.completion(trail) });
        }
        is_over |= done.as_ref().is_some_and(|done| done.len() == two_step.members.len());
        if is_over {
            keys.end(*key, self.cell);
            *key = NONE;
            self.open -= 1;
        }
    }

    /// A chain without the runs that have completed.
    fn without_completed(&mut self, chain: Chain) -> Chain {
        let mut left = NONE;
        let mut row = self.run(chain).after;
        loop {
            let after = self.run(row).after;
            if self.run(row).key != NONE {
                left = self.append(left, row);
            }
            if row == chain {
                return left;
            }
            row = after;
        }
    }

    /// The rows of a chain, oldest first.
    fn rows(&self, chain: Chain) -> impl Iterator<Item = Row> {
        let first = (chain != NONE).then(|| self.run(chain).after);
        std::iter::successors(first, move |row| (*row != chain).then(|| self.run(*row).after))
    }

    fn grouping_of(&self, row: Row, by: CaptureId) -> Value {
        Taken::of(self.run(row).first.as_bytes()).value(by.index())
    }

    fn run(&self, row: Row) -> &Open {
        &self.runs[row.wrapping_sub(self.base) as usize]
    }

    fn run_mut(&mut self, row: Row) -> &mut Open {
        &mut self.runs[row.wrapping_sub(self.base) as usize]
    }

    /// Forgets a key that has no run left.
    fn tidy(&mut self, keys: &mut KeyTable, row: Row) {
        if keys.cell(row, self.cell).is_empty() {
            self.crowds.remove(&row);
            keys.tidy(row);
        }
    }
}

impl Open {
    /// Whether it is over for a rule.
    fn is_done(&self, place: usize) -> bool {
        self.done.as_ref().is_some_and(|done| done.has(place))
    }

    /// It is over for a rule. Gives for how many it is.
    fn end_for(&mut self, place: usize) -> usize {
        let done = self.done.get_or_insert_default();
        done.mark(place);
        done.len()
    }
}

impl Done {
    /// Marks a place. Says whether it was free.
    fn mark(&mut self, place: usize) -> bool {
        if self.0.len() <= place / 64 {
            self.0.resize(place / 64 + 1, 0);
        }
        let (word, bit) = (&mut self.0[place / 64], 1 << (place % 64));
        let was_free = *word & bit == 0;
        *word |= bit;
        was_free
    }

    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// The value by which a run is grouped.
fn value_of(run: &Open, by: Option<CaptureId>) -> Option<Value> {
    by.map(|by| Taken::of(run.first.as_bytes()).value(by.index()))
}

/// When a run of the queue started; one that stands for nobody leaves with those before it.
fn start_ms(run: &Open) -> i64 {
    match run.first.as_bytes() {
        [] => i64::MIN,
        record => Taken::of(record).time_ms(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_rows_go_on_behind_the_one_that_is_none() {
        let mut runs = TwoSteps::new(1, CellId(0));
        runs.base = NONE - 1;
        let open = |key| Open { key, after: NONE, done: None, first: Records::default() };
        let rows = [7, 8, 9].map(|key| runs.push(open(key)));
        assert_eq!(rows, [NONE - 1, 0, 1]);
        assert_eq!(rows.map(|row| runs.run(row).key), [7, 8, 9]);
    }
}
