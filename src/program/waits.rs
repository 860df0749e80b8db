//! What the open runs of a state machine wait for, state by state, as far as an event tells it without a look at any run.
//! Where a key has many open runs, the engine parts them by it, so that an event passes over all those that it means
//! nothing to: however long a user stays in one country, purchases there cost no more.

use crate::program::parts::{self, Parts};
use crate::program::{CaptureId, Comparison, Condition, Expr, Program, Rule, StepGuard, StepId, Strategy};
use crate::schema::TypeId;

/// What runs wait for that have fulfilled so many steps.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The captured field by whose value they are parted; none where events are compared with none.
    pub by: Option<(StepId, CaptureId)>,
    /// What the next event must be, by type; what is not said here a look at the run tells.
    pub events: Vec<Awaited>,
}

/// What an event of one type must be.
#[derive(Clone, Debug)]
pub struct Awaited {
    /// The type.
    pub type_id: TypeId,
    /// What it must fulfil by itself.
    pub own: Vec<Condition>,
    /// How a value of it, on the left, compares with the one by which runs are parted; there where [`Wait::by`] is.
    pub compared: Option<(Comparison, Expr)>,
}

/// The waits of a rule: that of runs with one step fulfilled, with two, and so on. None where its runs are not parted:
/// it is no plain sequence of single events.
pub(super) fn of(program: &Program, rule: &Rule) -> Vec<Wait> {
    let is_plain = matches!(rule.strategy, Strategy::SequenceNfa)
        && rule.two_step.is_none()
        && rule.unless.is_empty()
        && !rule.steps.iter().any(|step| step.is_repeated() || step.next);
    // Runs that move and runs that wait for a silence end in different orders: a rule has only one kind of them.
    if !is_plain || (rule.absence.is_some() && rule.steps.len() > 1) {
        return Vec::new();
    }
    let later = rule.steps.iter().skip(1).map(|step| &step.guards);
    later.chain(rule.absence.iter().map(|absence| &absence.guards)).map(|guards| wait(program, rule, guards)).collect()
}

fn wait(program: &Program, rule: &Rule, guards: &[StepGuard]) -> Wait {
    let parts: Vec<Parts<'_>> = guards.iter().map(Parts::of).collect();
    let by = parts::grouping(program, &rule.steps, &parts);
    let awaited = |(guard, parts): (&StepGuard, &Parts<'_>)| Awaited {
        type_id: guard.type_id,
        own: parts.own(),
        compared: parts.compared(by).0,
    };
    Wait { by, events: guards.iter().zip(&parts).map(awaited).collect() }
}
