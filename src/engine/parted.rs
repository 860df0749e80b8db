//! The open runs of a rule and key by what they wait for, where they are many.
//!
//! Each run is in the group of its state and of the value with which its next event is compared (`program::waits`), by
//! the number of its first event. An event is shown to the runs of the groups that it may mean something to, the oldest
//! first; all others would skip it. A key with few runs has no groups: looking at each is cheaper.

use std::collections::BTreeMap;

use crate::engine::eval;
use crate::engine::groups::{self, Group};
use crate::engine::nfa::Offer;
use crate::engine::runs::{Run, Trail};
use crate::engine::slab::Row;
use crate::event::Value;
use crate::program::{Awaited, CaptureId, Rule, StepId};

/// The open runs of a rule and key are parted when they are more than this.
pub(super) const MANY: usize = 4;

/// Runs by the number of their first event.
type ByAge = BTreeMap<u64, Row>;

/// Groups of runs, by state: with one step fulfilled, with two, and so on.
#[derive(Debug)]
pub(super) struct Parted {
    states: Vec<State>,
}

/// The runs of one state.
#[derive(Debug)]
struct State {
    /// What they are parted by, if anything.
    by: Option<(StepId, CaptureId)>,
    groups: BTreeMap<Group, ByAge>,
}

impl Parted {
    /// No runs yet.
    pub(super) fn new(rule: &Rule) -> Parted {
        let state = |by| State { by, groups: BTreeMap::new() };
        Parted { states: rule.waits.iter().map(|wait| state(wait.by)).collect() }
    }

    /// Takes a run in, as it stands.
    pub(super) fn insert(&mut self, row: Row, run: &Run) {
        if let Some(state) = self.state_of(run) {
            let group = state.group_of(run);
            state.groups.entry(group).or_default().insert(age(run), row);
        }
    }

    /// Takes a run out, as it stood when it was taken in.
    pub(super) fn remove(&mut self, run: &Run) {
        let Some(state) = self.state_of(run) else { return };
        let group = state.group_of(run);
        let runs = state.groups.get_mut(&group).expect("a run is in its group");
        runs.remove(&age(run));
        if runs.is_empty() {
            state.groups.remove(&group);
        }
    }

    /// The state of a run; none where it has taken nothing yet, or has completed.
    fn state_of(&mut self, run: &Run) -> Option<&mut State> {
        self.states.get_mut(run.step.index().checked_sub(1)?)
    }

    /// The runs that an event may mean something to, the oldest first.
    pub(super) fn candidates(&self, offer: &Offer<'_>) -> Vec<Row> {
        let mut found: Vec<(u64, Row)> = Vec::new();
        for (wait, state) in offer.rule.waits.iter().zip(&self.states) {
            let awaited = wait.events.iter().find(|awaited| Some(awaited.type_id) == offer.event.type_id);
            if let Some(awaited) = awaited.filter(|_| !state.groups.is_empty()) {
                collect(&state.groups, awaited, offer, &mut found);
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, row)| row).collect()
    }
}

impl State {
    fn group_of(&self, run: &Run) -> Group {
        let trail = Trail::of_records(run.own.as_bytes());
        let value = self.by.and_then(|(step, capture)| Some(trail.last_of(step)?.value(capture.index())));
        Group(value.unwrap_or(Value::Missing))
    }
}

fn collect(groups: &BTreeMap<Group, ByAge>, awaited: &Awaited, offer: &Offer<'_>, found: &mut Vec<(u64, Row)>) {
    if !awaited.own.iter().all(|condition| eval::holds(condition, offer.context(None))) {
        return;
    }
    let mut take = |runs: &ByAge| found.extend(runs.iter().map(|(age, row)| (*age, *row)));
    match &awaited.compared {
        None => groups.values().for_each(take),
        Some((comparison, value)) => {
            let value = eval::value(value, offer.context(None));
            groups::matching(groups, *comparison, &value).for_each(|(_, runs)| take(runs));
        }
    }
}

/// The number of a run's first event: runs of a key that started earlier have a lower one.
fn age(run: &Run) -> u64 {
    Trail::of_records(run.own.as_bytes()).first_arrival().expect("an open run has taken an event")
}
