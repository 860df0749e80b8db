//! From a completed run to an alert: its id, its message, its evidence.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::alert::{self, Alert, AlertEvent, AlertId, Kind};
use crate::engine::completed::Completed;
use crate::engine::eval::{self, Context};
use crate::engine::record::Taken;
use crate::event::{EventId, Key, Position, Value};
use crate::program::{Program, Shown, Step, StepId};

/// Of an `N or more` step an alert carries this many events from its beginning and as many from its end.
pub(super) const EVENTS_AT_EACH_END: usize = 20;

/// The alert of a completed run.
pub(super) fn alert(program: &Program, sources: &[String], key: &[u8], completed: &Completed<'_>) -> Alert {
    let rule = completed.rule;
    let key = Key::from_bytes(key);
    let parts = key.parts();
    let context = completed.context(&parts);
    let names = program.keys[rule.key.index()].parts.iter().cloned();
    Alert {
        id: id(completed, sources, key.as_bytes()),
        kind: Kind::Alert,
        rule_name: Arc::clone(&rule.name),
        version: Arc::clone(&rule.version),
        severity: rule.alert.severity,
        score: rule.alert.score,
        message: alert::render(&rule.alert.message, |expr| eval::value(expr, context).into_owned()),
        key: names.zip(parts.iter().cloned()).collect(),
        time_ms: completed.time_ms,
        started_ms: completed.trail.start_ms(),
        tags: Arc::clone(&rule.alert.tags),
        targets: Arc::clone(&rule.alert.targets),
        events: evidence(program, &parts, completed),
        values: counts(completed).chain(values(completed, context)).collect(),
        suppressed: 0,
    }
}

/// The matched events that the alert carries: of an `N or more` step the first and the last ones.
fn evidence(program: &Program, key: &[Value], completed: &Completed<'_>) -> Vec<AlertEvent> {
    let steps = &completed.rule.steps;
    let mut seen = vec![0; steps.len()];
    let kept = |taken: Taken<'_>| {
        let id = taken.step;
        let step = &steps[id.index()];
        let at = seen[id.index()];
        seen[id.index()] += 1;
        let last = completed.trail.count_of(id).saturating_sub(EVENTS_AT_EACH_END);
        (!step.or_more || at < EVENTS_AT_EACH_END || at >= last).then(|| event(program, key, step, taken))
    };
    completed.events().into_iter().filter_map(kept).collect()
}

fn event(program: &Program, key: &[Value], step: &Step, taken: Taken<'_>) -> AlertEvent {
    let (mut fields, mut whole) = (Vec::new(), None);
    for (capture, value) in step.captures.iter().zip(taken.values()) {
        match (capture.shown, value) {
            (Shown::Field, value) => fields.push((Arc::clone(&capture.path), value)),
            (Shown::Whole, Value::Text(text)) => whole = Some(text),
            (Shown::Whole | Shown::Nowhere, _) => {}
        }
    }
    let of_key = |(path, part): &(Arc<str>, u16)| (Arc::clone(path), key[usize::from(*part)].clone());
    fields.extend(step.keyed.iter().map(of_key));
    AlertEvent {
        step: Arc::clone(&step.label),
        type_id: taken.type_id(),
        type_name: Arc::from(program.schema.get(taken.type_id()).name.as_str()),
        id: taken.id().map(EventId::from),
        time_ms: taken.time_ms(),
        position: taken.position(),
        fields,
        whole,
    }
}

/// The counts of `N or more` steps, whose events are not all carried.
fn counts(completed: &Completed<'_>) -> impl Iterator<Item = (String, Value)> {
    let steps = (0..).map(StepId).zip(&completed.rule.steps).filter(|(_, step)| step.or_more);
    steps.filter_map(|(id, step)| {
        let count = i64::try_from(completed.trail.count_of(id)).ok()?;
        Some((format!("count({})", step.label), Value::Integer(count)))
    })
}

/// The aggregates that decided.
fn values(completed: &Completed<'_>, context: Context<'_>) -> impl Iterator<Item = (String, Value)> {
    completed
        .rule
        .alert
        .values
        .iter()
        .map(move |(name, expr)| (name.to_string(), eval::value(expr, context).into_owned()))
}

/// What decides the match, the key, and the ids (or source positions) and times of the matched events, hashed.
fn id(completed: &Completed<'_>, sources: &[String], key: &[u8]) -> AlertId {
    let mut hash = Sha256::new();
    hash.update(completed.rule.match_hash);
    put(&mut hash, key);
    hash.update(completed.time_ms.to_be_bytes());
    for taken in completed.events() {
        hash.update(taken.time_ms().to_be_bytes());
        put_event(&mut hash, sources, taken.id(), taken.position());
    }
    first_half(hash)
}

/// What tells an event from others: its id, or else its place in its source.
pub(super) fn put_event(hash: &mut Sha256, sources: &[String], id: Option<&str>, position: Position) {
    if let Some(id) = id {
        hash.update([1]);
        put(hash, id.as_bytes());
    } else {
        hash.update([0]);
        put(hash, sources.get(usize::from(position.source.0)).map_or(b"", |name| name.as_bytes()));
        hash.update(position.partition.to_be_bytes());
        hash.update(position.offset.to_be_bytes());
    }
}

/// The id that a hash gives.
pub(super) fn first_half(hash: Sha256) -> AlertId {
    let digest: [u8; 32] = hash.finalize().into();
    let (id, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    AlertId(*id)
}

/// Bytes with their length before them, so that neighbours do not run together.
pub(super) fn put(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}
