//! A measure explained: what it counts as a sentence, how its windows are kept, and what they cost.

use crate::program::explain::bill::{Sizes, on_top, table};
use crate::program::explain::plan::{reads, shard};
use crate::program::explain::sentence::for_each;
use crate::program::explain::uses::Uses;
use crate::program::explain::words::{Words, listed};
use crate::program::explain::{Line, plan};
use crate::program::{Aggregate, Measure, MeasureFold, MeasureWindow, Program, duration};

/// The sentence of a measure, with its full stop.
pub fn measure_sentence(program: &Program, measure: &Measure) -> String {
    let words = Words::of_measure(program, measure);
    let emitted: Vec<String> =
        measure.emitted.iter().map(|(name, expr)| format!("{} as {name}", words.value(expr))).collect();
    let top = measure.top.map_or_else(String::new, |top| {
        let (by, _) = &measure.emitted[top.by];
        format!(", of the {} keys with the largest {by} only, each with its rank", top.n)
    });
    let to = if measure.targets.is_empty() { String::new() } else { format!(" to {}", listed(&measure.targets)) };
    let (range, when) = window_words(measure.window);
    format!(
        "{} over each {}, in {range}, {} {} emitted{to} {when}{top}; nothing is emitted where there was no event.",
        for_each(program, measure.key, |dispatch| dispatch.measures.contains(&measure.id)),
        words.measured(&measure.guards),
        listed(&emitted),
        if emitted.len() == 1 { "is" } else { "are" },
    )
}

/// What a window is, and when it is emitted.
fn window_words(window: MeasureWindow) -> (String, String) {
    const PASSED: &str = "when the watermark has passed its end";
    match window {
        MeasureWindow::Every { over_ms, every_ms } if over_ms == every_ms => (
            format!(
                "windows of {}, one after the other, counted from 1970 in UTC, each without its end",
                duration(over_ms)
            ),
            PASSED.to_owned(),
        ),
        MeasureWindow::Every { over_ms, every_ms } => (
            format!(
                "windows of {}, of which one begins every {}, counted from 1970 in UTC, each without its end",
                duration(over_ms),
                duration(every_ms)
            ),
            PASSED.to_owned(),
        ),
        MeasureWindow::Last(n) => (format!("the newest {n} events of the key"), "at every such event".to_owned()),
        MeasureWindow::Session { idle_ms, at_most_ms } => {
            let most = at_most_ms.map_or_else(String::new, |ms| format!(", or {} after its first", duration(ms)));
            (
                format!("sessions that end {} after their last event{most}", duration(idle_ms)),
                "when the watermark has passed that".to_owned(),
            )
        }
    }
}

/// The plan of a measure, line by line.
pub fn measure_plan(program: &Program, measure: &Measure) -> Vec<Line> {
    let ours = |dispatch: &crate::program::Dispatch| dispatch.measures.contains(&measure.id);
    let parts = &program.keys[measure.key.index()].parts;
    let key = if parts.is_empty() {
        "none: all events have the same, so one core does all the work of this measure".to_owned()
    } else {
        parts.join(", ")
    };
    let mut lines = vec![
        Line::new("strategy", strategy(measure.window)),
        Line::new("key", key),
        Line::new("shard", if measure.top.is_some() { RANKED.to_owned() } else { shard(program, ours) }),
    ];
    lines.extend(reads(program, ours));
    let words = Words::of_measure(program, measure);
    for fold in &measure.folds {
        lines.push(Line::new(
            "aggregate",
            format!("{}: {}", words.fold(measure, fold), structure(measure.window, fold)),
        ));
    }
    lines.push(Line::new("", "exact whatever the length of the windows: nothing is sampled or estimated"));
    for id in &Uses::of_measure(measure).tables {
        lines.push(Line::new("looks up", plan::table(&program.tables[id.index()])));
    }
    lines
}

const RANKED: &str = "the first, for all keys: the largest are found among all of them";

fn strategy(window: MeasureWindow) -> String {
    match window {
        MeasureWindow::Every { over_ms, every_ms } if over_ms == every_ms => {
            "tumbling windows: an event goes into one pane, which is emitted and forgotten as a whole".to_owned()
        }
        MeasureWindow::Every { over_ms, every_ms } => format!(
            "hopping windows: an event goes into one pane of {}; a window merges its {} panes when it ends",
            duration(every_ms),
            over_ms / every_ms
        ),
        MeasureWindow::Last(n) => format!("the last {n}: a sliding window by key, emitted at every event"),
        MeasureWindow::Session { .. } => "sessions: one open a key, in the order in which they close".to_owned(),
    }
}

/// How an aggregate is kept.
fn structure(window: MeasureWindow, fold: &MeasureFold) -> &'static str {
    match (fold.aggregate, window) {
        (aggregate, MeasureWindow::Last(_)) => plan::structure_of(aggregate),
        (Aggregate::Count, _) => "a number",
        (Aggregate::Sum | Aggregate::Average, _) => "an exact sum, rounded when it is emitted",
        (Aggregate::Deviation, _) => "exact sums of the values and of their squares",
        (Aggregate::Distinct, _) => "a hash table of the values",
        (Aggregate::Percentile(_), _) => "all the values, of which the one at the rank is selected when it is emitted",
        (Aggregate::Minimum | Aggregate::Maximum | Aggregate::First | Aggregate::Last, _) => "one value",
    }
}

/// The bill of a measure, line by line.
pub fn measure_bill(program: &Program, measure: &Measure, sizes: &Sizes) -> Vec<Line> {
    let folds: usize = measure.folds.iter().map(|fold| (sizes.fold)(fold.aggregate)).sum();
    let mut lines = match measure.window {
        MeasureWindow::Every { over_ms, every_ms } => {
            let bytes = sizes.pane_row + folds;
            let panes = over_ms / every_ms;
            let most = if panes == 1 { "one a key".to_owned() } else { format!("up to {panes} a key") };
            let text = format!(
                "{bytes} bytes a key and pane of {}, {most}; freed when the last window with it has been emitted",
                duration(every_ms)
            );
            vec![Line::new("pane", text)]
        }
        MeasureWindow::Session { idle_ms, .. } => {
            let bytes = sizes.key_row + sizes.key_cell + sizes.measure_session_row + folds;
            let text =
                format!("{bytes} bytes an open session, one a key; freed {} after its last event", duration(idle_ms));
            vec![Line::new("session", text)]
        }
        MeasureWindow::Last(n) => newest(measure, n, sizes),
    };
    let words = Words::of_measure(program, measure);
    let grows = |fold: &&MeasureFold| matches!(fold.aggregate, Aggregate::Distinct | Aggregate::Percentile(_));
    let is_last = matches!(measure.window, MeasureWindow::Last(_));
    for fold in measure.folds.iter().filter(grows).filter(|_| !is_last) {
        let text = match fold.aggregate {
            Aggregate::Distinct => {
                format!("{} bytes a different value of {}", sizes.key_entry, words.fold(measure, fold))
            }
            _ => format!("{} bytes a value of {}", sizes.value, words.fold(measure, fold)),
        };
        lines.push(Line::new("values", format!("{text}, in each of these")));
    }
    for id in &Uses::of_measure(measure).tables {
        lines.push(Line::new("table", table(&program.tables[id.index()], sizes)));
    }
    lines.push(on_top(sizes));
    lines
}

fn newest(measure: &Measure, n: u32, sizes: &Sizes) -> Vec<Line> {
    let windows: Vec<_> = measure.folds.iter().map(|fold| (sizes.window)(fold.aggregate)).collect();
    // A window alone has a row of its own; here all of a key stand in one.
    let key = sizes.key_row + sizes.key_cell;
    let row = key + sizes.newest_row + windows.iter().map(|window| window.row - sizes.window_head).sum::<usize>();
    let entry = size_of::<i64>() + windows.iter().map(|window| window.entry).sum::<usize>();
    vec![
        Line::new("key", format!("{row} bytes a key, kept for ever, since the last events of a key never grow old")),
        Line::new("event", format!("{entry} bytes an event, up to {n} a key")),
    ]
}
