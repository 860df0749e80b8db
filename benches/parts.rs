//! The parts that an event passes on its way, each alone, on the account events of the workload; and the compiler.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder};
use tripline::engine::{End, Engine};
use tripline::event::Event;
use tripline::program::Program;
use tripline::ruleset::RuleSet;
use tripline::workload::{RULES, Settings, Workload};

const EVENTS: usize = 100_000;
const COMPILED_RULES: usize = 1_000;

fn lines() -> Vec<Vec<u8>> {
    let mut workload = Workload::new(Settings::default());
    let line = |_| {
        let mut line = Vec::new();
        workload.write_line(&mut line);
        line
    };
    (0..EVENTS).map(line).collect()
}

fn program(text: String) -> Arc<Program> {
    let set = RuleSet::from_texts([("bench.rules".to_owned(), text)]);
    set.program().expect("the workload's rules are right")
}

/// The workload's declarations with one of its rules.
fn rule_alone(name: &str) -> String {
    let items = RULES.split_inclusive("\n\n");
    items.filter(|item| !item.starts_with("rule ") || item.starts_with(&format!("rule {name}"))).collect()
}

fn decoder(program: &Program) -> JsonDecoder {
    JsonDecoder::new(program, &FieldNames::default(), DecodeLimits::default())
}

/// Throughput is in events.
fn decode(criterion: &mut Criterion) {
    let lines = lines();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(20);
    let mut decoder = decoder(&program(rule_alone("country_hop")));
    let mut event = Event::default();
    group.bench_function("country_hop", |bencher| {
        bencher.iter(|| {
            for line in &lines {
                decoder.decode(line, &mut event).expect("the workload is sound");
                black_box(&event);
            }
        });
    });
    // A yardstick: the same bytes as a tree, as a program without a filter would read them.
    group.bench_function("serde_json_value", |bencher| {
        bencher.iter(|| {
            for line in &lines {
                black_box(serde_json::from_slice::<serde_json::Value>(line).expect("the workload is sound"));
            }
        });
    });
    group.finish();
}

/// Decoded events through an engine, from an empty state to the end. Throughput is in events.
fn engine(criterion: &mut Criterion) {
    let lines = lines();
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(20);
    for name in ["country_hop", "failed_burst", "cart_abandoned", "takeover", ""] {
        let program = program(if name.is_empty() { RULES.to_owned() } else { rule_alone(name) });
        let events = decoded(&program, &lines);
        let title = if name.is_empty() { "all rules" } else { name };
        group.bench_function(title, |bencher| {
            bencher.iter_batched(
                || Engine::new(Arc::clone(&program)),
                |mut engine| {
                    let mut alerts = Vec::new();
                    for event in &events {
                        engine.on_event(event, &mut alerts);
                    }
                    engine.finish(End::Flush, None, &mut alerts);
                    black_box(alerts.len())
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn decoded(program: &Program, lines: &[Vec<u8>]) -> Vec<Event> {
    let mut decoder = decoder(program);
    let decode = |line: &Vec<u8>| {
        let mut event = Event::default();
        decoder.decode(line, &mut event).expect("the workload is sound");
        event
    };
    lines.iter().map(decode).collect()
}

/// Parse and check of many rules. Throughput is in rules.
fn check(criterion: &mut Criterion) {
    let declarations = rule_alone("none of them");
    let rule = |n: usize| {
        format!(
            "rule hop_{n}\n  for each user_id\n  on every login a where country is not \"C{n}\"\n  \
             then purchase b where country is not a.country and amount > {n}\n  within 5 minutes\n  alert high\n\n"
        )
    };
    let text: String = std::iter::once(declarations).chain((0..COMPILED_RULES).map(rule)).collect();
    let mut group = criterion.benchmark_group("check");
    group.throughput(Throughput::Elements(COMPILED_RULES as u64)).sample_size(20);
    group.bench_function("1000 rules", |bencher| bencher.iter(|| black_box(program(text.clone()))));
    group.finish();
}

criterion_group!(benches, decode, engine, check);
criterion_main!(benches);
