//! From compiled rules to the program: numbers, keys, and who listens to which type.

use crate::lang::check::measure;
use crate::lang::check::past::{PastPlan, PastPlans};
use crate::lang::check::rule::Compiled;
use crate::program::{Dispatch, KeyId, KeyPlan, MeasureId, Novelty, NoveltyId, Program, RuleId, Window, WindowId};
use crate::schema::TypeId;

/// Adds a rule to the program: its number, its key, and its place with the types that it names.
pub(super) fn rule(program: &mut Program, made: Compiled) {
    let Compiled { mut rule, key, dispatch, pinned, reads, .. } = made;
    rule.id = RuleId(u32::try_from(program.rules.len()).expect("rules are limited"));
    rule.key = key_id(program, key);
    for (type_id, values) in dispatch {
        let listeners = listeners(program, type_id, rule.key, values, pinned);
        listeners.rules.push(rule.id);
        add_reads(listeners, type_id, &reads);
    }
    program.rules.push(rule);
}

/// Adds a measure to the program: its number, its key, and its place with the types that it names.
pub(super) fn measure(program: &mut Program, made: measure::Compiled) {
    let measure::Compiled { mut measure, key, dispatch, pinned, reads, .. } = made;
    measure.id = MeasureId(u32::try_from(program.measures.len()).expect("rules are limited"));
    measure.key = key_id(program, key);
    for (type_id, values) in dispatch {
        let listeners = listeners(program, type_id, measure.key, values, pinned);
        listeners.measures.push(measure.id);
        add_reads(listeners, type_id, &reads);
    }
    program.measures.push(measure);
}

fn add_reads(listeners: &mut Dispatch, type_id: TypeId, reads: &[(TypeId, WindowId)]) {
    let read = reads.iter().filter(|(reader, _)| *reader == type_id).map(|(_, window)| *window);
    listeners.reads.extend(read);
    listeners.reads.sort_unstable();
    listeners.reads.dedup();
}

/// Adds what rules ask of the past, with its place at the types that it is over.
pub(super) fn past(program: &mut Program, past: PastPlans, compiled: &[Compiled]) {
    // Keys get their numbers in the order of rules.
    for made in compiled {
        key_id(program, made.key.clone());
    }
    for (at, PastPlan { plan, type_id, key, pinned }) in (0..).map(WindowId).zip(past.windows) {
        let key_of_plan = place(program, type_id, key, pinned, |dispatch| {
            if plan.previous { dispatch.windows_after.push(at) } else { dispatch.windows.push(at) }
        });
        program.windows.push(Window { key: key_of_plan, ..plan });
    }
    for (at, PastPlan { plan, type_id, key, pinned }) in (0..).map(NoveltyId).zip(past.novelties) {
        let key = place(program, type_id, key, pinned, |dispatch| dispatch.novelties.push(at));
        program.novelties.push(Novelty { key, ..plan });
    }
}

/// Puts something of the past to its key and type. What no right rule uses has no place.
fn place(
    program: &mut Program,
    type_id: TypeId,
    key: Option<(KeyPlan, Vec<u16>)>,
    pinned: bool,
    put: impl FnOnce(&mut Dispatch),
) -> KeyId {
    let Some((key, values)) = key else { return KeyId(0) };
    let key = key_id(program, key);
    put(listeners(program, type_id, key, values, pinned));
    key
}

fn listeners(program: &mut Program, type_id: TypeId, key: KeyId, values: Vec<u16>, pinned: bool) -> &mut Dispatch {
    let all = &mut program.types[type_id.index()].dispatch;
    let same = |other: &Dispatch| other.key == key && other.values == values && other.pinned == pinned;
    let at = all.iter().position(same).unwrap_or_else(|| {
        all.push(Dispatch::new(key, values, pinned));
        all.len() - 1
    });
    &mut all[at]
}

fn key_id(program: &mut Program, key: KeyPlan) -> KeyId {
    let at = program.keys.iter().position(|other| *other == key).unwrap_or_else(|| {
        program.keys.push(key);
        program.keys.len() - 1
    });
    KeyId(u32::try_from(at).expect("keys are as few as rules"))
}
