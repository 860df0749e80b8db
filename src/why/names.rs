//! Events, times and keys for people, and lines whose columns stand below each other.

use jiff::Timestamp;

use crate::alert::{Alert, render_value};
use crate::engine::{Judged, Seen};
use crate::event::{Key, Position, Sources};
use crate::program::{Program, Rule, Step, StepId};
use crate::why::asked::words;
use crate::why::shown;
use crate::why::target::Target;

/// What numbers are called.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) program: &'a Program,
    pub(super) sources: &'a Sources,
    /// The first event's time, from which times are told.
    pub(super) first_ms: i64,
}

impl Names<'_> {
    /// A time since the first event: `+6 min 10 s`.
    pub(super) fn since(&self, time_ms: i64) -> String {
        let since = words(time_ms.saturating_sub(self.first_ms));
        if since.starts_with('-') { since } else { format!("+{since}") }
    }

    /// A time in full.
    pub(super) fn time(time_ms: i64) -> String {
        Timestamp::from_millisecond(time_ms).map_or_else(|_| time_ms.to_string(), |instant| format!("{instant:.3}"))
    }

    /// `events.ndjson:3`
    pub(super) fn place(&self, position: Position) -> String {
        self.sources.place(position)
    }

    pub(super) fn type_name(&self, seen: &Seen) -> &str {
        &self.program.schema.get(seen.type_id).name
    }

    /// `purchase e3 at +6 min 10 s (events.ndjson:3)`
    pub(super) fn event(&self, seen: &Seen) -> String {
        let id = seen.id.as_ref().map_or_else(String::new, |id| format!(" {id}"));
        format!("{}{id} at {} ({})", self.type_name(seen), self.since(seen.time_ms), self.place(seen.position))
    }

    /// The columns of an event's line: its time, place, id, type and step.
    pub(super) fn columns(&self, seen: &Seen, step: &str) -> Vec<String> {
        let id = seen.id.as_ref().map_or_else(String::new, ToString::to_string);
        let type_name = self.type_name(seen).to_owned();
        vec![self.since(seen.time_ms), self.place(seen.position), id, type_name, step.to_owned()]
    }

    /// `user_id u1, card_id c7`; `all events` of a rule without a key.
    pub(super) fn key(&self, rule: &Rule, key: &Key) -> String {
        let names = &self.program.keys[rule.key.index()].parts;
        let parts: Vec<String> =
            names.iter().zip(key.parts()).map(|(name, value)| format!("{name} {}", render_value(&value))).collect();
        if parts.is_empty() { "all events".to_owned() } else { parts.join(", ") }
    }

    /// `purchase b`
    pub(super) fn step(&self, rule: &Rule, id: StepId) -> String {
        let Some(step) = rule.steps.get(id.index()) else { return "`then no`".to_owned() };
        let types: Vec<&str> =
            step.guards.iter().map(|guard| self.program.schema.get(guard.type_id).name.as_str()).collect();
        let count = match (step.count, step.or_more) {
            (1, false) => String::new(),
            (n, false) => format!("{n} "),
            (n, true) => format!("{n} or more "),
        };
        let name = if is_number(&step.label) { String::new() } else { format!(" {}", step.label) };
        format!("{count}{}{name}", types.join(" or "))
    }
}

/// `a`; `step 2` where it has no name.
pub(super) fn label(step: &Step) -> String {
    if is_number(&step.label) { format!("step {}", step.label) } else { step.label.to_string() }
}

fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
}

/// The conditions of a judgement as lines.
pub(super) fn conditions(target: &Target, judged: &Judged, indent: usize) -> String {
    let rows: Vec<_> = shown::parts(target, judged).iter().flat_map(shown::Part::lines).map(Vec::from).collect();
    table(&rows, indent)
}

/// `2026-01-01T00:04:00.000Z (+4 min)`
pub(super) fn alert_time(names: &Names<'_>, alert: &Alert) -> String {
    format!("{} ({})", Names::time(alert.time_ms), names.since(alert.time_ms))
}

/// Rows as lines with an end, their columns below each other.
pub(super) fn table(rows: &[Vec<String>], indent: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths).filter(|(_, width)| **width > 0) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.chars().count() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `1 event`, `2 events`
pub(super) fn plural(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
