//! Risks: the sum of the scores of an entity's alerts (section 4 of the language's definition).

use super::expression::Scope;
use super::judge::{Sent, named_key, same_key, suppress};
use super::stream::Source;
use super::value::Val;
use super::world::World;
use super::{Match, aggregate};
use crate::lang::ast::{KeyPart, Number, Risk, Rule};

/// An alert with a score, by its index in the stream.
struct Scored<'a> {
    event: usize,
    score: Val,
    sent: &'a Sent,
}

/// "The sum of the scores of sent alerts of rules with the same `for each`, in (t - D, t], judged at each such alert."
pub(super) fn alerts(world: &World, risk: &Risk, sent: &[(&Rule, Sent)]) -> Vec<Match> {
    let mut scored: Vec<Scored> = sent.iter().filter_map(|(rule, sent)| scored(world, risk, rule, sent)).collect();
    scored.sort_by_key(|scored| scored.event);
    let mut keys: Vec<Vec<&Scored>> = Vec::new();
    for one in &scored {
        match keys.iter_mut().find(|of_key| same_key(&of_key[0].sent.key, &one.sent.key)) {
            Some(of_key) => of_key.push(one),
            None => keys.push(vec![one]),
        }
    }
    keys.iter().flat_map(|of_key| suppress(&risk.alert, of_one_key(world, risk, of_key), |said| said)).collect()
}

fn scored<'a>(world: &World, risk: &Risk, rule: &Rule, sent: &'a Sent) -> Option<Scored<'a>> {
    let score = match rule.alert.score.as_ref()?.node {
        Number::Integer(score) => Val::Integer(score),
        Number::Float(score) => Val::Number(score),
    };
    // As written, by names: what a part is called in one type makes no difference.
    let names = |keys: &[KeyPart]| -> Vec<String> { keys.iter().map(|part| part.path.dotted()).collect() };
    let event = world.stream.iter().position(|occurrence| occurrence.order == sent.order);
    let event = event.expect("every alert is in the stream");
    (names(&risk.keys) == names(&rule.keys)).then_some(Scored { event, score, sent })
}

fn of_one_key(world: &World, risk: &Risk, scored: &[&Scored]) -> Vec<Match> {
    let mut found = Vec::new();
    for (at, now) in scored.iter().enumerate() {
        let after = world.time(now.event).saturating_sub(risk.over.node.ms);
        let in_window = scored[..=at].iter().filter(|scored| world.time(scored.event) > after);
        let total = aggregate::sum(&in_window.map(|scored| scored.score.clone()).collect::<Vec<_>>());
        let mut known = vec![("total".to_owned(), total.clone())];
        known.extend(risk.keys.iter().zip(&now.sent.key).map(|(part, value)| (part.path.dotted(), value.clone())));
        let scope = Scope { known: &known, ..Scope::of(world, now.event, &[]) };
        if scope.value(&risk.condition).holds() {
            found.push(alert(world, risk, now, &total));
        }
    }
    found
}

/// Its event is the alert at hand.
fn alert(world: &World, risk: &Risk, now: &Scored, total: &Val) -> Match {
    let said = &now.sent.said;
    let last = world.stream[now.event].source.event();
    let source = Source::Alert { rule: said.rule.clone(), time_ms: said.time_ms, last };
    Match {
        rule: risk.name.node.clone(),
        key: named_key(&risk.keys, &now.sent.key),
        time_ms: said.time_ms,
        started_ms: said.time_ms,
        events: vec![("1".to_owned(), source)],
        window: None,
        values: vec![("total".to_owned(), total.to_json())],
        suppressed_before: 0,
    }
}
