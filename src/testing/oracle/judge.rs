//! One rule over the stream: its keys, its matches, and which of them are sent.

use serde_json::Value as Json;

use super::step::Found;
use super::stream::{Maker, Order, Trigger};
use super::value::Val;
use super::world::World;
use super::{Match, all_of, names, pair, sequence, session, window};
use crate::lang::ast::{Alert, Expr, KeyPart, Name, Pattern, Rule};

/// An alert that is sent.
pub(super) struct Sent {
    pub(super) key: Vec<Val>,
    pub(super) order: Order,
    /// The event that completed it, or the last positive one.
    pub(super) last: usize,
    pub(super) said: Match,
}

/// The alerts of a rule. `complete_to` is the time up to which the input is complete at its end.
pub(super) fn sent(world: &World, rule: &Rule, level: usize, complete_to: i64) -> Vec<Sent> {
    let mut all = Vec::new();
    for (key, events) in by_key(world, &rule.name, &rule.keys, &named_types(world, rule)) {
        let found = match &rule.pattern {
            Pattern::Sequence(sequence) => sequence::matches(world, rule, sequence, &events, complete_to),
            Pattern::AllOf(all) => all_of::matches(world, rule, all, &events),
            Pattern::EachPair(pair) => pair::matches(world, rule, pair, &events),
            Pattern::Session(session) => session::matches(world, session, &events, complete_to),
        };
        let alerts = found.into_iter().enumerate().map(|(number, found)| {
            let maker = Maker { level, rule: &rule.name.node, number };
            alert(world, &rule.keys, &key, &maker, found)
        });
        all.extend(suppress(&rule.alert, alerts.collect(), |sent| &mut sent.said));
    }
    all
}

fn alert(world: &World, keys: &[KeyPart], key: &[Val], maker: &Maker, found: Found) -> Sent {
    let (first, last) = (found.events[0].1, found.events[found.events.len() - 1].1);
    let said = Match {
        rule: maker.rule.to_owned(),
        key: named_key(keys, key),
        time_ms: match found.trigger {
            Trigger::Occurrence(event) => world.time(event),
            Trigger::Timer { deadline_ms, .. } => deadline_ms,
        },
        started_ms: world.time(first),
        events: found.events.into_iter().map(|(step, event)| (step, world.stream[event].source.clone())).collect(),
        window: None,
        values: found.values,
        suppressed_before: 0,
    };
    let order = Order::of_alert(&world.stream, found.trigger, maker, world.stream[first].place);
    Sent { key: key.to_vec(), order, last, said }
}

/// The types that a rule names: those of its steps, of its `then no`, of its `unless` and of its windows.
pub(super) fn named_types<'a>(world: &'a World, rule: &'a Rule) -> Vec<&'a str> {
    let mut clauses: Vec<(&[Name], Option<&Expr>)> = match &rule.pattern {
        Pattern::Sequence(sequence) => {
            let steps = sequence.steps.iter().map(|step| (&step.types[..], step.condition.as_ref()));
            let absence = sequence.absence.iter().map(|absence| (&absence.types[..], absence.condition.as_ref()));
            steps.chain(absence).collect()
        }
        Pattern::AllOf(all) => all.slots.iter().map(|slot| (&slot.types[..], slot.condition.as_ref())).collect(),
        Pattern::EachPair(pair) => {
            vec![(&pair.left.0[..], pair.condition.as_ref()), (&pair.right.0[..], None)]
        }
        Pattern::Session(session) => vec![(&session.types[..], session.condition.as_ref())],
    };
    clauses.extend(rule.unless.iter().map(|unless| (&unless.types[..], unless.condition.as_ref())));
    let mut named = Vec::new();
    for (types, condition) in clauses {
        named.extend(types.iter().map(|name| name.node.as_str()));
        named.extend(condition.into_iter().flat_map(|condition| window::types(world, condition)));
    }
    named
}

/// "The events that a rule sees are, for each key, the events of the types it names, in event-time order; equal times
/// keep arrival order" (section 3).
pub(super) fn by_key(world: &World, name: &Name, keys: &[KeyPart], named: &[&str]) -> Vec<(Vec<Val>, Vec<usize>)> {
    let declared = |name: &&str| world.schema.type_id(name).is_some();
    assert!(named.iter().all(declared), "{}: the reference evaluator knows declared types only", name.node);
    let mut all: Vec<(Vec<Val>, Vec<usize>)> = Vec::new();
    for event in 0..world.stream.len() {
        if !named.contains(&world.stream[event].event_type) {
            continue;
        }
        // Section 2: "An event whose key field is missing is not seen by that rule"; "any part missing hides the
        // event".
        let Some(key) = key_of(world, keys, event) else { continue };
        match all.iter_mut().find(|(known, _)| same_key(known, &key)) {
            Some((_, events)) => events.push(event),
            None => all.push((key, vec![event])),
        }
    }
    all
}

/// The key's parts. "A rule without `for each` treats all events as one key" (section 3): the empty one.
fn key_of(world: &World, keys: &[KeyPart], event: usize) -> Option<Vec<Val>> {
    let parts = keys.iter().map(|part| key_part(world, part, event));
    parts.map(|part| Some(part).filter(|part| !part.is_missing())).collect()
}

/// "A key that is called otherwise in one type: `for each user_id (transfer.sender_id)`" (section 2).
fn key_part(world: &World, part: &KeyPart, event: usize) -> Val {
    let event_type = world.stream[event].event_type;
    let renamed = part.renamed.iter().map(names).find(|path| path[0] == event_type);
    match renamed {
        Some(path) => world.field(event, &path[1..]),
        None => world.field(event, &names(&part.path)),
    }
}

pub(super) fn same_key(a: &[Val], b: &[Val]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.same(b))
}

pub(super) fn named_key(keys: &[KeyPart], key: &[Val]) -> Vec<(String, Json)> {
    keys.iter().zip(key).map(|(part, value)| (part.path.dotted(), value.to_json())).collect()
}

/// "`at most once per D`: per rule and key, in event time: suppressed if its time < the last sent alert's time + D.
/// Suppressed ones are counted, and the next alert says how many" (section 6). The alerts are those of one key, in
/// the order in which they come.
pub(super) fn suppress<T>(alert: &Alert, alerts: Vec<T>, said: impl Fn(&mut T) -> &mut Match) -> Vec<T> {
    let Some(period) = &alert.at_most_once else { return alerts };
    let mut sent = Vec::new();
    let mut last_ms: Option<i64> = None;
    let mut suppressed = 0;
    for mut alert in alerts {
        let time_ms = said(&mut alert).time_ms;
        if last_ms.is_some_and(|last| time_ms < last.saturating_add(period.node.ms)) {
            suppressed += 1;
        } else {
            said(&mut alert).suppressed_before = std::mem::take(&mut suppressed);
            last_ms = Some(time_ms);
            sent.push(alert);
        }
    }
    sent
}
