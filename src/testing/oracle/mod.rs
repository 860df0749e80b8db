//! The reference evaluator: what a rule file must say about a stream.
//!
//! It goes from the syntax tree straight to the alerts, sentence by sentence along the definition of the language,
//! whose sentences the comments quote ("section 3" is its section on sequences). It shares no code with the checker,
//! the compiler or the engine.
//!
//! - `world`      the declarations and the stream;
//! - `stream`     what rules see, in order: events and other rules' alerts;
//! - `value`      values, read from JSON and compared;
//! - `expression` the value of an expression in its scope;
//! - `function`   the functions that expressions call;
//! - `aggregate`  the aggregates, over a step's events;
//! - `window`     the same over windows of time, and `is new`;
//! - `derived`    rules as event types;
//! - `judge`      one rule over the stream, key by key;
//! - `step`       what the patterns have in common;
//! - `sequence`   the runs of a sequence over the events of one key;
//! - `held`       `where c for D`;
//! - `all_of`     one of each slot;
//! - `pair`       every combination of two;
//! - `session`    events without a long silence between them;
//! - `table`      lists and tables, and when they hold what;
//! - `risk`       the sum of an entity's scores;
//! - `measure`    aggregates emitted by window.
//!
//! What it does not do: check a file (it takes for granted that the checker accepts it), and write messages and ids.

mod aggregate;
mod all_of;
mod derived;
mod expression;
mod function;
mod held;
mod judge;
mod measure;
mod pair;
mod risk;
mod sequence;
mod session;
mod step;
mod stream;
mod table;
mod value;
mod window;
mod world;

#[cfg(test)]
mod tests;

use serde_json::Value as Json;

use self::judge::Sent;
use self::stream::Occurrence;
pub use self::stream::Source;
pub use self::table::Tables;
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

/// How many runs of a rule and key may be open (section 3, "Limits").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// At least 1.
    pub open_runs_per_key: usize,
    /// Whether the new run does not start where there is no room; otherwise the oldest is dropped.
    pub drop_new: bool,
}

/// What an alert must say, or a measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The rule, the risk or the measure.
    pub rule: String,
    /// The parts of the key, each with its name.
    pub key: Vec<(String, Json)>,
    /// When it alerts.
    pub time_ms: i64,
    /// The time of the first matched event; of a measure the start of its window.
    pub started_ms: i64,
    /// All matched events in order: the step's name, or its number from 1, and what it took. Of a measure none.
    pub events: Vec<(String, Source)>,
    /// Of a measure its window, in ms.
    pub window: Option<(i64, i64)>,
    /// Values beside: the counts of steps with `or more` and of sessions, the total of a risk, and what a measure
    /// emits, with the rank.
    pub values: Vec<(String, Json)>,
    /// How many alerts of the rule and key were suppressed since the last one that was sent.
    pub suppressed_before: u64,
}

impl Match {
    /// The index of the first matched event; of an alert, that of its completing event.
    pub fn first(&self) -> Option<usize> {
        self.events.first().map(|(_, source)| source.event())
    }

    /// The index of the last matched event; for a final `then no` the last positive one.
    pub fn last(&self) -> Option<usize> {
        self.events.last().map(|(_, source)| source.event())
    }
}

/// What all rules, risks and measures of the files say about a stream, ordered by time, completing event, rule name,
/// first event (section 6), measures last. What is equal in all of that comes in the order in which it is found, but
/// for the ranks of a measure, which are in order: a comparison has to order it by something else, as ids do.
pub fn evaluate(files: &[ast::File], events: &[TestEvent], tables: &Tables, end: End) -> Vec<Match> {
    evaluate_capped(files, events, tables, end, None)
}

/// As [`evaluate`], with no more open runs of a rule and key than the cap says.
pub fn evaluate_capped(
    files: &[ast::File],
    events: &[TestEvent],
    tables: &Tables,
    end: End,
    cap: Option<Cap>,
) -> Vec<Match> {
    // Section 5: "Every event with a time moves the watermark and the end of the input, also of types that no rule
    // names, undeclared, or without key", and the input is complete up to its last event time.
    let last = events.iter().map(|event| event.time_ms).max();
    let complete_to = match end {
        End::LastEvent => last.unwrap_or(i64::MIN),
        End::Flush => i64::MAX,
    };
    let mut world = World { cap, ..World::new(files, events, tables) };
    let mut sent = Vec::new();
    for rules in by_level(&world, files) {
        let of_level: Vec<(&ast::Rule, Sent)> = rules
            .iter()
            .flat_map(|(level, rule)| {
                judge::sent(&world, rule, *level, complete_to).into_iter().map(|sent| (*rule, sent))
            })
            .collect();
        for (rule, alert) in &of_level {
            world.stream.push(occurrence(&world, rule, alert));
        }
        world.stream.sort_by(|a, b| a.order.cmp(&b.order));
        sent.extend(of_level);
    }
    let risks = items(files, |item| if let ast::Item::Risk(risk) = item { Some(risk) } else { None });
    let risks: Vec<Match> = risks.flat_map(|risk| risk::alerts(&world, risk, &sent)).collect();
    let measures = items(files, |item| if let ast::Item::Measure(measure) = item { Some(measure) } else { None });
    let measures = measures.flat_map(|measure| measure::emitted(&world, measure, complete_to));
    let alerts = sent.into_iter().map(|(_, sent)| sent.said);
    in_order(&world, alerts.chain(risks).chain(measures).collect())
}

/// The items of one sort.
fn items<'a, T: 'a>(
    files: &'a [ast::File],
    of: impl Fn(&'a ast::Item) -> Option<&'a T>,
) -> impl Iterator<Item = &'a T> {
    files.iter().flat_map(|file| &file.items).filter_map(move |item| of(&item.node))
}

/// The rules, level by level, so that the alerts that a rule sees are known before it is judged.
fn by_level<'a>(world: &World, files: &'a [ast::File]) -> Vec<Vec<(usize, &'a ast::Rule)>> {
    let mut levels: Vec<Vec<(usize, &ast::Rule)>> = Vec::new();
    for rule in derived::rules(files) {
        let level = derived::level(world, files, rule);
        levels.resize(levels.len().max(level + 1), Vec::new());
        levels[level].push((level, rule));
    }
    levels
}

/// "A rule's name can be used as an event type by another rule (its alerts, with the fields of the completing event,
/// the alert's time)" (section 3).
fn occurrence<'a>(world: &World<'a>, rule: &'a ast::Rule, alert: &Sent) -> Occurrence<'a> {
    let completing = &world.stream[alert.last];
    let (rule_name, time_ms) = (rule.name.node.clone(), alert.said.time_ms);
    Occurrence {
        event_type: &rule.name.node,
        time_ms,
        body: completing.body,
        source: Source::Alert { rule: rule_name, time_ms, last: completing.source.event() },
        place: completing.place,
        order: alert.order.clone(),
    }
}

fn in_order(world: &World, mut matches: Vec<Match>) -> Vec<Match> {
    let place = |event: Option<usize>| {
        let found = |event| world.stream.iter().find(|occurrence| occurrence.source == Source::Event(event));
        event.map(|event| found(event).expect("every event is in the stream").place)
    };
    // Measures come after all alerts of their time.
    matches.sort_by_cached_key(|m| (m.time_ms, m.window.is_some(), place(m.last()), m.rule.clone(), place(m.first())));
    matches
}

fn names(path: &ast::Path) -> Vec<&str> {
    path.segments.iter().map(|name| name.node.as_str()).collect()
}
