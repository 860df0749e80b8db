//! How far the nearest run got, and why it stopped.

use crate::engine::{Ended, Engine, PastRun};
use crate::event::Position;
use crate::lang::RuleTest;
use crate::program::{Program, Rule, Step, StepGuard};
use crate::ruletest::EPOCH_MS;

/// Why a rule gave fewer alerts than expected, as far as its nearest run tells.
pub(super) fn nearest(program: &Program, rule: &Rule, engine: &Engine, test: &RuleTest) -> String {
    let runs = engine.history(rule.id);
    let unfinished = runs.iter().filter(|run| run.ended != Ended::Completed);
    match unfinished.max_by_key(|run| (run.step, run.taken)) {
        Some(run) => {
            let start = since_start(run.start_ms - EPOCH_MS);
            format!("  the nearest run began at {start}{}: {}", reached(program, rule, run), stopped(rule, run, test))
        }
        None if runs.is_empty() => no_start(program, rule, engine),
        None => "  all runs that began completed".to_owned(),
    }
}

fn no_start(program: &Program, rule: &Rule, engine: &Engine) -> String {
    let missing_key = engine.stats().rules[rule.id.index()].missing_key;
    let key = match missing_key {
        0 => String::new(),
        1 => format!("; one event lacks its key {}", program.keys[rule.key.index()].parts.join(", ")),
        n => format!("; {n} events lack its key {}", program.keys[rule.key.index()].parts.join(", ")),
    };
    format!("  no run began: no event fits the first step, {}{key}", describe(program, &rule.steps[0]))
}

fn reached(program: &Program, rule: &Rule, run: &PastRun) -> String {
    let Some(step) = rule.steps.get(run.step.index()) else {
        return ", took all its steps, and waited for `then no`".to_owned();
    };
    let so_far = if step.is_repeated() { format!(" ({} of {})", run.taken, step.count) } else { String::new() };
    format!(", and waited in step {} of {}, {}{so_far}", run.step.0 + 1, rule.steps.len(), describe(program, step))
}

fn stopped(rule: &Rule, run: &PastRun, test: &RuleTest) -> String {
    let event = |position: Position| {
        let case = usize::try_from(position.offset).ok().and_then(|at| test.events.get(at));
        case.map_or_else(String::new, |case| format!("{} at {}", case.event_type, since_start(case.at_ms)))
    };
    match run.ended {
        Ended::Expired => format!("`within` passed at {}", since_start(run.ends_ms - EPOCH_MS)),
        Ended::Unless(position) => format!("`unless` ended it: {}", event(position)),
        Ended::MissedNext(position) => format!("the very next event did not fit: {}", event(position)),
        Ended::Cancelled(position) => format!("the event that must not come came: {}", event(position)),
        Ended::Dropped => "it was dropped for a newer run: as many were open as may be".to_owned(),
        Ended::UsedUp => "another run of its key completed, and the rule has no `every`".to_owned(),
        Ended::StillOpen if rule.within.is_some() => "the events ended, and none of them fitted".to_owned(),
        Ended::StillOpen | Ended::Completed => "the events ended".to_owned(),
    }
}

fn describe(program: &Program, step: &Step) -> String {
    let name = |guard: &StepGuard| program.schema.get(guard.type_id).name.clone();
    let types: Vec<String> = step.guards.iter().map(name).collect();
    let condition = step.guards.iter().any(|guard| guard.condition.is_some());
    format!("`{}{}`", types.join(" or "), if condition { " where …" } else { "" })
}

/// A time since a test's beginning: `4 m`, `1 m 30 s`, `1 h`, `250 ms`.
pub(super) fn since_start(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let mut rest = ms.unsigned_abs();
    let mut parts = Vec::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= size {
            parts.push(format!("{} {unit}", rest / size));
            rest %= size;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { format!("{sign}{}", parts.join(" ")) }
}
