//! Runs of two-step sequences: each waits for one event, and stands with those of its key that wait for the same.
//!
//! A run is one row of a queue in order of start, so that those whose `within` has passed leave at its front. The open
//! runs of a key are chained through their rows, oldest first, one chain for each value by which they are grouped. Most
//! keys have one run, or runs of one value, and need no map. A run that has completed leaves its chain at once and the
//! queue in its turn.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use hashbrown::DefaultHashBuilder;
use smallvec::{SmallVec, smallvec};

use crate::engine::chunks::Chunks;
use crate::engine::compare;
use crate::engine::completed::Completed;
use crate::engine::eval;
use crate::engine::keys::Keys;
use crate::engine::nfa::Offer;
use crate::engine::past::KeyAt;
use crate::engine::record::{self, Records, Taken};
use crate::engine::runs::Trail;
use crate::engine::slab::{NONE, Row};
use crate::event::Value;
use crate::program::{CaptureId, Comparison, Program, Second, StepId, TwoStep};

const FIRST: StepId = StepId(0);
const SECOND: StepId = StepId(1);

/// An open run; one that has completed has no key.
#[derive(Debug)]
struct Open {
    key: Row,
    /// The next younger run of its chain.
    after: Row,
    /// The rules that have completed, by their place; none where only one rule runs, or none has completed.
    done: Option<Box<SmallVec<[u64; 1]>>>,
    /// The record of the first event.
    first: Records,
}

impl Default for Open {
    /// A run of nobody.
    fn default() -> Self {
        Open { key: NONE, after: NONE, done: None, first: Records::default() }
    }
}

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

/// A value by which runs are grouped, in the order that the language has; all of one map are of one kind.
#[derive(Clone, Debug)]
struct Group(Value);

impl Ord for Group {
    fn cmp(&self, other: &Group) -> Ordering {
        compare::order(&self.0, &other.0).unwrap_or_else(|| self.0.is_missing().cmp(&other.0.is_missing()))
    }
}

impl PartialOrd for Group {
    fn partial_cmp(&self, other: &Group) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Group) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Group {}

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
}

/// A run, in bytes.
pub(super) const RUN_BYTES: usize = size_of::<Open>();

/// A key with open runs, in bytes.
pub(super) const KEY_BYTES: usize = Keys::<Chains>::ROW_BYTES;

impl TwoSteps {
    /// No runs yet.
    pub(super) fn new(within_ms: i64, hasher: DefaultHashBuilder) -> TwoSteps {
        TwoSteps { within_ms, keys: Keys::new(hasher), runs: Chunks::default(), base: 0, oldest_ms: i64::MAX, open: 0 }
    }

    /// How many runs are open.
    pub(super) fn len(&self) -> usize {
        self.open
    }

    /// How many keys have one.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Offers an event: it completes the runs that it fits, the oldest first, and then may start one.
    pub(super) fn offer(
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
            self.complete(program, two_step, at, offer, row, completed);
        }
        if offer.starts().is_some() {
            self.start(two_step, offer, key);
        }
    }

    /// Forgets the runs whose `within` has passed before a time.
    pub(super) fn expire(&mut self, two_step: &TwoStep, now_ms: i64) {
        let oldest_ms = now_ms.saturating_sub(self.within_ms);
        while self.oldest_ms < oldest_ms {
            let Some(front) = self.runs.pop_front() else { break };
            if front.key != NONE {
                self.unchain(two_step, &front);
            }
            self.base = self.base.wrapping_add(1);
            self.oldest_ms = self.runs.front().map_or(i64::MAX, start_ms);
        }
    }

    fn start(&mut self, two_step: &TwoStep, offer: &Offer<'_>, key: KeyAt<'_>) {
        let made = record::make(offer.rule, FIRST, offer.event, offer.arrival());
        let value = two_step.by.map(|by| Taken::of(&made).value(by.index()));
        // Nothing compares with what is missing, so such a run could never complete.
        if value.as_ref().is_some_and(Value::is_missing) {
            return;
        }
        let key_row = self.keys.find(key.hash, key.bytes);
        let key_row = key_row.unwrap_or_else(|| self.keys.insert(key.hash, key.bytes));
        if self.runs.is_empty() {
            self.oldest_ms = offer.event.time_ms;
        }
        let mut first = Records::default();
        first.insert(&made);
        let row = self.push(Open { key: key_row, after: NONE, done: None, first });
        self.open += 1;
        let chain = self.chain_for(two_step.by, key_row, value);
        let Chain { last, .. } = *chain;
        chain.last = row;
        match last {
            NONE => chain.first = row,
            last => self.run_mut(last).after = row,
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
        let Chains { chain, groups } = self.keys.get(key_row);
        if let (None, Some(by), Some(value), true) = (groups, by, &value, chain.first != NONE) {
            let there = Group(self.value_of(chain.first, by));
            if there != Group(value.clone()) {
                let chain = *chain;
                self.keys.get_mut(key_row).groups = Some(Box::new(BTreeMap::from([(there, chain)])));
            }
        }
        let Chains { chain, groups } = self.keys.get_mut(key_row);
        match (groups, value) {
            (Some(groups), Some(value)) => groups.entry(Group(value)).or_default(),
            _ => chain,
        }
    }

    /// Takes the front run out of its chain, whose oldest it is.
    fn unchain(&mut self, two_step: &TwoStep, front: &Open) {
        self.open -= 1;
        let Chains { chain, groups } = self.keys.get_mut(front.key);
        match (groups, two_step.by) {
            (Some(groups), Some(by)) => {
                let value = Group(Taken::of(front.first.as_bytes()).value(by.index()));
                let chain = groups.get_mut(&value).expect("an open run is in its chain");
                chain.first = front.after;
                if chain.first == NONE {
                    groups.remove(&value);
                }
            }
            _ => chain.first = front.after,
        }
        self.tidy(front.key);
    }

    fn complete(
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
            let Chains { chain, groups } = self.keys.get_mut(key_row);
            match (groups, group) {
                (Some(groups), Some(group)) if left.first == NONE => drop(groups.remove(&group)),
                (Some(groups), Some(group)) => drop(groups.insert(group, left)),
                _ => *chain = left,
            }
        }
        self.tidy(key_row);
    }

    /// The chains of a key whose values compare as they must.
    fn matching(&self, two_step: &TwoStep, key_row: Row, compared: Option<(Comparison, &Value)>) -> Matching {
        let Chains { chain, groups } = self.keys.get(key_row);
        let Some((comparison, value)) = compared else { return smallvec![(None, *chain)] };
        if value.is_missing() {
            return Matching::new();
        }
        match (groups, two_step.by) {
            (Some(groups), _) => range(groups, comparison, value),
            (None, Some(by)) if !compare::holds(comparison, value, &self.value_of(chain.first, by)) => Matching::new(),
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
        let count = two_step.members.len();
        let mut is_over = two_step.is_single();
        for place in members {
            if !is_over && !mark(done.get_or_insert_with(|| Box::new(smallvec![0; count.div_ceil(64)])), *place) {
                continue;
            }
            let rule = &program.rules[two_step.members[*place].rule.index()];
            let mut events = Records::default();
            events.insert(first.as_bytes());
            events.insert(&record::make(rule, SECOND, offer.event, offer.arrival()));
            let trail = Trail::of_records(events.as_bytes());
            completed(&Completed { rule, ..offer.completion(trail) });
        }
        is_over |= done
            .as_ref()
            .is_some_and(|done| done.iter().map(|word| word.count_ones() as usize).sum::<usize>() == count);
        if is_over {
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

    fn value_of(&self, row: Row, by: CaptureId) -> Value {
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
        let Chains { chain, groups } = self.keys.get(row);
        if groups.as_ref().map_or(chain.first == NONE, |groups| groups.is_empty()) {
            self.keys.remove(row);
        }
    }
}

/// Marks a place. Says whether it was free.
fn mark(done: &mut [u64], place: usize) -> bool {
    let (word, bit) = (&mut done[place / 64], 1 << (place % 64));
    let was_free = *word & bit == 0;
    *word |= bit;
    was_free
}

/// When a run of the queue started; one that stands for nobody leaves with those before it.
fn start_ms(run: &Open) -> i64 {
    match run.first.as_bytes() {
        [] => i64::MIN,
        record => Taken::of(record).time_ms(),
    }
}

/// The groups with which a value compares as it must.
fn range(groups: &BTreeMap<Group, Chain>, comparison: Comparison, value: &Value) -> Matching {
    let at = Group(value.clone());
    let (from, to) = match comparison {
        Comparison::Is => (Bound::Included(&at), Bound::Included(&at)),
        Comparison::IsNot => (Bound::Unbounded, Bound::Unbounded),
        Comparison::Less => (Bound::Excluded(&at), Bound::Unbounded),
        Comparison::LessOrEqual => (Bound::Included(&at), Bound::Unbounded),
        Comparison::Greater => (Bound::Unbounded, Bound::Excluded(&at)),
        Comparison::GreaterOrEqual => (Bound::Unbounded, Bound::Included(&at)),
    };
    let found = groups.range((from, to)).filter(|(group, _)| compare::holds(comparison, value, &group.0));
    found.map(|(group, chain)| (Some(group.clone()), *chain)).collect()
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
