//! `each pair of`: every combination of two events (section 3 of the language's definition).

use super::all_of::{named_steps, parts};
use super::expression::{Scope, StepEvents};
use super::step::{Found, called, label};
use super::stream::Trigger;
use super::world::World;
use crate::lang::ast::{EachPair, Expr, ExprKind, Name, Rule};

/// A side: its types, and its name.
type Side = (Vec<Name>, Option<Name>);

/// "Every combination at most W apart, either order", at the later event: it is x with all earlier y, the oldest first,
/// and then y with all earlier x. An event is never paired with itself. "The events of each side are its open runs":
/// those that fulfil what the condition asks of them alone, for W.
pub(super) fn matches(world: &World, rule: &Rule, pair: &EachPair, events: &[usize]) -> Vec<Found> {
    let sides = [&pair.left, &pair.right];
    let mut kept: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    let mut found = Vec::new();
    for (at, &event) in events.iter().enumerate() {
        let near = |earlier: &usize| {
            let apart = world.time(event).saturating_sub(world.time(*earlier));
            rule.within.as_ref().is_none_or(|within| apart <= within.node.ms)
        };
        let seen = &events[..=at];
        let is_of = [0, 1].map(|own| world.is_of(&sides[own].0, event) && fits_alone(world, pair, own, seen));
        for kept in &mut kept {
            kept.retain(near);
        }
        for own in [0, 1].into_iter().filter(|own| is_of[*own]) {
            let (own_side, other_side) = (sides[own], sides[1 - own]);
            for &earlier in &kept[1 - own] {
                let scope = Scope {
                    steps: [bound(own_side, &event), bound(other_side, &earlier)].into_iter().flatten().collect(),
                    ..Scope::of(world, event, seen)
                };
                if pair.condition.as_ref().is_none_or(|condition| scope.value(condition).holds()) {
                    let matched = vec![
                        (label(other_side.1.as_ref(), 1 - own), earlier),
                        (label(own_side.1.as_ref(), own), event),
                    ];
                    found.push(Found::new(Trigger::Occurrence(event), matched));
                }
            }
        }
        for own in [0, 1].into_iter().filter(|own| is_of[*own]) {
            if world.make_room(&mut kept[own]) {
                kept[own].push(event);
            }
        }
    }
    found
}

/// Whether the last event seen fulfils the parts of the condition that are about its side alone. A window is as of the
/// later event, so a part with one waits for it.
fn fits_alone(world: &World, pair: &EachPair, own: usize, seen: &[usize]) -> bool {
    let names = [&pair.left, &pair.right].map(|side| called(&side.0, side.1.as_ref()));
    if names[0] == names[1] {
        return true;
    }
    let event = &seen[seen.len() - 1];
    let side = if own == 0 { &pair.left } else { &pair.right };
    pair.condition.iter().flat_map(parts).all(|part| {
        let mut named = Vec::new();
        named_steps(part, &mut named);
        let alone = !named.is_empty() && named.iter().all(|name| Some(*name) == names[own]) && !has_window(part);
        let scope = || Scope { steps: bound(side, event).into_iter().collect(), ..Scope::of(world, *event, seen) };
        !alone || scope().value(part).holds()
    })
}

/// Whether there is an aggregate over a window in it.
fn has_window(expr: &Expr) -> bool {
    match &*expr.node {
        ExprKind::Call(call) => call.window.is_some() || call.args.iter().any(has_window),
        ExprKind::Not(a)
        | ExprKind::Negate(a)
        | ExprKind::IsMissing { operand: a, .. }
        | ExprKind::IsNew { operand: a, .. }
        | ExprKind::In { operand: a, .. }
        | ExprKind::Lookup { key: a, .. } => has_window(a),
        ExprKind::Arithmetic(_, a, b) | ExprKind::Compare(_, a, b) | ExprKind::And(a, b) | ExprKind::Or(a, b) => {
            has_window(a) || has_window(b)
        }
        ExprKind::Path(_) | ExprKind::Number(..) | ExprKind::Text(_) | ExprKind::Boolean(_) => false,
    }
}

/// A side without a name goes by its type, if it has one.
fn bound<'a>(side: &'a Side, event: &'a usize) -> Option<StepEvents<'a>> {
    let name = called(&side.0, side.1.as_ref())?;
    Some(StepEvents::single(name, std::slice::from_ref(event)))
}
