//! The state bill: what a rule keeps in memory, in bytes a row, and what bounds each.
//!
//! The bytes are those of the engine's rows themselves. Keys, texts and lists beyond what a row holds inline are on the
//! heap and come on top, as does the spare room of the index of keys, which grows by doubling; the bill says so.

use crate::program::explain::Line;
use crate::program::explain::plan::range_words;
use crate::program::explain::uses::Uses;
use crate::program::{
    Aggregate, Program, Rule, Session, Shown, Step, Strategy, Table, TableSource, Window, WindowRange, duration,
};

/// How large the engine's rows are, in bytes. Told by the engine.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A value, with what it holds inline.
    pub value: usize,
    /// The text that a value holds inline.
    pub text_inline: usize,
    /// The encoded key that a row holds inline.
    pub key_inline: usize,
    /// A key of which anything is open or remembered.
    pub key_row: usize,
    /// What such a key holds for each rule and window.
    pub key_cell: usize,
    /// An open match.
    pub run: usize,
    /// An open match of a two-step sequence.
    pub two_step_run: usize,
    /// The bytes of its events that lie in an open match.
    pub run_inline: usize,
    /// An event that a match took, as most are, without its id and values.
    pub taken: usize,
    /// A captured value, as most are.
    pub captured: usize,
    /// The place of an event in the list that the matches of a key share.
    pub shared_event: usize,
    /// A key with kept events of a pair.
    pub pair_row: usize,
    /// The place of a kept event of a pair.
    pub pair_event: usize,
    /// A key whose condition holds.
    pub streak_row: usize,
    /// A key's open session.
    pub session_row: usize,
    /// An aggregate over a session or a step.
    pub fold: fn(Aggregate) -> usize,
    /// The events at each end of a session that are kept.
    pub session_events: usize,
    /// A key that has alerted, for `at most once per`.
    pub sent: usize,
    /// A value that was seen.
    pub novelty_row: usize,
    /// A key in a pane of a measure's windows.
    pub pane_row: usize,
    /// A key's open session of a measure.
    pub measure_session_row: usize,
    /// A key of a measure over the last events.
    pub newest_row: usize,
    /// A row of a list or table without its columns.
    pub table_row: usize,
    /// A value in a set of different ones.
    pub key_entry: usize,
    /// What a window's row holds beside the window itself.
    pub window_head: usize,
    /// The windows of an aggregate.
    pub window: fn(Aggregate) -> WindowSizes,
}

/// How large the windows of an aggregate are, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct WindowSizes {
    /// A key's window with nothing in it.
    pub row: usize,
    /// An event in it; of `distinct` a value in it.
    pub entry: usize,
}

/// The bill of a rule, line by line.
pub fn bill(program: &Program, rule: &Rule, sizes: &Sizes) -> Vec<Line> {
    let uses = Uses::of(program, rule);
    let mut lines = own(program, rule, sizes);
    if lines.is_empty() && !uses.windows.is_empty() {
        let bytes = sizes.key_row;
        let text = format!("{bytes} bytes a key with anything in a window, shared by all rules with this key");
        lines.push(Line::new("key", text));
    }
    let is_whole = |step: &Step| step.captures.iter().any(|capture| capture.shown == Shown::Whole);
    if !lines.is_empty() && rule.steps.iter().any(is_whole) {
        lines.push(Line::new("text", "of each kept event its whole text beside it, since alerts carry it"));
    }
    for id in &uses.windows {
        lines.extend(window(&program.windows[id.index()], sizes));
    }
    for id in &uses.novelties {
        let over = duration(program.novelties[id.index()].over_ms);
        lines.push(Line::new(
            "first seen",
            format!("{} bytes a key and value; forgotten when the value has not come for {over}", sizes.novelty_row),
        ));
    }
    if let Some(ms) = rule.alert.at_most_once_ms {
        let text = format!(
            "{} bytes a key that has alerted; forgotten after {} without an alert held back, else at the next alert",
            sizes.sent,
            duration(ms)
        );
        lines.push(Line::new("sent alerts", text));
    }
    for id in &uses.tables {
        lines.push(Line::new("table", table(&program.tables[id.index()], sizes)));
    }
    if lines.is_empty() {
        return vec![Line::new("none", "this rule keeps nothing: its memory does not grow")];
    }
    if !rule.waits.is_empty() {
        lines.push(Line::new("groups", "about 20 bytes an open match of a key with many".to_owned()));
    }
    lines.push(on_top(sizes));
    lines
}

/// What the bytes of a bill leave out.
pub(super) fn on_top(sizes: &Sizes) -> Line {
    Line::new(
        "on top",
        format!(
            "keys of more than {} bytes, texts of more than {} and lists lie on the heap; the index of keys keeps as much again as spare room",
            sizes.key_inline, sizes.text_inline
        ),
    )
}

/// What belongs to the rule alone.
fn own(program: &Program, rule: &Rule, sizes: &Sizes) -> Vec<Line> {
    match &rule.strategy {
        Strategy::Filter => Vec::new(),
        Strategy::SequenceNfa if rule.two_step.is_some() => two_step(program, rule, sizes),
        Strategy::SequenceNfa | Strategy::AllOf => runs(rule, sizes),
        Strategy::EachPair => pair(rule, sizes),
        Strategy::Session(plan) => session(rule, plan, sizes),
        Strategy::Held(held) => {
            let until = match held.gap_ms {
                Some(ms) => format!("until it fails, or no event came for {}", duration(ms)),
                None => "until it fails: a key that falls silent while it holds is kept for ever".to_owned(),
            };
            let bytes = sizes.streak_row;
            let held = format!("{bytes} bytes a key on which the condition holds, {until}");
            vec![key(sizes, ""), Line::new("held", held)]
        }
    }
}

fn two_step(program: &Program, rule: &Rule, sizes: &Sizes) -> Vec<Line> {
    let others = rule.two_step.map_or(0, |id| program.two_steps[id.index()].members.len() - 1);
    let shared = match others {
        0 => String::new(),
        others => format!(", shared with {others} {}", if others == 1 { "rule" } else { "rules" }),
    };
    let (run, inline) = (sizes.two_step_run, sizes.run_inline);
    vec![
        key(sizes, &shared),
        Line::new(
            "match",
            format!(
                "{run} bytes an open match with the first {inline} bytes of its event{shared}; {}",
                run_bound(rule)
            ),
        ),
        Line::new(
            "event",
            format!("about {} bytes the event of step {}", taken(&rule.steps[0], sizes), rule.steps[0].label),
        ),
    ]
}

/// A key of which something is open.
fn key(sizes: &Sizes, shared: &str) -> Line {
    let text = format!(
        "{} bytes a key with anything open, shared by all rules with this key; {} bytes of this rule{shared}; freed with the last of it",
        sizes.key_row, sizes.key_cell
    );
    Line::new("key", text)
}

fn runs(rule: &Rule, sizes: &Sizes) -> Vec<Line> {
    let mut lines = vec![
        key(sizes, ""),
        Line::new(
            "match",
            format!(
                "{} bytes an open match, with the first {} bytes of its events; {}",
                sizes.run,
                sizes.run_inline,
                run_bound(rule)
            ),
        ),
    ];
    for (at, step) in rule.steps.iter().enumerate() {
        let is_last = at + 1 == rule.steps.len() && rule.absence.is_none();
        let all_of = matches!(rule.strategy, Strategy::AllOf);
        if is_last && !step.is_repeated() && !all_of {
            continue;
        }
        let bytes = taken(step, sizes);
        let name = &step.label;
        let text = if step.is_repeated() && step.independent {
            format!(
                "about {} bytes an event of step {name}, once for all open matches of the key; kept while one of them began at or before it: as many as come within that time",
                bytes + sizes.shared_event
            )
        } else if step.is_repeated() {
            let most = if step.or_more {
                "as many as come within that time".to_owned()
            } else {
                format!("up to {} a match", step.count)
            };
            format!("about {bytes} bytes an event of step {name}, {most}")
        } else {
            format!("about {bytes} bytes the event of step {name}, one a match")
        };
        lines.push(Line::new("event", text));
    }
    lines
}

/// What ends an open match at the latest, and how many a key has.
fn run_bound(rule: &Rule) -> String {
    let within = rule.within.map(|within| format!("{} after its first event", duration(within.ms)));
    let wait = rule.absence.as_ref().map(|absence| {
        let ms = absence.within_ms;
        format!("{} after its last", duration(ms))
    });
    let end = match (within, wait) {
        (Some(within), None) => format!("freed at the latest {within}"),
        (None, Some(wait)) => format!("freed at the latest {wait}"),
        (Some(within), Some(wait)) => format!("freed at the latest {within} if it is not complete then, else {wait}"),
        (None, None) => "freed when it completes or is ended".to_owned(),
    };
    let dropped = if rule.every { "" } else { ", and by any alert of its key" };
    format!(
        "{end}{dropped}; a key has one for each event that began one in that time, and no more than max_open_runs_per_key"
    )
}

fn pair(rule: &Rule, sizes: &Sizes) -> Vec<Line> {
    let within = rule.within.map_or_else(String::new, |within| duration(within.ms));
    let event = |step: &Step| taken(step, sizes) + sizes.pair_event;
    let sides = format!("{} bytes a key for both sides; forgotten after {within} without an event", sizes.pair_row);
    let mut lines = vec![key(sizes, ""), Line::new("sides", sides)];
    for step in &rule.steps {
        let text = format!(
            "about {} bytes a kept event of side {}, for {within}; a key has no more than max_open_runs_per_key of them",
            event(step),
            step.label
        );
        lines.push(Line::new("event", text));
    }
    lines
}

fn session(rule: &Rule, plan: &Session, sizes: &Sizes) -> Vec<Line> {
    let most =
        plan.at_most_ms.map_or_else(String::new, |ms| format!(", and at the latest {} after its first", duration(ms)));
    let close = format!("closed and freed {} after its last event{most}", duration(plan.idle_ms));
    let mut lines = vec![
        key(sizes, ""),
        Line::new("session", format!("{} bytes an open session, one a key; {close}", sizes.session_row)),
        Line::new(
            "event",
            format!(
                "about {} bytes an event, of which the first {n} and the last {n} are kept as evidence",
                taken(&rule.steps[0], sizes) + sizes.pair_event,
                n = sizes.session_events
            ),
        ),
    ];
    for (at, fold) in plan.folds.iter().enumerate() {
        let grows = match fold.aggregate {
            Aggregate::Distinct => "; it grows with the different values",
            Aggregate::Percentile(_) => "; it grows with the values, all of which it keeps",
            _ => "",
        };
        let name = rule.alert.values.get(at).map_or("an aggregate", |(name, _)| name);
        lines.push(Line::new(
            "aggregate",
            format!("{} bytes a session for {name}{grows}", (sizes.fold)(fold.aggregate)),
        ));
    }
    lines
}

fn window(window: &Window, sizes: &Sizes) -> Vec<Line> {
    let WindowSizes { row, entry } = (sizes.window)(window.aggregate);
    let bound = match window.range {
        WindowRange::Duration(ms) => format!("forgotten when no event came for {}", duration(ms)),
        WindowRange::Last(_) => "kept for ever, since the last events of a key never grow old".to_owned(),
    };
    let all = range_words(window.range);
    let which = if window.condition.is_some() { " that fulfils its `where`" } else { "" };
    let entries = match window.aggregate {
        Aggregate::Last => "nothing a further event: only the newest value is kept".to_owned(),
        Aggregate::Distinct => format!("{entry} bytes a different value{which} in {all}"),
        Aggregate::Minimum | Aggregate::Maximum => {
            format!("{entry} bytes an event{which} in {all} that can still become the result")
        }
        Aggregate::Percentile(_) => format!("{entry} bytes an event{which} in {all}, and less where values are equal"),
        _ => format!("{entry} bytes an event{which} in {all}"),
    };
    let row = row + sizes.key_cell;
    vec![Line::new("window", format!("{}: {row} bytes a key, {bound}", window.name)), Line::new("", entries)]
}

pub(super) fn table(table: &Table, sizes: &Sizes) -> String {
    let row = sizes.table_row + table.columns.len() * sizes.value;
    let rows = table.rows.len();
    let copies = match table.source {
        TableSource::File(_) => "one copy for all rules and cores",
        TableSource::Topic { .. } => "one copy for all rules",
    };
    format!("{}: {row} bytes a row, {rows} rows now; {copies}, as long as its source has them", table.name)
}

/// An event that a step took, with its captured values, as most are.
fn taken(step: &Step, sizes: &Sizes) -> usize {
    let values = step.captures.iter().filter(|capture| capture.shown != Shown::Whole).count();
    sizes.taken + values * sizes.captured
}
