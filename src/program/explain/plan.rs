//! How a rule is run: its strategy, what is looked up by its key, the windows and first-seen values that it reads with
//! their data structures, who shares them, where it is judged and after which rules.

use crate::program::explain::Line;
use crate::program::explain::uses::Uses;
use crate::program::explain::words::{Words, listed};
use crate::program::{
    Aggregate, CaptureId, Dispatch, Found, KeyId, NoveltyId, Program, Rule, StepId, Strategy, Table, TableSource,
    TwoStep, WindowId, WindowRange, duration,
};
use crate::schema::TypeId;

/// The plan of a rule, line by line.
pub fn plan(program: &Program, rule: &Rule) -> Vec<Line> {
    let uses = Uses::of(program, rule);
    let mut lines = vec![
        Line::new("strategy", strategy(program, rule)),
        Line::new("key", key(program, rule)),
        Line::new("shard", shard(program, |dispatch| dispatch.rules.contains(&rule.id))),
        Line::new("level", level(program, rule)),
    ];
    lines.extend(reads(program, |dispatch| dispatch.rules.contains(&rule.id)));
    if rule.two_step.is_none() {
        lines.extend(entries(program, rule));
    }
    for id in &uses.windows {
        lines.push(Line::new("window", window(program, rule, *id)));
    }
    for id in &uses.novelties {
        lines.push(Line::new("first seen", novelty(program, rule, *id)));
    }
    if !uses.windows.is_empty() {
        lines.push(Line::new("", "windows are exact whatever their length: nothing is tiled, sampled or estimated"));
    }
    for id in &uses.tables {
        lines.push(Line::new("looks up", table(&program.tables[id.index()])));
    }
    lines.extend(timers(rule).map(|text| Line::new("timer", text)));
    lines
}

fn strategy(program: &Program, rule: &Rule) -> String {
    if let Some(id) = rule.two_step {
        return two_step(&program.two_steps[id.index()], program, rule);
    }
    let how = match &rule.strategy {
        Strategy::Filter => "one event decides, and the rule keeps nothing of its own",
        Strategy::SequenceNfa => {
            "open matches of a state machine, each offered every event of its key, the oldest first"
        }
        Strategy::AllOf => "open matches whose slots are bound in any order, each offered every event of its key",
        Strategy::EachPair => {
            "the events of both sides are kept in queues by key, and each new one is joined with the other side's"
        }
        Strategy::Session(_) => "one open session a key, whose aggregates are kept up with every event",
        Strategy::Held(_) => {
            "one row a key from the first event on which the condition holds to the first on which it fails"
        }
    };
    format!("{}: {how}{}", rule.strategy.name(), parted(rule))
}

/// How the open matches of a key are told apart once they are many.
fn parted(rule: &Rule) -> String {
    if rule.waits.is_empty() {
        return String::new();
    }
    let mut by: Vec<String> = rule.waits.iter().filter_map(|wait| wait.by).map(|field| captured(rule, field)).collect();
    by.dedup();
    let and_by = if by.is_empty() { String::new() } else { format!(", and by {}", by.join(" and ")) };
    format!(
        "; those of a key with many are grouped by state{and_by}, so that an event goes only to those that wait for it"
    )
}

/// What a captured field is called.
fn captured(rule: &Rule, (step, capture): (StepId, CaptureId)) -> String {
    let step = &rule.steps[step.index()];
    format!("{}.{}", step.label, step.captures[capture.index()].path)
}

fn two_step(two_step: &TwoStep, program: &Program, rule: &Rule) -> String {
    let by = two_step.by.map(|by| captured(rule, (StepId(0), by)));
    let mut text = match by {
        Some(by) => format!(
            "two-step sequence by {by}: the open matches of a key are grouped by {by}, and an event goes to the groups with which it compares as it must"
        ),
        None => "two-step sequence: the open matches of a key wait in one list".to_owned(),
    };
    let others = two_step.members.iter().filter(|member| member.rule != rule.id);
    let others: Vec<String> = others.map(|member| program.rules[member.rule.index()].name.to_string()).collect();
    if !others.is_empty() {
        text.push_str(&format!("; one open match serves this rule and {}", some_of(&others)));
    }
    text
}

fn key(program: &Program, rule: &Rule) -> String {
    let parts = &program.keys[rule.key.index()].parts;
    let what = if parts.is_empty() {
        "none: all events have the same, so one core does all the work of this rule".to_owned()
    } else {
        parts.join(", ")
    };
    let same = |other: &&Rule| other.key == rule.key && other.id != rule.id;
    let others: Vec<String> = program.rules.iter().filter(same).map(|other| other.name.to_string()).collect();
    if others.is_empty() {
        return what;
    }
    format!("{what}; one look-up of an event's key serves this rule and {}", some_of(&others))
}

pub(super) fn shard(program: &Program, has: impl Fn(&Dispatch) -> bool) -> String {
    let mut dispatches = program.types.iter().flat_map(|plan| &plan.dispatch);
    let pinned = dispatches.any(|dispatch| dispatch.pinned && has(dispatch));
    if pinned {
        return "the first, for all keys: it uses alerts of rules with another `for each`, or such rules use its own"
            .to_owned();
    }
    "any: the hash of the key says which, so keys spread over all cores".to_owned()
}

fn level(program: &Program, rule: &Rule) -> String {
    let below = users(program, |other| feeds(other, rule));
    let above = users(program, |other| feeds(rule, other));
    let mut text = match (&*below, rule.level) {
        ([], level) => format!("{level}: it uses no other rule's alerts"),
        (below, level) => format!("{level}: right after the alerts of {}", some_of(below)),
    };
    if !above.is_empty() {
        text.push_str(&format!("; {} {} its alerts", some_of(&above), if above.len() == 1 { "uses" } else { "use" }));
    }
    text
}

fn users(program: &Program, wanted: impl Fn(&Rule) -> bool) -> Vec<String> {
    program.rules.iter().filter(|rule| wanted(rule)).map(|rule| rule.name.to_string()).collect()
}

/// Whether the alerts of one rule are events of the other.
fn feeds(from: &Rule, to: &Rule) -> bool {
    let types = to.steps.iter().flat_map(|step| &step.guards);
    let types = types.chain(to.unless.iter().flat_map(|unless| &unless.guards));
    let types = types.chain(to.absence.iter().flat_map(|absence| &absence.guards));
    let mut types = types.map(|guard| guard.type_id);
    types.any(|type_id| from.derived.iter().any(|derived| derived.type_id == type_id))
}

/// The event types that a rule or measure names, with what is decoded of them; `has` tells which they are.
pub(super) fn reads(program: &Program, has: impl Fn(&Dispatch) -> bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for (plan, event_type) in program.types.iter().zip(&program.schema.types) {
        if !plan.dispatch.iter().any(&has) {
            continue;
        }
        // In the order of their declaration: that in which rules were compiled says nothing.
        let mut fields = plan.fields.clone();
        fields.sort_unstable();
        let fields: Vec<String> = fields.iter().map(|at| event_type.fields[*at].dotted()).collect();
        let origin = if plan.derived { "alerts of" } else { "events of type" };
        let what = match (&*fields, event_type.fields.len()) {
            ([], _) => "no rule needs any of its fields".to_owned(),
            (fields, all) if fields.len() == all => {
                format!("the rules together need all its fields: {}", fields.join(", "))
            }
            (fields, all) => {
                format!("the rules together need {} of its {all} fields: {}", fields.len(), fields.join(", "))
            }
        };
        lines.push(Line::new("reads", format!("{origin} {}; {what}", event_type.name)));
    }
    lines
}

/// How an event of each type comes to the rule where its key has nothing open.
fn entries(program: &Program, rule: &Rule) -> Vec<Line> {
    let words = Words::new(program, rule);
    let types = (0..).map(TypeId).zip(&program.types);
    let dispatches = types.flat_map(|(type_id, plan)| plan.dispatch.iter().map(move |dispatch| (type_id, dispatch)));
    let listens = dispatches.filter(|(_, dispatch)| dispatch.rules.binary_search(&rule.id).is_ok());
    let line = |(type_id, dispatch): (TypeId, &Dispatch)| {
        let Dispatch { entries, .. } = dispatch;
        let by = |found: &Found| match found {
            Found::Always => "judged at every one".to_owned(),
            Found::Equality(at) => {
                let subject = words.at(type_id, None).value(&entries.equalities[*at].subject);
                format!("found by {subject} (equality index)")
            }
            Found::Threshold(at) => {
                let subject = words.at(type_id, None).value(&entries.thresholds[*at].subject);
                format!("found by {subject} (threshold index)")
            }
            Found::Condition(at) => {
                let condition = words.at(type_id, None).condition(&entries.conditions[*at].condition);
                format!("found by {condition} (judged once for all rules that have it)")
            }
        };
        let ways: Vec<String> = entries.found(rule.id).iter().map(by).collect();
        let ways = if ways.is_empty() { "only where a match is open".to_owned() } else { ways.join(", or ") };
        Line::new("index", format!("{}: {ways}", words.noun(type_id)))
    };
    listens.map(line).collect()
}

fn window(program: &Program, rule: &Rule, id: WindowId) -> String {
    let window = &program.windows[id.index()];
    let of = type_of(program, |dispatch| dispatch.windows.contains(&id) || dispatch.windows_after.contains(&id));
    let of = of.map_or_else(String::new, |type_id| match &program.schema.get(type_id).name {
        own if **own == *rule.name => " that has a score for this risk".to_owned(),
        name if program.types[type_id.index()].derived => format!(" that is an alert of {name}"),
        name => format!(" of type {name}"),
    });
    let when = if window.previous { "after the rules have judged it" } else { "before the rules judge it" };
    let shared = others_with(program, rule, |uses| uses.windows.contains(&id));
    format!(
        "{}: every event{of} in {}; {}; an event goes in {when}; {}{shared}",
        window.name,
        range_words(window.range),
        structure_of(window.aggregate),
        by_key(program, rule, window.key),
    )
}

/// How far back a window reaches.
pub(super) fn range_words(range: WindowRange) -> String {
    match range {
        WindowRange::Duration(ms) => format!("the last {}", duration(ms)),
        WindowRange::Last(1) => "the newest event".to_owned(),
        WindowRange::Last(n) => format!("the newest {n} events"),
    }
}

/// The data structure of a window, and what an event costs.
pub(super) fn structure_of(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count => "a two-ended queue of times and its length, O(1) an event",
        Aggregate::Sum | Aggregate::Average => {
            "a two-ended queue and an exact sum, to which values are added and from which they are taken without rounding, O(1) an event"
        }
        Aggregate::Deviation => "a two-ended queue and exact sums of the values and of their squares, O(1) an event",
        Aggregate::Minimum | Aggregate::Maximum => {
            "a monotonic queue: only the values that can still become the result, O(1) an event on average"
        }
        Aggregate::First => "a two-ended queue of values, O(1) an event",
        Aggregate::Last => "the newest value alone, O(1) an event",
        Aggregate::Distinct => {
            "a hash table of the values, linked in the order in which each was last seen, O(1) an event"
        }
        Aggregate::Percentile(_) => "a two-ended queue and two ordered halves that meet at the rank, O(log n) an event",
    }
}

fn novelty(program: &Program, rule: &Rule, id: NoveltyId) -> String {
    let novelty = &program.novelties[id.index()];
    let of = type_of(program, |dispatch| dispatch.novelties.contains(&id));
    let events = of.map_or_else(String::new, |type_id| format!(" of {}", program.schema.get(type_id).name));
    let shared = others_with(program, rule, |uses| uses.novelties.contains(&id));
    format!(
        "the values that events{events} had in the last {}: a hash table of key and value together, each with the time at \
         which it was last seen; what is seen is noted after the rules have judged it; {}{shared}",
        duration(novelty.over_ms),
        by_key(program, rule, novelty.key),
    )
}

fn type_of(program: &Program, has: impl Fn(&Dispatch) -> bool) -> Option<TypeId> {
    let at = program.types.iter().position(|plan| plan.dispatch.iter().any(&has))?;
    u32::try_from(at).ok().map(TypeId)
}

fn by_key(program: &Program, rule: &Rule, key: KeyId) -> String {
    if key == rule.key {
        return "by the rule's key".to_owned();
    }
    format!("by {}", program.keys[key.index()].parts.join(", "))
}

/// The other rules that read the same: a window belongs to a key and an event type, not to a rule.
fn others_with(program: &Program, rule: &Rule, has: impl Fn(&Uses) -> bool) -> String {
    let has = |other: &&Rule| other.id != rule.id && has(&Uses::of(program, other));
    let others: Vec<String> = program.rules.iter().filter(has).map(|other| other.name.to_string()).collect();
    if others.is_empty() {
        "; no other rule reads it".to_owned()
    } else {
        format!("; shared with {}", some_of(&others))
    }
}

pub(super) fn table(table: &Table) -> String {
    let what = if table.is_list { "list" } else { "table" };
    let from = match &table.source {
        TableSource::File(path) => {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            format!("{} rows now, from the file {name}, which is read again when it changes", table.rows.len())
        }
        TableSource::Topic { topic, .. } => {
            format!("from the topic {topic}, each of whose changes applies before rules judge it")
        }
    };
    format!("{} {}, by {}, in O(1): {from}", what, table.name, table.key.path)
}

/// What happens without an event.
fn timers(rule: &Rule) -> impl Iterator<Item = String> + use<> {
    let absence = rule.absence.as_ref().map(|absence| {
        format!(
            "{} after the last event of a match: one timer a rule, of the wait that ends first; it fires when the watermark has passed",
            duration(absence.within_ms)
        )
    });
    let session = match &rule.strategy {
        Strategy::Session(session) => Some(format!(
            "{} after the last event of a session{}: one timer a rule, of the session that closes first; it fires when the watermark has passed",
            duration(session.idle_ms),
            session.at_most_ms.map_or_else(String::new, |ms| format!(", or {} after its first", duration(ms)))
        )),
        _ => None,
    };
    absence.into_iter().chain(session)
}

/// Names, the first few of them.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 8;
    if names.len() <= SHOWN + 1 {
        return listed(names);
    }
    format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN)
}
