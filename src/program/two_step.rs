//! Two-step sequences: `every login a then purchase b where country is not a.country within 5 minutes`.
//!
//! Such a rule needs no state machine: a run waits for one thing only. Open runs of a key are grouped by the value that
//! the second event is compared with, so that an event finds those that it completes and passes over the others. Rules
//! that differ only in what their second event must fulfil by itself share their open runs.

use std::collections::BTreeMap;

use crate::program::parts::{self, Field, Parts};
use crate::program::{CaptureId, CellId, Comparison, Condition, Expr, Program, Rule, RuleId, Strategy};
use crate::schema::TypeId;

/// The number of a [`TwoStep`] in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TwoStepId(pub u32);

impl TwoStepId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Two-step sequences that run together.
#[derive(Clone, Debug)]
pub struct TwoStep {
    /// The cell of their runs in the rows of their key.
    pub cell: CellId,
    /// The rules, in order; the first stands for all where they are the same.
    pub members: Vec<Member>,
    /// The captured field of the first event by whose value open runs are grouped; none where the second event is not
    /// compared with one.
    pub by: Option<CaptureId>,
    /// What the second event must be, by type, in the order of its step's guards.
    pub seconds: Vec<Second>,
}

/// A rule among those that run together.
#[derive(Clone, Debug)]
pub struct Member {
    /// The rule.
    pub rule: RuleId,
    /// What its second event must fulfil by itself, in the order of [`TwoStep::seconds`].
    pub own: Vec<Vec<Condition>>,
}

/// What a second event of one type must fulfil together with the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Second {
    /// The type.
    pub type_id: TypeId,
    /// How a value of the event, on the left, compares with the grouping one; there where [`TwoStep::by`] is.
    pub compared: Option<(Comparison, Expr)>,
    /// What else must hold of both events.
    pub linked: Vec<Condition>,
}

impl TwoStep {
    /// Whether only one rule is in it.
    pub fn is_single(&self) -> bool {
        self.members.len() == 1
    }
}

/// Finds the two-step sequences of a program, and which of them can run together.
pub(super) fn find(program: &Program) -> Vec<TwoStep> {
    let mut places = places(program);
    let mut found: Vec<(TwoStep, Vec<Place>)> = Vec::new();
    let mut by_digest: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for rule in &program.rules {
        let Some(two_step) = of(program, rule) else { continue };
        let places = std::mem::take(&mut places[rule.id.index()]);
        let digest = digest(rule, &two_step);
        let alike = by_digest.entry(digest).or_default();
        let same = |at: &&usize| {
            let (other, other_places) = &found[**at];
            *other_places == places && runs_with(rule, &two_step, &program.rules[other.members[0].rule.index()], other)
        };
        match alike.iter().find(same) {
            Some(at) => found[*at].0.members.extend(two_step.members),
            None => {
                alike.push(found.len());
                found.push((two_step, places));
            }
        }
    }
    found.into_iter().map(|(two_step, _)| two_step).collect()
}

/// A type, and which of its dispatches.
type Place = (TypeId, usize);

/// Where each rule listens.
fn places(program: &Program) -> Vec<Vec<Place>> {
    let mut places = vec![Vec::new(); program.rules.len()];
    for (plan, type_id) in program.types.iter().zip((0..).map(TypeId)) {
        for (at, dispatch) in plan.dispatch.iter().enumerate() {
            dispatch.rules.iter().for_each(|rule| places[rule.index()].push((type_id, at)));
        }
    }
    places
}

/// Equal for what can run together, and hardly for anything else.
fn digest(rule: &Rule, two_step: &TwoStep) -> String {
    format!("{:?}", (rule.key, rule.within, &rule.steps[0].guards, two_step.by, &two_step.seconds))
}

fn runs_with(rule: &Rule, two_step: &TwoStep, other: &Rule, its: &TwoStep) -> bool {
    rule.key == other.key
        && rule.within == other.within
        && rule.steps[0].guards == other.steps[0].guards
        && two_step.by == its.by
        && two_step.seconds == its.seconds
}

/// A rule as a two-step sequence, if it is one.
fn of(program: &Program, rule: &Rule) -> Option<TwoStep> {
    let [first, second] = &*rule.steps else { return None };
    let is_one = matches!(rule.strategy, Strategy::SequenceNfa)
        && rule.every
        && rule.within.is_some()
        && rule.absence.is_none()
        && rule.unless.is_empty()
        && !(first.is_repeated() || second.is_repeated() || second.next);
    if !is_one {
        return None;
    }
    let parts: Vec<Parts<'_>> = second.guards.iter().map(Parts::of).collect();
    let by = parts::grouping(program, &rule.steps, &parts);
    let seconds = second.guards.iter().zip(&parts).map(|(guard, parts)| second_of(guard.type_id, parts, by)).collect();
    let own = parts.iter().map(Parts::own).collect();
    // Before the second step there is only the first.
    Some(TwoStep {
        cell: CellId::default(),
        members: vec![Member { rule: rule.id, own }],
        by: by.map(|(_, capture)| capture),
        seconds,
    })
}

fn second_of(type_id: TypeId, parts: &Parts<'_>, by: Option<Field>) -> Second {
    let (compared, linked) = parts.compared(by);
    Second { type_id, compared, linked }
}
