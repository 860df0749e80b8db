//! The state machine of a rule as a picture: states, what leads from one to the next, what keeps a match in its state,
//! and what ends it.
//!
//! - this file: the graph of a compiled rule. It is a chain, whatever the rule: what ends a match early leads to the
//!   one end without an alert, and slots in any order are one state that keeps taking events;
//! - `text`     as text for Graphviz and for Mermaid;
//! - `svg`      as a drawing, by a layout of its own.

mod svg;
mod text;

use crate::program::explain::words::{Words, with_article};
use crate::program::{Held, Program, Rule, Session, Strategy, duration};

/// The states of a rule, from the start to the alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The rule's name.
    pub name: String,
    /// Whose events it follows: `for each user_id`.
    pub key: String,
    /// The states in order; the last is the alert.
    pub states: Vec<State>,
}

/// A state of a match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What has happened when a match is in it.
    pub title: String,
    /// What leads to the next state; nothing at the alert.
    pub next: Option<String>,
    /// What is taken without leaving it.
    pub stays: Vec<String>,
    /// What ends the match without an alert.
    pub ends: Vec<String>,
}

/// What stands at the end of all matches that give no alert.
const ENDED: &str = "ended without an alert";

impl Graph {
    /// The graph of a rule.
    pub fn new(program: &Program, rule: &Rule) -> Graph {
        let words = Words::new(program, rule);
        let mut states = match &rule.strategy {
            Strategy::Filter => vec![State::new("start").then(words.guarded(&rule.steps[0].guards, ""))],
            Strategy::SequenceNfa => sequence(&words),
            Strategy::AllOf => all_of(&words),
            Strategy::EachPair => each_pair(&words),
            Strategy::Session(session) => self::session(&words, session),
            Strategy::Held(held) => self::held(&words, *held),
        };
        let mut alert = State::new(format!("alert {}", rule.alert.severity));
        if let Strategy::Held(_) = rule.strategy {
            alert.stays.push("the condition goes on to hold: no further alert".to_owned());
            alert.ends.push("the condition fails: it begins anew".to_owned());
        }
        states.push(alert);
        let parts = program.keys[rule.key.index()].parts.join(", ");
        let key = if parts.is_empty() { "over all events".to_owned() } else { format!("for each {parts}") };
        Graph { name: rule.name.to_string(), key, states }
    }

    /// What leads from state to state, as text and SVG draw it: from, to, what, and whether it ends the match.
    fn edges(&self) -> Vec<Edge<'_>> {
        let mut edges = Vec::new();
        for (at, state) in self.states.iter().enumerate() {
            edges.extend(state.stays.iter().map(|label| Edge { from: at, to: To::State(at), label }));
            edges.extend(state.next.iter().map(|label| Edge { from: at, to: To::State(at + 1), label }));
            edges.extend(state.ends.iter().map(|label| Edge { from: at, to: To::End, label }));
        }
        edges
    }
}

/// A way out of a state.
struct Edge<'a> {
    from: usize,
    to: To,
    label: &'a str,
}

/// Where a way leads.
#[derive(Clone, Copy, PartialEq)]
enum To {
    State(usize),
    End,
}

impl State {
    fn new(title: impl Into<String>) -> State {
        State { title: title.into(), ..State::default() }
    }

    fn then(mut self, label: impl Into<String>) -> State {
        self.next = Some(label.into());
        self
    }
}

fn sequence(words: &Words<'_>) -> Vec<State> {
    let rule = words.rule();
    let mut states = vec![State::new("start")];
    for (at, step) in rule.steps.iter().enumerate() {
        let what = words.guarded(&step.guards, &called(words, at));
        let very_next = step.next.then(|| format!("the very next {}", words.nouns(&step.guards)));
        let first = match &very_next {
            Some(next) => format!("{next}, if it is {}", with_article(&what)),
            None => what.clone(),
        };
        let current = states.last_mut().expect("there is the start");
        current.ends.extend(very_next.map(|next| format!("{next}, if it does not fit")));
        current.next = Some(if step.is_repeated() { format!("{first} (1 of {})", step.count) } else { first });
        let name = if words.is_unnamed(at) { String::new() } else { format!(" {}", step.label) };
        let nouns = words.nouns(&step.guards);
        if step.count > 1 {
            let mut counting = State::new(format!("{nouns}{name}: 1 to {} of {}", step.count - 1, step.count));
            if step.count > 2 {
                counting.stays.push(format!("{what} (up to {} of {})", step.count - 1, step.count));
            }
            counting.next = Some(format!("{what} ({} of {})", step.count, step.count));
            states.push(counting);
        }
        let is_last = at + 1 == rule.steps.len();
        if is_last && rule.absence.is_none() {
            break;
        }
        let many = if step.or_more {
            format!("{} or more ", step.count)
        } else if step.count > 1 {
            format!("{} ", step.count)
        } else {
            String::new()
        };
        let mut done = State::new(format!("{many}{nouns}{name}"));
        if step.or_more {
            done.stays.push(format!("{what}, if it does not fit the next step"));
        }
        states.push(done);
    }
    let waits = rule.absence.is_some();
    let last = states.len() - 1;
    for state in states.iter_mut().skip(1) {
        state.ends.extend(unless(words));
    }
    let moving = if waits { 1..last } else { 1..states.len() };
    for state in &mut states[moving] {
        state.ends.extend(rule.within.map(|within| format!("timer: {} after the first event", duration(within.ms))));
    }
    if let Some(absence) = &rule.absence {
        let ms = duration(absence.within_ms);
        states[last].title.push_str(", waiting");
        states[last].next = Some(format!("timer: more than {ms} have passed"));
        states[last].ends.push(format!("{} within {ms}", words.guarded(&absence.guards, "")));
    }
    states
}

fn all_of(words: &Words<'_>) -> Vec<State> {
    let rule = words.rule();
    let slots: Vec<String> =
        rule.steps.iter().enumerate().map(|(at, step)| words.guarded(&step.guards, &called(words, at))).collect();
    let links: Vec<String> = (0..slots.len()).flat_map(|slot| words.links(slot)).collect();
    let linked = if links.is_empty() { String::new() } else { format!(", where {}", links.join(" and ")) };
    let mut some = State::new("some of all bound").then(format!("the last slot that was free{linked}"));
    if slots.len() > 2 {
        some.stays.push(format!("a slot that is free, but not the last{linked}"));
    }
    some.ends.extend(unless(words));
    some.ends.extend(rule.within.map(|within| format!("timer: {} after the first event", duration(within.ms))));
    vec![State::new("start").then(slots.join(" / ")), some]
}

fn each_pair(words: &Words<'_>) -> Vec<State> {
    let rule = words.rule();
    let sides: Vec<String> =
        rule.steps.iter().enumerate().map(|(at, step)| words.guarded(&step.guards, &called(words, at))).collect();
    let links: Vec<String> = (0..sides.len()).flat_map(|slot| words.links(slot)).collect();
    let linked = if links.is_empty() { String::new() } else { format!(", where {}", links.join(" and ")) };
    let within = rule.within.map_or_else(String::new, |within| duration(within.ms));
    let mut kept = State::new("one side kept").then(format!("the other side within {within}{linked}"));
    kept.stays.push("every further event of the other side: an alert for each".to_owned());
    kept.ends.push(format!("timer: {within} after it"));
    vec![State::new("start").then(sides.join(" / ")), kept]
}

fn session(words: &Words<'_>, session: &Session) -> Vec<State> {
    let step = &words.rule().steps[0];
    let events = words.guarded(&step.guards, "");
    let idle = duration(session.idle_ms);
    let most = session.at_most_ms.map_or_else(String::new, |ms| format!(", or {} after the first", duration(ms)));
    let mut open = State::new("session open").then(format!("timer: more than {idle} without such an event{most}"));
    open.stays.push(events.clone());
    let mut states = vec![State::new("start").then(events), open];
    if let Some(condition) = &session.condition {
        let condition = words.condition(condition);
        let mut judged = State::new("session closed").then(condition.clone());
        judged.ends.push(format!("not ({condition})"));
        states.push(judged);
    }
    states
}

fn held(words: &Words<'_>, held: Held) -> Vec<State> {
    let guards = &words.rule().steps[0].guards;
    let (what, time) = (words.guarded(guards, ""), duration(held.for_ms));
    let mut holds = State::new("the condition holds").then(format!("{what}, at least {time} after the first"));
    holds.stays.push(format!("{what}, before that"));
    holds.ends.push(format!("{} on which the condition fails", with_article(&words.nouns(guards))));
    holds.ends.extend(held.gap_ms.map(|ms| format!("silence of more than {}", duration(ms))));
    vec![State::new("start").then(what), holds]
}

fn unless(words: &Words<'_>) -> Vec<String> {
    words.rule().unless.iter().map(|unless| format!("unless {}", words.guarded(&unless.guards, ""))).collect()
}

fn called(words: &Words<'_>, at: usize) -> String {
    if words.is_unnamed(at) { String::new() } else { format!(" {}", words.rule().steps[at].label) }
}
