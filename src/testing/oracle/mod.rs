//! The reference evaluator: what a rule file must say about a stream.
//!
//! It goes from the syntax tree straight to the alerts, sentence by sentence along the definition of the language,
//! whose sentences the comments quote ("section 3" is its section on sequences). It shares no code with the checker,
//! the compiler or the engine.
//!
//! - `world`      the declarations and the stream;
//! - `value`      values, read from JSON and compared;
//! - `expression` the value of an expression in its scope;
//! - `function`   the functions that expressions call;
//! - `aggregate`  the aggregates, over a step's events;
//! - `window`     the same over windows of time, and `is new`;
//! - `held`       `where c for D`;
//! - `sequence`   the runs of one rule over the events of one key.
//!
//! What it does not do: check a file (it takes for granted that the checker accepts it), and judge measures and risks,
//! which it passes over. On `all of`, `each pair of`, sessions, percentiles, lists, tables and rules over other rules'
//! alerts it panics rather than guess.

mod aggregate;
mod expression;
mod function;
mod held;
mod sequence;
mod value;
mod window;
mod world;

#[cfg(test)]
mod tests;

use serde_json::Value as Json;

use self::value::Val;
use self::world::World;
use crate::lang::ast;

/// An event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct TestEvent {
    /// Its type, declared or not.
    pub event_type: String,
    /// Its time, in ms since the epoch.
    pub time_ms: i64,
    /// Its own id.
    pub id: Option<String>,
    /// Its fields.
    pub body: Json,
}

/// Which deadlines fire when the stream has ended (section 5, "End of a finite replay").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Those up to the time of the last event.
    LastEvent,
    /// All.
    Flush,
}

/// What an alert must say.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The rule.
    pub rule: String,
    /// The parts of the key, each with its name.
    pub key: Vec<(String, Json)>,
    /// When it alerts.
    pub time_ms: i64,
    /// The time of the first matched event.
    pub started_ms: i64,
    /// All matched events in order: the step's name, or its number from 1, and the index into the stream.
    pub events: Vec<(String, usize)>,
    /// How many alerts of the rule and key were suppressed since the last one that was sent.
    pub suppressed_before: u64,
}

impl Match {
    /// The index of the first matched event.
    pub fn first(&self) -> usize {
        self.events.first().expect("a match has an event").1
    }

    /// The index of the last matched event; for a final `then no` the last positive one.
    pub fn last(&self) -> usize {
        self.events.last().expect("a match has an event").1
    }
}

/// The alerts of all rules of the files over a stream, ordered by alert time, completing event, rule name, first
/// event (section 6).
///
/// # Panics
/// Where a rule uses what the module's description leaves out.
pub fn evaluate(files: &[ast::File], events: &[TestEvent], end: End) -> Vec<Match> {
    let world = World::new(files, events);
    let mut matches: Vec<Match> = rules(files).flat_map(|rule| judge_rule(&world, rule, end)).collect();
    let arrival = Arrival::new(events);
    matches.sort_by(|a, b| {
        let order = |m: &Match| (m.time_ms, arrival.place(m.last()), m.rule.clone(), arrival.place(m.first()));
        order(a).cmp(&order(b))
    });
    matches
}

fn rules(files: &[ast::File]) -> impl Iterator<Item = &ast::Rule> {
    files.iter().flat_map(|file| &file.items).filter_map(|item| match &item.node {
        ast::Item::Rule(rule) => Some(rule),
        _ => None,
    })
}

/// Event-time order, "and equal times keep arrival order" (section 3).
struct Arrival {
    order: Vec<usize>,
}

impl Arrival {
    fn new(events: &[TestEvent]) -> Arrival {
        let mut order: Vec<usize> = (0..events.len()).collect();
        order.sort_by_key(|&event| events[event].time_ms);
        Arrival { order }
    }

    /// Where an event stands in the order.
    fn place(&self, event: usize) -> usize {
        self.order.iter().position(|&e| e == event).expect("every event stands in the order")
    }
}

fn judge_rule(world: &World, rule: &ast::Rule, end: End) -> Vec<Match> {
    // Section 5: "Every event with a time moves the watermark and the end of the input, also of types that no rule
    // names, undeclared, or without key", and the input is complete up to its last event time.
    let last = world.events.iter().map(|event| event.time_ms).max();
    let complete_to = match end {
        End::LastEvent => last.unwrap_or(i64::MIN),
        End::Flush => i64::MAX,
    };
    let mut matches = Vec::new();
    for (key, events) in by_key(world, rule) {
        let found = sequence::matches(world, rule, &events, complete_to);
        let found = found.into_iter().map(|found| Match {
            rule: rule.name.node.clone(),
            key: named_key(rule, &key),
            time_ms: found.time_ms,
            started_ms: world.events[found.events[0].1].time_ms,
            events: found.events,
            suppressed_before: 0,
        });
        matches.extend(suppress(rule, found.collect()));
    }
    matches
}

/// "The events that a rule sees are, for each key, the events of the types it names, in event-time order; equal times
/// keep arrival order" (section 3).
fn by_key(world: &World, rule: &ast::Rule) -> Vec<(Vec<Val>, Vec<usize>)> {
    let named = sequence::named_types(world, rule);
    let declared = |name: &&str| world.schema.type_id(name).is_some();
    assert!(named.iter().all(declared), "rule {}: the reference evaluator knows declared types only", rule.name.node);
    let mut keys: Vec<(Vec<Val>, Vec<usize>)> = Vec::new();
    for event in Arrival::new(world.events).order {
        if !named.contains(&world.events[event].event_type.as_str()) {
            continue;
        }
        // Section 2: "An event whose key field is missing is not seen by that rule"; "any part missing hides the
        // event".
        let Some(key) = key_of(world, rule, event) else { continue };
        match keys.iter_mut().find(|(known, _)| same_key(known, &key)) {
            Some((_, events)) => events.push(event),
            None => keys.push((key, vec![event])),
        }
    }
    keys
}

/// The key's parts. "A rule without `for each` treats all events as one key" (section 3): the empty one.
fn key_of(world: &World, rule: &ast::Rule, event: usize) -> Option<Vec<Val>> {
    let parts = rule.keys.iter().map(|part| key_part(world, part, event));
    parts.map(|part| Some(part).filter(|part| !part.is_missing())).collect()
}

/// "A key that is called otherwise in one type: `for each user_id (transfer.sender_id)`" (section 2).
fn key_part(world: &World, part: &ast::KeyPart, event: usize) -> Val {
    let event_type = &world.events[event].event_type;
    let renamed = part.renamed.iter().map(names).find(|path| path[0] == event_type);
    match renamed {
        Some(path) => world.field(event, &path[1..]),
        None => world.field(event, &names(&part.path)),
    }
}

fn same_key(a: &[Val], b: &[Val]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.same(b))
}

fn named_key(rule: &ast::Rule, key: &[Val]) -> Vec<(String, Json)> {
    rule.keys.iter().zip(key).map(|(part, value)| (part.path.dotted(), value.to_json())).collect()
}

/// "`at most once per D`: per rule and key, in event time: suppressed if its time < the last sent alert's time + D.
/// Suppressed ones are counted, and the next alert says how many" (section 6). The alerts are those of one key, in
/// the order in which they come.
fn suppress(rule: &ast::Rule, matches: Vec<Match>) -> Vec<Match> {
    let Some(period) = &rule.alert.at_most_once else { return matches };
    let mut sent: Vec<Match> = Vec::new();
    let mut suppressed = 0;
    for alert in matches {
        if sent.last().is_some_and(|last| alert.time_ms < last.time_ms.saturating_add(period.node.ms)) {
            suppressed += 1;
        } else {
            sent.push(Match { suppressed_before: std::mem::take(&mut suppressed), ..alert });
        }
    }
    sent
}

fn names(path: &ast::Path) -> Vec<&str> {
    path.segments.iter().map(|name| name.node.as_str()).collect()
}
