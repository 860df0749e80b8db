//! The answer where there is an alert: the run that fired, event by event.

use crate::alert::{Alert, AlertEvent};
use crate::engine::{Judged, Place, Seen};
use crate::program::{Rule, StepId, Strategy};
use crate::why::Outcome;
use crate::why::asked::{words, written};
use crate::why::names::{Names, alert_time, conditions, label, plural};
use crate::why::shown::value_text;
use crate::why::target::Target;

/// Of a long match so many events are shown from each end.
const SHOWN_AT_EACH_END: usize = 6;
/// So many other alerts are listed.
const OTHERS: usize = 10;

/// Tells how an alert came about.
pub(super) fn tell(names: &Names<'_>, rule: &Rule, target: &Target, outcome: &Outcome, alert: &Alert) -> String {
    let key: Vec<String> =
        alert.key.iter().map(|(name, value)| format!("{name} {}", crate::alert::render_value(value))).collect();
    let key = if key.is_empty() { "all events".to_owned() } else { key.join(", ") };
    let mut text = format!("{} fired for {key} at {}\n", rule.name, alert_time(names, alert));
    text.push_str(&format!("  {}: {}\n", alert.severity, alert.message));
    text.push_str(&format!("  times are since the first event, {}\n\n", Names::time(names.first_ms)));
    let first =
        alert.first().and_then(|first| judged_at(outcome, rule, first, None)).map(|judged| judged.event.arrival);
    let hidden = alert.events.len().saturating_sub(2 * SHOWN_AT_EACH_END);
    for (at, event) in alert.events.iter().enumerate() {
        if hidden > 0 && (SHOWN_AT_EACH_END..SHOWN_AT_EACH_END + hidden).contains(&at) {
            if at == SHOWN_AT_EACH_END {
                text.push_str(&format!("… {} more\n", plural(hidden as u64, "event")));
            }
            continue;
        }
        text.push_str(&event_line(names, rule, event));
        if let Some(judged) = judged_at(outcome, rule, event, first) {
            text.push_str(&conditions(target, judged, 4));
        }
    }
    let closed = outcome.judged.iter().find(|one| one.place == Place::Close && one.fits && one.run == first);
    if let Some(closed) = closed {
        text.push_str("the session closed\n");
        text.push_str(&conditions(target, closed, 4));
    }
    text.push('\n');
    text.push_str(&bounds(rule, alert));
    text.push_str(&others(names, outcome, alert));
    text
}

/// An event's line: when, where, which, and the step that took it.
fn event_line(names: &Names<'_>, rule: &Rule, event: &AlertEvent) -> String {
    let step = rule.steps.iter().find(|step| step.label == event.step).map_or_else(String::new, label);
    let seen = Seen {
        type_id: event.type_id,
        time_ms: event.time_ms,
        position: event.position,
        id: event.id.clone(),
        arrival: 0,
    };
    format!("{}\n", names.columns(&seen, &step).join("  "))
}

/// Where a step took an event: in the run that began with `first`, or as the first event of one.
fn judged_at<'o>(outcome: &'o Outcome, rule: &Rule, event: &AlertEvent, first: Option<u64>) -> Option<&'o Judged> {
    let at = (0..).map(StepId).zip(&rule.steps).find(|(_, step)| step.label == event.step);
    let place = Place::Step(at?.0);
    let is_it = |one: &&Judged| {
        let seen = &one.event;
        let same = seen.position == event.position && seen.time_ms == event.time_ms && seen.type_id == event.type_id;
        same && one.place == place && one.fits && !one.late
    };
    let mut all = outcome.judged.iter().filter(is_it);
    let own = first.and_then(|first| all.clone().find(|one| one.run == Some(first)));
    own.or_else(|| all.clone().find(|one| one.run.is_none())).or_else(|| all.next())
}

/// How long it took from the first matched event to the last, in ms.
pub(super) fn lasted_ms(alert: &Alert) -> i64 {
    alert.last().map_or(0, |last| last.time_ms.saturating_sub(alert.started_ms))
}

/// The lengths of time that had to fit, and the aggregates that the alert carries.
fn bounds(rule: &Rule, alert: &Alert) -> String {
    let mut text = String::new();
    let took = words(lasted_ms(alert));
    if let Some(within) = rule.within {
        text.push_str(&format!("within {}: it took {took}\n", written(within.ms)));
    }
    if let Some(absence) = &rule.absence {
        let within = written(absence.within_ms);
        text.push_str(&format!("then no: nothing that fits came within {within} after the last event\n"));
    }
    match &rule.strategy {
        Strategy::Held(held) => text.push_str(&format!("for {}: it held for {took}\n", written(held.for_ms))),
        Strategy::Session(session) => {
            text.push_str(&format!("after {} idle: the session lasted {took}\n", written(session.idle_ms)));
        }
        _ => {}
    }
    for (name, value) in &alert.values {
        text.push_str(&format!("{name} = {}\n", value_text(value, None)));
    }
    text
}

fn others(names: &Names<'_>, outcome: &Outcome, alert: &Alert) -> String {
    let others: Vec<&Alert> = outcome.alerts.iter().filter(|other| other.id != alert.id).collect();
    if others.is_empty() {
        return String::new();
    }
    let mut text = "it also fired at (see --at):\n".to_owned();
    for other in others.iter().take(OTHERS) {
        text.push_str(&format!("  {}\n", alert_time(names, other)));
    }
    if others.len() > OTHERS {
        text.push_str(&format!("  … {} more\n", others.len() - OTHERS));
    }
    text
}
