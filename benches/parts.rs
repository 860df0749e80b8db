//! The parts that an event passes on its way, each alone, on the account events of the workload; and the compiler.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Bencher, Criterion, Throughput, criterion_group, criterion_main};
use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder};
use tripline::engine::{End, Engine};
use tripline::event::Event;
use tripline::program::Program;
use tripline::ruleset::RuleSet;
use tripline::workload::{RULES, Settings, Workload, filters, hops_from, hops_over, rule_alone};

const EVENTS: usize = 100_000;
const COMPILED_RULES: usize = 1_000;

fn lines() -> Vec<Vec<u8>> {
    lines_of(Settings::default())
}

fn lines_of(settings: Settings) -> Vec<Vec<u8>> {
    let mut workload = Workload::new(settings);
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
    for name in ["country_hop", "failed_burst", "cart_abandoned", "takeover", "spend_velocity", ""] {
        let program = program(if name.is_empty() { RULES.to_owned() } else { rule_alone(name) });
        let events = decoded(&program, &lines);
        let title = if name.is_empty() { "all rules" } else { name };
        group.bench_function(title, |bencher| {
            judge(bencher, &program, &events);
        });
    }
    group.finish();
}

/// Events through a new engine each time.
fn judge(bencher: &mut Bencher<'_>, program: &Arc<Program>, events: &[Event]) {
    bencher.iter_batched(
        || Engine::new(Arc::clone(program)),
        |mut engine| {
            let mut alerts = Vec::new();
            for event in events {
                engine.on_event(event, &mut alerts);
            }
            engine.finish(End::Flush, None, &mut alerts);
            black_box(alerts.len())
        },
        BatchSize::LargeInput,
    );
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

/// What a purchase costs in the country where its user has logged in: the look-up of the key among so many, and one
/// comparison. Throughput is in events.
fn key(criterion: &mut Criterion) {
    let program = program(rule_alone("country_hop"));
    let mut group = criterion.benchmark_group("key");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(20);
    for users in [1_000, 100_000, 1_000_000] {
        let mut engine = Engine::new(Arc::clone(&program));
        let mut alerts = Vec::new();
        let purchases = logged_in(&program, &mut engine, users);
        group.bench_function(format!("{users} users"), |bencher| {
            bencher.iter(|| {
                for purchase in &purchases {
                    engine.on_event(purchase, &mut alerts);
                }
            });
        });
        assert!(alerts.is_empty(), "nobody has travelled");
    }
    group.finish();
}

/// Logs so many users in, all within four minutes, and gives purchases of some of them from the same places.
fn logged_in(program: &Program, engine: &mut Engine, users: u64) -> Vec<Event> {
    let settings = Settings { users, events_per_second: users.div_ceil(240), ..Settings::default() };
    let (mut workload, mut decoder) = (Workload::new(settings), decoder(program));
    let (mut event, mut line, mut alerts) = (Event::default(), Vec::new(), Vec::new());
    let step = (users / EVENTS as u64).max(1);
    let mut purchases: Vec<Event> = Vec::new();
    for user in 0..users {
        line.clear();
        workload.write_login(&mut line);
        decoder.decode(&line, &mut event).expect("the workload is sound");
        engine.on_event(&event, &mut alerts);
        if user % step == 0 {
            let login = String::from_utf8(line.clone()).expect("the workload is sound");
            let purchase = login.replacen(r#""type":"login""#, r#""type":"purchase""#, 1);
            let mut event = Event::default();
            decoder.decode(purchase.as_bytes(), &mut event).expect("the workload is sound");
            purchases.push(event);
        }
    }
    let last_ms = event.time_ms;
    // A prime, so that neighbours in time are none in memory.
    let shuffled = |at: usize| purchases[at * 7_919 % purchases.len()].clone();
    let mut purchases: Vec<Event> = (0..EVENTS).map(shuffled).collect();
    for purchase in &mut purchases {
        purchase.time_ms = last_ms;
    }
    purchases
}

/// What a purchase costs in a window of ten minutes: one comes in, about one goes out. Throughput is in purchases.
fn window(criterion: &mut Criterion) {
    // About ninety purchases of each user stand in a window.
    let few = lines_of(Settings { users: 200, events_per_second: 100, ..Settings::default() });
    let mut group = criterion.benchmark_group("window");
    for aggregate in ["sum(purchase.amount)", "maximum(purchase.amount)", "percentile(99, purchase.amount)"] {
        let rule = format!(
            "rule spent\n  for each user_id\n  on purchase where {aggregate} over 10 minutes > 1000000\n  alert low\n"
        );
        let program = program(format!("{}{rule}", rule_alone("none of them")));
        let mut events = decoded(&program, &few);
        events.retain(|event| !event.values.is_empty());
        group.throughput(Throughput::Elements(events.len() as u64)).sample_size(20);
        group.bench_function(aggregate, |bencher| {
            judge(bencher, &program, &events);
        });
    }
    group.finish();
}

/// Parse, check and compile of many rules. Throughput is in rules.
fn check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    group.throughput(Throughput::Elements(COMPILED_RULES as u64)).sample_size(20);
    for (name, text) in [
        ("1000 filters", filters(COMPILED_RULES)),
        ("1000 variants", hops_from(COMPILED_RULES)),
        ("1000 thresholds", hops_over(COMPILED_RULES)),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| black_box(program(text.clone()))));
    }
    group.finish();
}

criterion_group!(benches, decode, engine, key, window, check);
criterion_main!(benches);
