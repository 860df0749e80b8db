//! Rules as event types: which rules see whose alerts, and with which fields (section 3 of the language's definition).

use super::judge;
use super::world::World;
use crate::lang::ast::{self, Pattern, Rule};
use crate::schema::{EventType, Field};

/// The rules of the files.
pub(super) fn rules(files: &[ast::File]) -> impl Iterator<Item = &Rule> {
    files.iter().flat_map(|file| &file.items).filter_map(|item| match &item.node {
        ast::Item::Rule(rule) => Some(rule),
        _ => None,
    })
}

/// Makes every rule an event type.
pub(super) fn declare(world: &mut World, files: &[ast::File]) {
    // First the names alone: windows are over types, and a rule is known to be one by its name.
    let declared = world.schema.types.len();
    let unfilled = |rule: &Rule| EventType { name: rule.name.node.clone(), fields: Vec::new() };
    world.schema.types.extend(rules(files).map(unfilled));
    let mut by_level: Vec<(usize, usize, &Rule)> =
        rules(files).enumerate().map(|(at, rule)| (level(world, files, rule), declared + at, rule)).collect();
    by_level.sort_by_key(|(level, ..)| *level);
    for (_, at, rule) in by_level {
        world.schema.types[at].fields = fields(world, rule);
    }
}

/// How far a rule is from the events: 0 where it sees no alerts, else one more than the highest of those whose alerts
/// it sees. "A cycle is an error."
pub(super) fn level(world: &World, files: &[ast::File], rule: &Rule) -> usize {
    let named = judge::named_types(world, rule);
    let seen = rules(files).filter(|other| named.contains(&other.name.node.as_str()));
    seen.map(|other| level(world, files, other) + 1).max().unwrap_or(0)
}

/// An alert has "the fields of the completing event": those that all types have that can complete the rule, with one
/// kind.
fn fields(world: &World, rule: &Rule) -> Vec<Field> {
    let types = completing_types(rule).into_iter();
    let mut types = types.map(|name| world.schema.type_id(name).expect("the file is valid: all types are declared"));
    let first = types.next().expect("a rule has a type");
    let rest: Vec<_> = types.collect();
    let in_all = |field: &&Field| rest.iter().all(|id| world.schema.get(*id).fields.contains(field));
    world.schema.get(first).fields.iter().filter(in_all).cloned().collect()
}

/// The types of the event with which a rule is complete; "`then no`: the last positive step's".
fn completing_types(rule: &Rule) -> Vec<&str> {
    let types: Vec<&ast::Name> = match &rule.pattern {
        Pattern::Sequence(sequence) => sequence.steps.last().expect("a rule has a step").types.iter().collect(),
        Pattern::AllOf(all) => all.slots.iter().flat_map(|slot| &slot.types).collect(),
        Pattern::EachPair(pair) => pair.left.0.iter().chain(&pair.right.0).collect(),
        Pattern::Session(session) => session.types.iter().collect(),
    };
    types.into_iter().map(|name| name.node.as_str()).collect()
}
