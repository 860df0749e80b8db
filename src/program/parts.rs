//! The condition of a later step in parts: what an event must fulfil by itself, and how it must stand to the events of
//! earlier steps. `two_step` and `waits` part open runs by the value with which an event is compared, so that it finds
//! those that it means something to.

use crate::program::{CaptureId, Comparison, Condition, Expr, Program, Step, StepGuard, StepId};
use crate::schema::Kind;

/// A captured field of an earlier step.
pub(super) type Field = (StepId, CaptureId);

/// The parts of the condition on an event of one type.
pub(super) struct Parts<'a> {
    /// What the event must fulfil by itself.
    own: Vec<&'a Condition>,
    /// What must hold of it and of earlier events.
    linked: Vec<&'a Condition>,
}

impl<'a> Parts<'a> {
    /// Of a step's condition for one type.
    pub(super) fn of(guard: &'a StepGuard) -> Parts<'a> {
        let all: Vec<&Condition> = match &guard.condition {
            None => Vec::new(),
            Some(Condition::All(parts)) => parts.iter().collect(),
            Some(one) => vec![one],
        };
        let (linked, own) = all.into_iter().partition(|part| part.reads_steps());
        Parts { own, linked }
    }

    /// What the event must fulfil by itself.
    pub(super) fn own(&self) -> Vec<Condition> {
        self.own.iter().copied().cloned().collect()
    }

    /// How a value of the event, on the left, compares with a captured field, and what else links it with earlier
    /// events.
    pub(super) fn compared(&self, by: Option<Field>) -> (Option<(Comparison, Expr)>, Vec<Condition>) {
        let is_it = |part: &&Condition| by.is_some() && comparison(part).map(|(_, field, _)| field) == by;
        let at = self.linked.iter().position(is_it);
        let compared = at.and_then(|at| comparison(self.linked[at])).map(|(c, _, value)| (c, value.clone()));
        let rest = self.linked.iter().enumerate().filter(|(other, _)| Some(*other) != at);
        (compared, rest.map(|(_, part)| (*part).clone()).collect())
    }

    /// The comparisons of a value of the event, on the left, with a captured field.
    fn comparisons(&self) -> impl Iterator<Item = (Comparison, Field, &'a Expr)> {
        self.linked.iter().filter_map(|part| comparison(part))
    }
}

/// The captured field by which open runs are best parted: one with which every type of the next event is compared, for
/// equality if there is one.
pub(super) fn grouping(program: &Program, steps: &[Step], parts: &[Parts<'_>]) -> Option<Field> {
    let mut candidates: Vec<(Comparison, Field)> = parts.first()?.comparisons().map(|(c, by, _)| (c, by)).collect();
    candidates.retain(|(_, by)| can_group(program, steps, *by));
    candidates.sort_by_key(|(comparison, _)| match comparison {
        Comparison::Is => 0,
        Comparison::IsNot => 2,
        _ => 1,
    });
    let in_all = |by: &Field| parts.iter().all(|parts| parts.comparisons().any(|(_, other, _)| other == *by));
    candidates.into_iter().map(|(_, by)| by).find(in_all)
}

/// Whether the values of a captured field have one order: they are of one kind, and no points or lists.
fn can_group(program: &Program, steps: &[Step], (step, capture): Field) -> bool {
    let kind = |guard: &StepGuard| {
        let slot = guard.captures[capture.index()]?;
        let field = program.types[guard.type_id.index()].fields[usize::from(slot)];
        Some(&program.schema.get(guard.type_id).fields[field].kind)
    };
    let mut kinds = steps[step.index()].guards.iter().filter_map(kind);
    let Some(one) = kinds.next() else { return false };
    !matches!(one, Kind::Point | Kind::List(_)) && kinds.all(|kind| kind == one)
}

fn comparison(part: &Condition) -> Option<(Comparison, Field, &Expr)> {
    match part {
        Condition::Compare(comparison, value, Expr::Captured(step, by)) if !value.reads_steps() => {
            Some((*comparison, (*step, *by), value))
        }
        Condition::Compare(comparison, Expr::Captured(step, by), value) if !value.reads_steps() => {
            Some((comparison.mirrored(), (*step, *by), value))
        }
        _ => None,
    }
}
