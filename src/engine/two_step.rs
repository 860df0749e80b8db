//! Runs of two-step sequences: each waits for one event, and stands with those of its key that wait for the same.
//!
//! A run is one row of a queue in order of start, so that those whose `within` has passed leave at its front. The open
//! runs of a key are chained through their rows, oldest first, one chain for each value by which they are grouped. Most
//! keys have one run, or runs of one value, and need no map. A run that is over leaves its chain at once and the queue
//! in its turn, or when more are over than open.

use std::collections::BTreeMap;

use hashbrown::{DefaultHashBuilder, HashMap};
use smallvec::{SmallVec, smallvec};

use crate::engine::chunks::Chunks;
use crate::engine::compare;
use crate::engine::completed::Completed;
use crate::engine::crowd::Crowd;
use crate::engine::eval;
use crate::engine::groups::{self, Group};
use crate::engine::keys::Keys;
use crate::engine::limits::{Footprint, Limit, Limits, Room, WhenFull};
use crate::engine::nfa::Offer;
use crate::engine::past::KeyAt;
use crate::engine::record::{self, Records, Taken};
use crate::engine::runs::Trail;
use crate::engine::slab::{NONE, Row};
use crate::engine::stats::RuleStats;
use crate::event::Value;
use crate::program::{CaptureId, Comparison, Program, Rule, Second, StepId, TwoStep};

const FIRST: StepId = StepId(0);
const SECOND: StepId = StepId(1);

/// An open run; one that is over has no key.
#[derive(Debug)]
struct Open {
    key: Row,
    /// The next younger run of its chain.
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

/// The runs of a key with one value, oldest first.
#[derive(Clone, Copy, Debug)]
struct Chain {
    first: Row,
    last: Row,
}

impl Default for Chain {
    fn default() -> Self {
        Chain { first: NONE, last: NONE }
    }
}

/// Chains of a key, each with its value where there are several.
type Matching = SmallVec<[(Option<Group>, Chain); 1]>;

/// The open runs of a key.
#[derive(Debug, Default)]
struct Chains {
    /// The runs, where all have one value.
    chain: Chain,
    /// The runs by value, where there are several.
    #[expect(clippy::box_collection, reason = "most keys have none, and a pointer is a third of a map")]
    groups: Option<Box<BTreeMap<Group, Chain>>>,
    /// How many they are.
    open: u32,
}

/// The open runs of the rules that run together.
#[derive(Debug)]
pub(super) struct TwoSteps {
    within_ms: i64,
    keys: Keys<Chains>,
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

/// A key with open runs, in bytes.
pub(super) const KEY_BYTES: usize = Keys::<Chains>::ROW_BYTES;

impl TwoSteps {
    /// No runs yet.
    pub(super) fn new(within_ms: i64, hasher: DefaultHashBuilder) -> TwoSteps {
        TwoSteps {
            within_ms,
            keys: Keys::new(hasher),
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

    /// How many keys have one.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Offers an event to the open runs: it completes those that it fits, the oldest first.
    pub(super) fn complete(
        &mut self,
        program: &Program,
        two_step: &TwoStep,
        offer: &Offer<'_>,
        key: KeyAt<'_>,
        completed: impl FnMut(&Completed<'_>),
    ) {
        self.expire(two_step, offer.event.time_ms);
        let second = two_step.seconds.iter().position(|second| Some(second.type_id) == offer.event.type_id);
        if let Some((at, row)) = second.zip(self.keys.find(key.hash, key.bytes)) {
            self.complete_of_key(program, two_step, at, offer, row, completed);
        }
    }

    /// Forgets the runs whose `within` has passed before a time.
    pub(super) fn expire(&mut self, two_step: &TwoStep, now_ms: i64) {
        let oldest_ms = now_ms.saturating_sub(self.within_ms);
        while self.oldest_ms < oldest_ms {
            let Some(front) = self.runs.pop_front() else { break };
            let row = self.base;
            self.base = self.base.wrapping_add(1);
            if front.key != NONE {
                self.end_for_all(two_step, row, &front);
                self.tidy(front.key);
            }
            self.oldest_ms = self.runs.front().map_or(i64::MAX, start_ms);
        }
        if self.runs.len() > 2 * self.open + OVER_KEPT {
            self.compact(two_step);
        }
    }

    /// Starts a run with an event that fits the first step, after it has been offered to the open ones.
    pub(super) fn start(
        &mut self,
        two_step: &TwoStep,
        offer: &Offer<'_>,
        key: KeyAt<'_>,
        room: &Room,
        stats: &mut [RuleStats],
    ) {
        let mut key_row = self.keys.find(key.hash, key.bytes);
        let mut done = Done::default();
        if let Some(row) = key_row.filter(|row| self.keys.get(*row).open as usize >= room.limits.open_runs_per_key) {
            let Some(refused) = self.make_room(two_step, row, &room.limits, stats) else { return };
            done = refused;
        }
        if room.is_tight(self.open) {
            if !self.admit(two_step, key_row.is_none(), room, stats) {
                return;
            }
            key_row = self.keys.find(key.hash, key.bytes);
        }
        let made = record::make(offer.rule, FIRST, offer.event, offer.arrival());
        let key_row = key_row.unwrap_or_else(|| self.keys.insert(key.hash, key.bytes));
        let mut first = Records::default();
        first.insert(&made);
        let done = (done.len() > 0).then(|| Box::new(done));
        self.add(two_step, Open { key: key_row, after: NONE, done, first });
    }

    /// Whether a run may start beside those of all keys. Of a key that has made room for it nothing may be left.
    #[cold]
    fn admit(&mut self, two_step: &TwoStep, is_new_key: bool, room: &Room, stats: &mut [RuleStats]) -> bool {
        if let Some(limit) = room.refuses(is_new_key, self.open) {
            for member in &two_step.members {
                stats[member.rule.index()].dropped.count(limit, 1);
            }
            return false;
        }
        while self.open >= room.limits.open_runs_per_rule && self.drop_oldest(two_step, Limit::OpenRunsPerRule, stats) {
        }
        true
    }

    /// When the run started that is the oldest of all keys.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.runs.iter().find(|run| run.key != NONE).map(start_ms)
    }

    /// Drops the run that started first, of all keys. It is counted for the rules for which it was open.
    pub(super) fn drop_oldest(&mut self, two_step: &TwoStep, limit: Limit, stats: &mut [RuleStats]) -> bool {
        while let Some(front) = self.runs.pop_front() {
            let row = self.base;
            self.base = self.base.wrapping_add(1);
            self.oldest_ms = self.runs.front().map_or(i64::MAX, start_ms);
            if front.key != NONE {
                let open = two_step.members.iter().enumerate().filter(|(place, _)| !front.is_done(*place));
                open.for_each(|(_, member)| stats[member.rule.index()].dropped.count(limit, 1));
                self.end_for_all(two_step, row, &front);
                self.tidy(front.key);
                return true;
            }
        }
        false
    }

    /// What runs hold; `rule` is one of those that run together.
    pub(super) fn footprint(&self, rule: &Rule) -> Footprint {
        let run_bytes = RUN_BYTES + record::spilled_bytes(record::usual_bytes(&rule.steps[FIRST.index()]));
        Footprint::of(self.keys(), KEY_BYTES, self.runs.len(), run_bytes)
    }

    /// Puts a run at the end of the queue and of its chain.
    fn add(&mut self, two_step: &TwoStep, run: Open) {
        let (key_row, value) = (run.key, value_of(&run, two_step.by));
        if self.runs.is_empty() {
            self.oldest_ms = start_ms(&run);
        }
        let row = self.push(run);
        self.open += 1;
        self.keys.get_mut(key_row).open += 1;
        let chain = self.chain_for(two_step.by, key_row, value);
        let Chain { last, .. } = *chain;
        chain.last = row;
        match last {
            NONE => chain.first = row,
            last => self.run_mut(last).after = row,
        }
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

    /// The chain of a key for a value; the key's runs are parted by value when a second value comes.
    fn chain_for(&mut self, by: Option<CaptureId>, key_row: Row, value: Option<Value>) -> &mut Chain {
        let Chains { chain, groups, .. } = self.keys.get(key_row);
        if let (None, Some(by), Some(value), true) = (groups, by, &value, chain.first != NONE) {
            let there = Group(self.grouping_of(chain.first, by));
            if there != Group(value.clone()) {
                let chain = *chain;
                self.keys.get_mut(key_row).groups = Some(Box::new(BTreeMap::from([(there, chain)])));
            }
        }
        let Chains { chain, groups, .. } = self.keys.get_mut(key_row);
        match (groups, value) {
            (Some(groups), Some(value)) => groups.entry(Group(value)).or_default(),
            _ => chain,
        }
    }

    /// Ends a run, whose row is empty by now, for all rules for which it is open. Its key is there still.
    fn end_for_all(&mut self, two_step: &TwoStep, row: Row, run: &Open) {
        if let Some(crowd) = self.crowds.get_mut(&run.key) {
            let open = (0..two_step.members.len()).filter(|place| !run.is_done(*place));
            open.for_each(|place| crowd.end(place));
        }
        self.unchain(two_step, row, run);
    }

    /// Takes a run, whose row is empty by now, out of its chain.
    fn unchain(&mut self, two_step: &TwoStep, row: Row, run: &Open) {
        self.open -= 1;
        let value = value_of(run, two_step.by).map(Group);
        let Chains { chain, groups, open } = self.keys.get_mut(run.key);
        *open -= 1;
        let whole = match (groups.as_deref(), &value) {
            (Some(groups), Some(value)) => groups[value],
            _ => *chain,
        };
        // Mostly it is the oldest of its chain.
        let left = match (whole.first == row, run.after) {
            (true, NONE) => Chain::default(),
            (true, after) => Chain { first: after, ..whole },
            (false, _) => self.without_completed(whole),
        };
        self.put_chain(run.key, value, left);
    }

    /// Sets a chain of a key; that of a value with no run left is forgotten.
    fn put_chain(&mut self, key_row: Row, value: Option<Group>, left: Chain) {
        let Chains { chain, groups, .. } = self.keys.get_mut(key_row);
        match (groups, value) {
            (Some(groups), Some(value)) if left.first == NONE => drop(groups.remove(&value)),
            (Some(groups), Some(value)) => drop(groups.insert(value, left)),
            _ => *chain = left,
        }
    }

    /// Makes room for a run of a key that has as many as it may for some rule: the oldest of that rule is dropped, or
    /// the new one is not for it. Gives the rules that it is over for from the beginning; none where it is for no rule.
    #[cold]
    fn make_room(
        &mut self,
        two_step: &TwoStep,
        key_row: Row,
        limits: &Limits,
        stats: &mut [RuleStats],
    ) -> Option<Done> {
        let rules = two_step.members.len();
        let mut crowd = self.crowds.remove(&key_row).unwrap_or_else(|| self.crowd(key_row, rules));
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
            self.end_for(two_step, oldest.expect("as many are open as may be"), place);
        }
        crowd.forget(|row| self.is_over(key_row, row));
        self.crowds.insert(key_row, crowd);
        Some(Done::default())
    }

    /// The runs of a key, to see which is the oldest for each rule.
    fn crowd(&self, key_row: Row, rules: usize) -> Crowd {
        let Chains { chain, groups, .. } = self.keys.get(key_row);
        let chains = groups.iter().flat_map(|groups| groups.values()).copied();
        let chains = chains.chain(groups.is_none().then_some(*chain));
        let mut rows: Vec<Row> = chains.flat_map(|chain| self.rows(chain)).collect();
        rows.sort_unstable_by_key(|row| row.wrapping_sub(self.base));
        Crowd::new(rows.into(), rules, |row, place| self.is_open(key_row, row, place))
    }

    /// Ends a run for one rule.
    fn end_for(&mut self, two_step: &TwoStep, row: Row, place: usize) {
        let run = self.run_mut(row);
        if !two_step.is_single() && run.end_for(place) < two_step.members.len() {
            return;
        }
        let after = run.after;
        let ended = std::mem::replace(run, Open { after, ..Open::default() });
        self.unchain(two_step, row, &ended);
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
    fn compact(&mut self, two_step: &TwoStep) {
        let mut runs = std::mem::take(&mut self.runs);
        for run in runs.iter().filter(|run| run.key != NONE) {
            *self.keys.get_mut(run.key) = Chains::default();
        }
        self.open = 0;
        self.oldest_ms = i64::MAX;
        // They are made again where they are asked for: rows have new numbers.
        self.crowds.clear();
        while let Some(run) = runs.pop_front() {
            if run.key != NONE {
                self.add(two_step, Open { after: NONE, ..run });
            }
        }
    }

    fn complete_of_key(
        &mut self,
        program: &Program,
        two_step: &TwoStep,
        at: usize,
        offer: &Offer<'_>,
        key_row: Row,
        mut completed: impl FnMut(&Completed<'_>),
    ) {
        let second = &two_step.seconds[at];
        let compared =
            second.compared.as_ref().map(|(comparison, value)| (*comparison, eval::value(value, offer.context(None))));
        let compared = compared.as_ref().map(|(comparison, value)| (*comparison, &**value));
        let chains = self.matching(two_step, key_row, compared);
        if chains.is_empty() {
            return;
        }
        // What the event must fulfil by itself comes first: where it does not, no run need be looked at.
        let holds = |condition| eval::holds(condition, offer.context(None));
        let members = two_step.members.iter().enumerate().filter(|(_, member)| member.own[at].iter().all(holds));
        let members: Vec<usize> = members.map(|(place, _)| place).collect();
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
            self.fire(program, two_step, offer, row, &members, &mut completed);
        }
        for (group, chain) in chains {
            let left = self.without_completed(chain);
            self.put_chain(key_row, group, left);
        }
        self.tidy(key_row);
    }

    /// The chains of a key whose values compare as they must.
    fn matching(&self, two_step: &TwoStep, key_row: Row, compared: Option<(Comparison, &Value)>) -> Matching {
        let Chains { chain, groups, .. } = self.keys.get(key_row);
        let Some((comparison, value)) = compared else { return smallvec![(None, *chain)] };
        if value.is_missing() {
            return Matching::new();
        }
        match (groups, two_step.by) {
            (Some(groups), _) => {
                let found = groups::matching(groups, comparison, value);
                found.map(|(group, chain)| (Some(group.clone()), *chain)).collect()
            }
            (None, Some(by)) if !compare::holds(comparison, value, &self.grouping_of(chain.first, by)) => {
                Matching::new()
            }
            (None, _) => smallvec![(None, *chain)],
        }
    }

    /// Whether what links both events holds, beside the comparison by which runs are grouped.
    fn links_hold(&self, second: &Second, offer: &Offer<'_>, row: Row) -> bool {
        let trail = Trail::of_records(self.run(row).first.as_bytes());
        second.linked.iter().all(|condition| eval::holds(condition, offer.context(Some(trail))))
    }

    /// Completes a run for those of the given rules for which it has not yet completed.
    fn fire(
        &mut self,
        program: &Program,
        two_step: &TwoStep,
        offer: &Offer<'_>,
        row: Row,
        members: &[usize],
        completed: &mut impl FnMut(&Completed<'_>),
    ) {
        let at = row.wrapping_sub(self.base) as usize;
        let Open { key, done, first, .. } = &mut self.runs[at];
        let mut crowd = if self.crowds.is_empty() { None } else { self.crowds.get_mut(key) };
        let mut is_over = two_step.is_single();
        for place in members {
            if !is_over && !done.get_or_insert_default().mark(*place) {
                continue;
            }
            if let Some(crowd) = &mut crowd {
                crowd.end(*place);
            }
            let rule = &program.rules[two_step.members[*place].rule.index()];
            let mut events = Records::default();
            events.insert(first.as_bytes());
            events.insert(&record::make(rule, SECOND, offer.event, offer.arrival()));
            let trail = Trail::of_records(events.as_bytes());
            completed(&Completed { rule, ..offer.completion(trail) });
        }
        is_over |= done.as_ref().is_some_and(|done| done.len() == two_step.members.len());
        if is_over {
            self.keys.get_mut(*key).open -= 1;
            *key = NONE;
            self.open -= 1;
        }
    }

    /// A chain without the runs that have completed.
    fn without_completed(&mut self, chain: Chain) -> Chain {
        let mut left = Chain::default();
        let mut row = chain.first;
        while row != NONE {
            let after = self.run(row).after;
            if self.run(row).key != NONE {
                match left.last {
                    NONE => left.first = row,
                    last => self.run_mut(last).after = row,
                }
                left.last = row;
            }
            row = after;
        }
        if left.last != NONE {
            self.run_mut(left.last).after = NONE;
        }
        left
    }

    /// The rows of a chain, oldest first.
    fn rows(&self, chain: Chain) -> impl Iterator<Item = Row> {
        let some = |row: Row| (row != NONE).then_some(row);
        std::iter::successors(some(chain.first), move |row| some(self.run(*row).after))
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
    fn tidy(&mut self, row: Row) {
        let Chains { chain, groups, .. } = self.keys.get(row);
        if groups.as_ref().map_or(chain.first == NONE, |groups| groups.is_empty()) {
            self.keys.remove(row);
            self.crowds.remove(&row);
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
        let mut runs = TwoSteps::new(1, DefaultHashBuilder::default());
        runs.base = NONE - 1;
        let open = |key| Open { key, after: NONE, done: None, first: Records::default() };
        let rows = [7, 8, 9].map(|key| runs.push(open(key)));
        assert_eq!(rows, [NONE - 1, 0, 1]);
        assert_eq!(rows.map(|row| runs.run(row).key), [7, 8, 9]);
    }
}
