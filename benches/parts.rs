//! The parts that an event passes on its way, each alone, on the account events of the workload.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder};
use tripline::event::Event;
use tripline::program::{Program, TypePlan};
use tripline::schema::{EventType, Field, Kind, Schema};
use tripline::workload::{Settings, Workload};

const EVENTS: usize = 10_000;

fn workload() -> Vec<u8> {
    let mut workload = Workload::new(Settings::default());
    let mut out = Vec::new();
    for _ in 0..EVENTS {
        workload.write_line(&mut out);
    }
    out
}

/// What the rule `country_hop` reads.
fn country_hop() -> Program {
    let field = |name: &str| Field { path: vec![name.to_owned()], kind: Kind::Text };
    let event_type = |name: &str| EventType { name: name.to_owned(), fields: vec![field("user_id"), field("country")] };
    let plan = TypePlan { fields: vec![0, 1], ..TypePlan::default() };
    Program {
        schema: Schema { types: vec![event_type("login"), event_type("purchase")] },
        types: vec![plan.clone(), plan],
        ..Program::default()
    }
}

/// Time per event is the time shown divided by [`EVENTS`]; the throughput is in events.
fn decode(criterion: &mut Criterion) {
    let bytes = workload();
    let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(lines.len() as u64));
    let mut decoder = JsonDecoder::new(&country_hop(), &FieldNames::default(), DecodeLimits::default());
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

fn workload_lines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("workload");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("write_line", |bencher| bencher.iter_batched(|| (), |()| workload(), BatchSize::LargeInput));
    group.finish();
}

criterion_group!(benches, decode, workload_lines);
criterion_main!(benches);
