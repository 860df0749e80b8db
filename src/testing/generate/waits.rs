//! Random sequences of single events over a long time: most open runs of a key wait for an event that is compared with
//! an earlier one, or for a silence.

use super::conditions::condition;
use super::rules::{self, NAMES};
use super::tape::Tape;
use super::tree::name;
use super::two_steps::{linked, sight};
use super::types;
use crate::lang::ast::{Absence, Expr, File, Item, Pattern, Rule, Sequence, Step};

const STEPS: [&str; 3] = ["a", "b", "c"];

/// The declarations and one or two rules.
pub(super) fn file(tape: &mut Tape) -> File {
    let count = tape.pick(&[1, 1, 2]);
    let rules = NAMES[..count].iter().map(|called| Item::Rule(rule(tape, called)));
    rules::with_declarations(rules.collect::<Vec<_>>())
}

fn rule(tape: &mut Tape, called: &str) -> Rule {
    let palette = [(); 2].map(|()| tape.pick(&types::RULED));
    let count = tape.pick(&[1, 2, 3, 3, 3]);
    let every = count < 3 || tape.percent(70);
    let of: Vec<Vec<&'static str>> = (0..count).map(|_| rules::some_types(tape, &palette)).collect();
    let steps = (0..count).map(|at| step(tape, at, &of)).collect();
    let absence = (count < 3 && (count == 1 || tape.percent(50))).then(|| absence(tape, &palette, &of));
    let awaited = absence.iter().flat_map(|(types, _)| types);
    let all: Vec<&str> = of.iter().flatten().chain(awaited).copied().collect();
    Rule {
        name: name(called),
        description: None,
        keys: rules::key_parts(tape.below(20), &all),
        unless: Vec::new(),
        within: (count > 1).then(|| rules::units(tape, 40)),
        pattern: Pattern::Sequence(Sequence { every, steps, absence: absence.map(|(_, absence)| absence) }),
        alert: rules::alert(None),
    }
}

fn step(tape: &mut Tape, at: usize, of: &[Vec<&'static str>]) -> Step {
    let condition = match at {
        0 => tape.percent(20).then(|| condition(tape, &sight(&of[0], STEPS[0], None))),
        _ => {
            let earlier = tape.below(at);
            linked(tape, (STEPS[at], &of[at]), (STEPS[earlier], &of[earlier]))
        }
    };
    let (types, called) = (of[at].iter().map(|event_type| name(event_type)).collect(), Some(name(STEPS[at])));
    Step { next: false, count: None, types, name: called, condition, held: None }
}

/// A final `then no`, and its types.
fn absence(tape: &mut Tape, palette: &[&'static str], of: &[Vec<&'static str>]) -> (Vec<&'static str>, Absence) {
    let types = rules::some_types(tape, palette);
    let condition: Option<Expr> = linked(tape, ("c", &types), (STEPS[0], &of[0]));
    let named = types.iter().map(|event_type| name(event_type)).collect();
    let within = Some(rules::units(tape, 20));
    (types, Absence { types: named, name: Some(name("c")), condition, within })
}
