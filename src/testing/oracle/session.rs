//! Sessions: events that follow each other without a long silence (section 4 of the language's definition).

use super::expression::{Scope, StepEvents};
use super::step::Found;
use super::stream::Trigger;
use super::world::World;
use crate::lang::ast::{self, Duration};

/// A session of one key.
pub(super) struct Session {
    pub(super) events: Vec<usize>,
    /// "Its time is the last event + D", or its first + M.
    pub(super) closes_ms: i64,
}

impl Session {
    pub(super) fn last(&self) -> usize {
        *self.events.last().expect("a session has an event")
    }
}

/// "Closed when no such event came for more than D (or at M after its first)": a later event begins a new session.
pub(super) fn sessions(
    world: &World,
    events: impl Iterator<Item = usize>,
    idle: Duration,
    at_most: Option<Duration>,
) -> Vec<Session> {
    let mut all: Vec<Session> = Vec::new();
    for event in events {
        let time = world.time(event);
        let closes = |first: usize| {
            let by_length = at_most.map_or(i64::MAX, |at_most| world.time(first).saturating_add(at_most.ms));
            time.saturating_add(idle.ms).min(by_length)
        };
        match all.last_mut().filter(|session| time <= session.closes_ms) {
            Some(session) => {
                session.closes_ms = closes(session.events[0]);
                session.events.push(event);
            }
            None => all.push(Session { events: vec![event], closes_ms: closes(event) }),
        }
    }
    all
}

/// The sessions of a key that fulfil the condition, "judged at close".
pub(super) fn matches(world: &World, rule: &ast::Session, events: &[usize], complete_to: i64) -> Vec<Found> {
    let of_types = events.iter().copied().filter(|&event| world.is_of(&rule.types, event));
    let sessions = sessions(world, of_types, rule.idle.node, rule.at_most.as_ref().map(|at_most| at_most.node));
    let closed = sessions.iter().filter(|session| session.closes_ms <= complete_to);
    let fits = |session: &&Session| {
        let seen: Vec<usize> = events.iter().copied().filter(|&event| world.time(event) <= session.closes_ms).collect();
        let step = StepEvents { name: &rule.name.node, repeated: true, events: &session.events, types: &rule.types };
        // The tables are as they are at close.
        let now = world.stream.partition_point(|occurrence| occurrence.time_ms <= session.closes_ms) - 1;
        let scope = Scope { steps: vec![step], now, ..Scope::of(world, session.last(), &seen) };
        rule.condition.as_ref().is_none_or(|condition| scope.value(condition).holds())
    };
    let found = closed.filter(fits).map(|session| Found {
        trigger: Trigger::Timer { deadline_ms: session.closes_ms, began: session.last() },
        events: session.events.iter().map(|&event| (rule.name.node.clone(), event)).collect(),
        values: vec![(format!("count({})", rule.name.node), session.events.len().into())],
    });
    found.collect()
}
