//! What rules see, in the order in which they see it: the events, and the alerts of other rules.

use serde_json::Value as Json;

use super::TestEvent;

/// Where something that a rule matched comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An event: its index in the stream.
    Event(usize),
    /// An alert of another rule.
    Alert {
        /// The rule.
        rule: String,
        /// The alert's time.
        time_ms: i64,
        /// The index of its completing event in the stream.
        last: usize,
    },
}

impl Source {
    /// The index of the event that it stands for in orders: an alert "is at the position of its completing event".
    pub fn event(&self) -> usize {
        match self {
            Source::Event(event) | Source::Alert { last: event, .. } => *event,
        }
    }
}

/// An event, or an alert that is an event for other rules.
#[derive(Clone)]
pub(super) struct Occurrence<'a> {
    /// The event's type or the rule's name.
    pub(super) event_type: &'a str,
    pub(super) time_ms: i64,
    /// An alert has "the fields of the completing event" (section 3).
    pub(super) body: &'a Json,
    pub(super) source: Source,
    /// Where the event, or the alert's completing event, stands among all events.
    pub(super) place: usize,
    pub(super) order: Order,
}

/// The order in which rules see events and alerts: "the alert's time, right after that event; an alert by timer follows
/// all events of its time" (section 3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    time_ms: i64,
    root: Root,
    /// Of an alert that an event completed, or another alert.
    completed: Option<Completed>,
}

/// What set off what comes next. At one time events come before timers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Root {
    /// An event, by its place.
    Event(usize),
    /// "Timers with the same deadline fire by level, then rule name; in a rule the run that began to wait first."
    Timer {
        level: usize,
        rule: String,
        /// The index of the occurrence with which the waiting began, among all that the rule can see.
        began: usize,
        number: usize,
    },
}

/// "Alerts of one source event: by rule level, then rule name, then position of the first event, then id." The alerts
/// that an id would have to order differ in nothing that a rule can see.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Completed {
    level: usize,
    rule: String,
    first: usize,
    number: usize,
}

/// What makes a match complete.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trigger {
    /// An event or an alert, by its index.
    Occurrence(usize),
    /// A deadline; the waiting began with an event or an alert, by its index.
    Timer { deadline_ms: i64, began: usize },
}

/// Whose alert it is, and which.
pub(super) struct Maker<'a> {
    pub(super) level: usize,
    pub(super) rule: &'a str,
    /// Among those of the key.
    pub(super) number: usize,
}

impl Order {
    /// The order of an alert whose first event stands at this place.
    pub(super) fn of_alert(stream: &[Occurrence], trigger: Trigger, maker: &Maker, first: usize) -> Order {
        let &Maker { level, rule, number } = maker;
        let rule = rule.to_owned();
        match trigger {
            Trigger::Occurrence(at) => {
                Order { completed: Some(Completed { level, rule, first, number }), ..stream[at].order.clone() }
            }
            Trigger::Timer { deadline_ms, began } => {
                Order { time_ms: deadline_ms, root: Root::Timer { level, rule, began, number }, completed: None }
            }
        }
    }
}

/// The events "in event-time order; equal times keep arrival order" (section 3).
pub(super) fn of_events(events: &[TestEvent]) -> Vec<Occurrence<'_>> {
    let mut order: Vec<(usize, &TestEvent)> = events.iter().enumerate().collect();
    order.sort_by_key(|(_, event)| event.time_ms);
    let occurrences = order.into_iter().enumerate().map(|(place, (index, event))| Occurrence {
        event_type: &event.event_type,
        time_ms: event.time_ms,
        body: &event.body,
        source: Source::Event(index),
        place,
        order: Order { time_ms: event.time_ms, root: Root::Event(place), completed: None },
    });
    occurrences.collect()
}
