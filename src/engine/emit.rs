//! From a completed run to an alert: its id, its message, its evidence.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::alert::{self, Alert, AlertEvent, AlertId};
use crate::engine::eval::{self, Context};
use crate::engine::nfa::Completed;
use crate::engine::runs::Taken;
use crate::event::{Key, Value};
use crate::program::{Program, Step, StepId};

/// Of an `N or more` step an alert carries this many events from its beginning and as many from its end.
const EVENTS_AT_EACH_END: usize = 20;

/// The alert of a completed run.
pub(super) fn alert(program: &Program, sources: &[String], key: &[u8], completed: &Completed<'_>) -> Alert {
    let rule = completed.rule;
    let key = Key::from_bytes(key);
    let parts = key.parts();
    let context = Context { event: None, trail: Some(completed.trail), key: &parts };
    let names = program.keys[rule.key.index()].parts.iter().cloned();
    Alert {
        id: id(completed, sources, key.as_bytes()),
        rule: rule.id,
        rule_name: Arc::clone(&rule.name),
        version: Arc::clone(&rule.version),
        severity: rule.alert.severity,
        score: rule.alert.score,
        message: alert::render(&rule.alert.message, |expr| eval::value(expr, context).into_owned()),
        key: names.zip(parts.iter().cloned()).collect(),
        time_ms: completed.time_ms,
        started_ms: completed.trail.run.start_ms,
        tags: Arc::clone(&rule.alert.tags),
        targets: Arc::clone(&rule.alert.targets),
        events: steps(completed).flat_map(|(id, step)| events(program, completed, id, step)).collect(),
        values: steps(completed).filter_map(|(id, step)| count(completed, id, step)).collect(),
        suppressed: 0,
    }
}

fn steps<'a>(completed: &Completed<'a>) -> impl Iterator<Item = (StepId, &'a Step)> + use<'a> {
    (0..).map(StepId).zip(&completed.rule.steps)
}

fn events(program: &Program, completed: &Completed<'_>, id: StepId, step: &Step) -> Vec<AlertEvent> {
    let trail = completed.trail;
    let last = trail.count_of(id).saturating_sub(EVENTS_AT_EACH_END);
    let kept = |at: usize| !step.or_more || at < EVENTS_AT_EACH_END || at >= last;
    let taken = trail.of(id).enumerate().filter(|(at, _)| kept(*at));
    taken.map(|(_, taken)| event(program, step, taken)).collect()
}

fn event(program: &Program, step: &Step, taken: &Taken) -> AlertEvent {
    let paths = step.captures.iter().map(|capture| Arc::clone(&capture.path));
    AlertEvent {
        step: Arc::clone(&step.label),
        type_id: taken.type_id,
        type_name: Arc::from(program.schema.get(taken.type_id).name.as_str()),
        id: taken.id.clone(),
        time_ms: taken.time_ms,
        position: taken.position,
        fields: paths.zip(taken.values.iter().cloned()).collect(),
    }
}

/// The count of an `N or more` step, whose events are not all carried.
fn count(completed: &Completed<'_>, id: StepId, step: &Step) -> Option<(String, Value)> {
    let count = i64::try_from(completed.trail.count_of(id)).ok()?;
    step.or_more.then(|| (format!("count({})", step.label), Value::Integer(count)))
}

/// What decides the match, the key, and the ids (or source positions) and times of the matched events, hashed.
fn id(completed: &Completed<'_>, sources: &[String], key: &[u8]) -> AlertId {
    let mut hash = Sha256::new();
    hash.update(completed.rule.match_hash);
    put(&mut hash, key);
    hash.update(completed.time_ms.to_be_bytes());
    for taken in steps(completed).flat_map(|(id, _)| completed.trail.of(id)) {
        hash.update(taken.time_ms.to_be_bytes());
        if let Some(id) = &taken.id {
            hash.update([1]);
            put(&mut hash, id.as_bytes());
        } else {
            hash.update([0]);
            put(&mut hash, sources.get(usize::from(taken.position.source.0)).map_or(b"", |name| name.as_bytes()));
            hash.update(taken.position.partition.to_be_bytes());
            hash.update(taken.position.offset.to_be_bytes());
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    let (id, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    AlertId(*id)
}

/// Bytes with their length before them, so that neighbours do not run together.
fn put(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}
