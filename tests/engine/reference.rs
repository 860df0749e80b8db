//! The engine against the reference evaluator: generated rules over generated streams, through every way of running.

use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value as Json, json};
use tripline::alert::{Alert, AlertRecord};
use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder, TypeSource};
use tripline::engine::{AlertOrder, End, Engine, InputSettings, Stream};
use tripline::event::Event;
use tripline::lang;
use tripline::program::Program;
use tripline::testing::generate::{Case, Tally, case};
use tripline::testing::oracle::{self, Match, TestEvent};

/// How many cases a run judges; more by `TRIPLINE_CASES`.
const CASES: usize = 2_000;
/// An alert carries this many events from each end of an `N or more` step.
const EVENTS_AT_EACH_END: usize = 20;

#[test]
fn the_engine_says_what_the_reference_says() {
    let cases = std::env::var("TRIPLINE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    let mut tally = Tally::default();
    let strategy = case();
    let seed: u64 = std::env::var("TRIPLINE_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    for number in 0..cases {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&(number as u64).to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut tree = strategy.new_tree(&mut runner).expect("the generator makes a case");
        let case = tree.current();
        let Ok(alerts) = judge(&case) else {
            let failure = judge(&shrink(&mut tree)).expect_err("a shrunk case still fails");
            panic!("case {number} of seed {seed}:\n{failure}");
        };
        tally.add(&case, alerts);
    }
    assert!(tally.share_alerting() >= 0.3, "only {:.0} % of the cases alert", tally.share_alerting() * 100.0);
    assert_eq!(tally.absent(), Vec::<&str>::new(), "constructs that no case had");
}

fn shrink(tree: &mut impl ValueTree<Value = Case>) -> Case {
    for _ in 0..2_000 {
        let moved = if judge(&tree.current()).is_err() { tree.simplify() } else { tree.complicate() };
        if !moved {
            break;
        }
    }
    while judge(&tree.current()).is_ok() && tree.complicate() {}
    tree.current()
}

/// Runs a case in every way and compares. Gives the number of alerts, or what differs.
fn judge(case: &Case) -> Result<usize, String> {
    let files = std::slice::from_ref(&case.file);
    let checked = lang::check(files);
    if !checked.is_ok() {
        return Err(format!("{case:?}\nrefused: {:#?}", checked.diagnostics));
    }
    let program = Arc::new(checked.program);
    let mut count = 0;
    for (end, oracle_end) in [(End::LastEvent, oracle::End::LastEvent), (End::Flush, oracle::End::Flush)] {
        let expected: Vec<Said> = oracle::evaluate(files, &case.events, oracle_end)
            .iter()
            .map(|said| Said::expected(said, &program))
            .collect();
        let one = run(&program, &case.events, end, 1);
        for (way, alerts) in [("stream", &run_stream(&program, &case.events, end)), ("1 shard", &one)] {
            let said: Vec<Said> = alerts.iter().map(Said::of).collect();
            if said != expected {
                return Err(report(case, way, &expected, &said));
            }
        }
        for shards in [2, 4] {
            let many = run(&program, &case.events, end, shards);
            let lines = |alerts: &[Alert]| -> Vec<String> {
                alerts.iter().map(|alert| AlertRecord::new(alert, &[]).to_json()).collect()
            };
            if lines(&many) != lines(&one) {
                return Err(format!("{case:?}\n{shards} shards differ from one"));
            }
        }
        count = count.max(expected.len());
    }
    Ok(count)
}

fn report(case: &Case, way: &str, expected: &[Said], said: &[Said]) -> String {
    format!("{case:?}\n{way} differs from the reference\nreference: {expected:#?}\nengine: {said:#?}")
}

/// What an alert says, in a form that both sides can be brought to.
#[derive(Debug, PartialEq)]
struct Said {
    rule: String,
    key: Json,
    time_ms: i64,
    started_ms: i64,
    events: Vec<(String, u64)>,
    suppressed: u64,
}

impl Said {
    fn of(alert: &Alert) -> Said {
        let record = AlertRecord::new(alert, &[]);
        Said {
            rule: record.rule,
            key: Json::Object(record.key),
            time_ms: alert.time_ms,
            started_ms: alert.started_ms,
            events: alert.events.iter().map(|event| (event.step.to_string(), event.position.offset)).collect(),
            suppressed: alert.suppressed,
        }
    }

    fn expected(said: &Match, program: &Program) -> Said {
        let rule = program.rule(&said.rule).expect("the reference names a rule");
        let mut events = Vec::new();
        for step in &rule.steps {
            let taken: Vec<_> = said.events.iter().filter(|(label, _)| *label == *step.label).collect();
            let last = taken.len().saturating_sub(EVENTS_AT_EACH_END);
            let kept = |at: usize| !step.or_more || at < EVENTS_AT_EACH_END || at >= last;
            events.extend(
                taken
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| kept(*at))
                    .map(|(_, (label, at))| (label.clone(), *at as u64)),
            );
        }
        Said {
            rule: said.rule.clone(),
            key: Json::Object(said.key.iter().cloned().collect::<Map<_, _>>()),
            time_ms: said.time_ms,
            started_ms: said.started_ms,
            events,
            suppressed: said.suppressed_before,
        }
    }
}

/// The events as a source would give them: decoded from JSON, numbered by their place.
fn decoded(program: &Program, events: &[TestEvent]) -> Vec<Event> {
    let names = FieldNames {
        event_type: TypeSource::Fields(vec!["@type".to_owned()]),
        time: vec!["@time".to_owned()],
        id: vec!["@id".to_owned()],
    };
    let mut decoder = JsonDecoder::new(program, &names, DecodeLimits::default());
    let mut decode = |(at, event): (usize, &TestEvent)| {
        let mut body = event.body.as_object().cloned().unwrap_or_default();
        body.insert("@type".to_owned(), json!(event.event_type));
        body.insert("@time".to_owned(), json!(event.time_ms));
        if let Some(id) = &event.id {
            body.insert("@id".to_owned(), json!(id));
        }
        let mut decoded = Event::default();
        decoder.decode(Json::Object(body).to_string().as_bytes(), &mut decoded).expect("a generated event decodes");
        decoded.position.offset = at as u64;
        decoded
    };
    events.iter().enumerate().map(&mut decode).collect()
}

fn run_stream(program: &Arc<Program>, events: &[TestEvent], end: End) -> Vec<Alert> {
    let mut stream = Stream::new(Arc::clone(program), &[InputSettings::default()]);
    let mut alerts = Vec::new();
    for (at, mut event) in decoded(program, events).into_iter().enumerate() {
        stream.push(0, &mut event, &mut alerts);
        if at % 7 == 0 {
            stream.release(&mut alerts);
        }
    }
    stream.finish(end, &mut alerts);
    let mut order = AlertOrder::default();
    order.extend(alerts);
    order.finish()
}

fn run(program: &Arc<Program>, events: &[TestEvent], end: End, shards: usize) -> Vec<Alert> {
    let events = decoded(program, events);
    let last_ms = events.iter().map(|event| event.time_ms).max();
    let mut order = AlertOrder::default();
    for mut engine in Engine::sharded(program, shards) {
        let mut alerts = Vec::new();
        for event in &events {
            engine.on_event(event, &mut alerts);
        }
        engine.finish(end, last_ms, &mut alerts);
        order.extend(alerts);
    }
    order.finish()
}
