//! Random rules, always such that a checker accepts them.

use std::collections::BTreeSet;

use super::conditions::{Sight, Visible, beginning, condition};
use super::streams::UNIT_MS;
use super::tape::Tape;
use super::tree::{duration, name, path, spanned};
use super::types::{self, RENAMED, RULED};
use crate::lang::ast::{
    Absence, Alert, Count, Duration, Expr, File, Held, Item, KeyPart, Name, Pattern, Rule, Sequence, Spanned, Step,
    Unless,
};

/// The names of rules.
pub(super) const NAMES: [&str; 4] = ["rule_1", "rule_2", "rule_3", "rule_4"];

/// The names of rules of which there are many.
pub(super) const CROWD: [&str; 8] =
    ["crowd_1", "crowd_2", "crowd_3", "crowd_4", "crowd_5", "crowd_6", "crowd_7", "crowd_8"];

/// What rules may be about.
#[derive(Clone)]
pub(super) struct Manner {
    /// The types that they may name.
    pub(super) pool: Vec<&'static str>,
    pub(super) windows: bool,
    pub(super) lookups: bool,
    pub(super) form: Form,
}

/// How long rules are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Of one to four steps.
    Any,
    /// Of one or two, so that they alert often.
    Short,
    /// Of one or two, and each begins with a condition as many rules do.
    Crowd,
}

impl Manner {
    pub(super) fn plain() -> Manner {
        Manner { pool: RULED.to_vec(), windows: false, lookups: false, form: Form::Any }
    }

    /// Short rules over few types.
    pub(super) fn crowd(pool: Vec<&'static str>) -> Manner {
        Manner { pool, form: Form::Crowd, ..Manner::plain() }
    }

    pub(super) fn windowed() -> Manner {
        Manner { windows: true, ..Manner::plain() }
    }
}

/// The declarations and one to three rules.
pub(super) fn file(tape: &mut Tape, manner: &Manner) -> File {
    let rules = tape.pick(&[1, 1, 1, 2, 3]);
    let rules: Vec<Item> = NAMES[..rules].iter().map(|name| Item::Rule(rule(tape, name, manner))).collect();
    with_declarations(rules)
}

/// The declarations, then these.
pub(super) fn with_declarations(items: impl IntoIterator<Item = Item>) -> File {
    File { items: types::declarations().chain(items).map(spanned).collect(), ..File::default() }
}

/// The types that the file's rules and measures name, without those of alerts.
pub(super) fn named_types(file: &File) -> Vec<&str> {
    let named = file.items.iter().flat_map(|item| match &item.node {
        Item::Rule(rule) => {
            let unless = rule.unless.iter().flat_map(|unless| &unless.types);
            pattern_types(&rule.pattern).into_iter().chain(unless).collect()
        }
        Item::Measure(measure) => measure.types.iter().collect(),
        _ => Vec::new(),
    });
    let named: BTreeSet<&str> = named.map(|name| name.node.as_str()).collect();
    named.into_iter().filter(|name| !NAMES.contains(name)).collect()
}

fn pattern_types(pattern: &Pattern) -> Vec<&Name> {
    match pattern {
        Pattern::Sequence(sequence) => {
            let steps = sequence.steps.iter().flat_map(|step| &step.types);
            steps.chain(sequence.absence.iter().flat_map(|absence| &absence.types)).collect()
        }
        Pattern::AllOf(all) => all.slots.iter().flat_map(|slot| &slot.types).collect(),
        Pattern::EachPair(pair) => pair.left.0.iter().chain(&pair.right.0).collect(),
        Pattern::Session(session) => session.types.iter().collect(),
    }
}

/// What a clause waits for, before it has a condition: conditions need to know what all clauses are called.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) next: bool,
    pub(super) count: Option<Count>,
    pub(super) types: Vec<&'static str>,
    pub(super) name: Option<&'static str>,
}

impl Shape {
    pub(super) fn types(&self) -> Vec<Name> {
        self.types.iter().map(|event_type| name(event_type)).collect()
    }

    pub(super) fn name(&self) -> Option<Name> {
        self.name.map(name)
    }
}

/// All clauses of a rule: the steps, then `unless`, then `then no`.
pub(super) struct Shapes {
    pub(super) all: Vec<Shape>,
    pub(super) steps: usize,
    pub(super) unless: usize,
    pub(super) absence: bool,
    /// Whether conditions may look at windows.
    pub(super) windows: bool,
    /// Whether conditions may look at lists and tables.
    pub(super) lookups: bool,
    pub(super) form: Form,
}

impl Shapes {
    fn new(tape: &mut Tape, manner: &Manner) -> Shapes {
        // Few types a rule: steps that could take each other's events are where engines go wrong.
        let palette = [(); 3].map(|()| tape.pick(&manner.pool));
        let steps = if manner.form == Form::Any { tape.pick(&[1, 2, 2, 2, 3, 3, 4]) } else { tape.pick(&[1, 1, 2, 2]) };
        let absence = tape.percent(30);
        let counts: Vec<Option<Count>> = (1..=steps).map(|number| count(tape, number == steps)).collect();
        let several = steps > 1 || counts[0].is_some();
        let unless = if several || absence { tape.pick(&[0, 0, 0, 0, 1, 2]) } else { 0 };
        let names = ["a", "b", "c", "d", "x", "y", "z"];
        let others = unless + usize::from(absence);
        let counts = counts.into_iter().chain(std::iter::repeat_n(None, others));
        let all = counts.zip(names).enumerate().map(|(at, (count, name))| Shape {
            next: at > 0 && at < steps && tape.percent(30),
            count,
            types: some_types(tape, &palette),
            name: Some(name).filter(|_| tape.percent(60)),
        });
        let &Manner { windows, lookups, form, .. } = manner;
        Shapes { all: all.collect(), steps, unless, absence, windows, lookups, form }
    }

    /// The types of all clauses.
    pub(super) fn types(&self) -> Vec<&'static str> {
        self.all.iter().flat_map(|shape| shape.types.iter().copied()).collect()
    }

    /// What a clause is called in conditions: its name; or its type, if that says which clause is meant.
    pub(super) fn called(&self, at: usize) -> Option<&'static str> {
        let shape = &self.all[at];
        let unnamed = |other: &&Shape| other.name.is_none() && other.types.contains(&shape.types[0]);
        let by_type = shape.types.len() == 1 && self.all.iter().filter(unnamed).count() == 1;
        shape.name.or_else(|| by_type.then_some(shape.types[0]))
    }

    /// What the condition of a clause can name: its own event, and earlier steps.
    fn sight(&self, at: usize) -> Sight {
        self.sight_with(at, 0..at.min(self.steps))
    }

    /// What a condition can name: its own event, and these steps.
    pub(super) fn sight_with(&self, at: usize, steps: impl IntoIterator<Item = usize>) -> Sight {
        let visible = |at: usize| {
            let Shape { types, count, .. } = &self.all[at];
            Some(Visible { name: self.called(at)?, types: types.clone(), repeated: count.is_some() })
        };
        Sight {
            types: self.all[at].types.clone(),
            own: self.called(at),
            by_name: false,
            earlier: steps.into_iter().filter_map(visible).collect(),
            windows: self.windows,
            lookups: self.lookups,
        }
    }

    fn condition(&self, tape: &mut Tape, at: usize) -> Option<Expr> {
        if self.form == Form::Crowd && at == 0 {
            return (!tape.percent(15)).then(|| beginning(tape, &self.sight(at)));
        }
        // `then next` without a condition says no more than `then`.
        let percent = if self.all[at].next { 85 } else { 45 };
        tape.percent(percent).then(|| condition(tape, &self.sight(at)))
    }
}

/// A rule over a sequence.
pub(super) fn rule(tape: &mut Tape, called: &str, manner: &Manner) -> Rule {
    // Short decisions first: what a short tape leaves out is the tail of the conditions.
    let every = tape.percent(40);
    let at_most_once = tape.percent(25).then(|| units(tape, 12));
    let within = units(tape, 12);
    let quiet = units(tape, 5);
    let bounded = tape.percent(50);
    // Rules meet only under one key.
    let keys = if manner.form == Form::Crowd { 0 } else { tape.below(20) };
    let shapes = Shapes::new(tape, manner);
    let steps: Vec<Step> = (0..shapes.steps).map(|at| step(tape, &shapes, at)).collect();
    let unless = (0..shapes.unless).map(|at| unless(tape, &shapes, shapes.steps + at)).collect();
    let absence = shapes.absence.then(|| absence(tape, &shapes, quiet));
    // "`within` is required on every sequence of two or more events." Where there is one event, it bounds nothing.
    let several = steps.len() > 1 || steps[0].count.is_some();
    let optional = absence.is_some() && bounded;
    Rule {
        name: name(called),
        description: None,
        keys: key_parts(keys, &shapes.types()),
        // A rule of one event makes a run that completes at once, with `every` and without.
        pattern: Pattern::Sequence(Sequence { every: every && (several || absence.is_some()), steps, absence }),
        unless,
        within: (several || optional).then_some(within),
        alert: alert(at_most_once),
    }
}

/// A plain alert.
pub(super) fn alert(at_most_once: Option<Spanned<Duration>>) -> Alert {
    Alert {
        severity: Some(name("high")),
        score: None,
        message: None,
        targets: Vec::new(),
        tags: Vec::new(),
        at_most_once,
    }
}

/// No key, one, a nested one, two; `user` is renamed where the rule names the type that calls it otherwise.
pub(super) fn key_parts(choice: usize, types: &[&str]) -> Vec<KeyPart> {
    let plain = |field: &str| KeyPart { path: path(field), renamed: Vec::new() };
    let otherwise = types.contains(&RENAMED.0);
    let renamed = otherwise.then(|| path(&format!("{}.{}", RENAMED.0, RENAMED.1)));
    let user = KeyPart { path: path("user"), renamed: renamed.into_iter().collect() };
    match choice {
        0..12 => vec![user],
        12..14 => vec![user, plain("card")],
        14 => vec![plain("device.id"), user],
        15..17 => vec![plain("device.id")],
        _ => Vec::new(),
    }
}

fn step(tape: &mut Tape, shapes: &Shapes, at: usize) -> Step {
    let shape = &shapes.all[at];
    let condition = shapes.condition(tape, at);
    // "`where c for D`, in rules of one step."
    let alone = shapes.all.len() == 1 && shape.count.is_none();
    let held = (shapes.windows && alone && condition.is_some() && tape.percent(40)).then(|| held(tape));
    Step {
        next: shape.next,
        count: shape.count.map(spanned),
        types: shape.types(),
        name: shape.name(),
        condition,
        held,
    }
}

fn held(tape: &mut Tape) -> Held {
    Held { duration: units(tape, 3), gap: tape.percent(40).then(|| units(tape, 3)) }
}

pub(super) fn unless(tape: &mut Tape, shapes: &Shapes, at: usize) -> Unless {
    let shape = &shapes.all[at];
    Unless { types: shape.types(), name: shape.name(), condition: shapes.condition(tape, at) }
}

fn absence(tape: &mut Tape, shapes: &Shapes, within: Spanned<Duration>) -> Absence {
    let at = shapes.all.len() - 1;
    let shape = &shapes.all[at];
    Absence { types: shape.types(), name: shape.name(), condition: shapes.condition(tape, at), within: Some(within) }
}

/// `2 X`, `1 or more X`. "As a last step `N or more` is an error."
fn count(tape: &mut Tape, last: bool) -> Option<Count> {
    match tape.below(10) {
        0..5 => None,
        5..7 => Some(Count { n: tape.pick(&[2, 2, 3]), or_more: false }),
        _ if last => None,
        _ => Some(Count { n: tape.pick(&[1, 2, 2, 3]), or_more: true }),
    }
}

pub(super) fn some_types(tape: &mut Tape, palette: &[&'static str]) -> Vec<&'static str> {
    let first = tape.pick(palette);
    let mut types = vec![first];
    if tape.percent(20) {
        types.extend(Some(tape.pick(palette)).filter(|second| *second != first));
    }
    types
}

pub(super) fn units(tape: &mut Tape, most: usize) -> Spanned<Duration> {
    let units = i64::try_from(tape.below(most) + 1).expect("a small number");
    duration(units * UNIT_MS)
}
