//! Measures: which windows there are, what lies in them, and what is emitted of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tripline::alert::{Alert, AlertRecord};
use tripline::engine::{AlertOrder, End, Engine};
use tripline::event::{Event, Position, Value};
use tripline::program::Program;
use tripline::schema::TypeId;

use super::support::program;

const EVENTS: &str = "event sale shop text, amount number, units integer\nevent refund shop text, amount number\n";

fn measure(text: &str) -> std::sync::Arc<Program> {
    program(&format!("{EVENTS}{text}"))
}

/// An event whose fields are given in the order in which the measure reads them.
fn event(type_id: u32, time_ms: i64, values: &[Value]) -> Event {
    Event { type_id: Some(TypeId(type_id)), time_ms, values: values.to_vec(), ..Event::default() }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// What comes of events in order of time, in order.
fn run(program: &std::sync::Arc<Program>, events: &[Event], end: End) -> Vec<Alert> {
    run_sharded(program, events, end, 1)
}

fn run_sharded(program: &std::sync::Arc<Program>, events: &[Event], end: End, shards: usize) -> Vec<Alert> {
    let mut order = AlertOrder::default();
    for mut engine in Engine::sharded(program, shards) {
        let mut alerts = Vec::new();
        for (offset, event) in (0..).zip(events) {
            let position = Position { offset, ..Position::default() };
            engine.on_event(&Event { position, ..event.clone() }, &mut alerts);
        }
        engine.finish(end, events.last().map(|event| event.time_ms), &mut alerts);
        order.extend(alerts);
    }
    order.finish()
}

/// `key [start, end) at time: values`
fn told(alerts: &[Alert]) -> Vec<String> {
    let one = |alert: &Alert| {
        let record = serde_json::to_value(AlertRecord::new(alert, &[])).expect("plain data");
        let ms =
            |text: &Json| text.as_str().expect("text").parse::<jiff::Timestamp>().expect("a time").as_millisecond();
        let keys: Vec<String> = record["key"]
            .as_object()
            .expect("an object")
            .values()
            .map(|key| key.as_str().unwrap_or("?").to_owned())
            .collect();
        let (start, end, time) = (ms(&record["window"]["start"]), ms(&record["window"]["end"]), ms(&record["time"]));
        format!("{} {start}..{end} at {time}: {}", keys.join(","), record["values"])
    };
    alerts.iter().map(one).collect()
}

#[test]
fn windows_are_aligned_to_the_epoch_also_before_it() {
    let program = measure("measure m on sale over 10 s every 10 s emit count() as n");
    let events = [event(0, -1, &[]), event(0, 0, &[]), event(0, 9_999, &[]), event(0, 10_000, &[])];
    assert_eq!(
        told(&run(&program, &events, End::Flush)),
        [r#" -10000..0 at 0: {"n":1}"#, r#" 0..10000 at 10000: {"n":2}"#, r#" 10000..20000 at 20000: {"n":1}"#]
    );
    // The input is complete up to its last event: what ends there is emitted, what ends later is not.
    assert_eq!(run(&program, &events, End::LastEvent).len(), 2);
}

#[test]
fn a_window_is_emitted_when_the_watermark_has_passed_its_end() {
    let program = measure("measure m on sale over 10 s every 10 s emit count() as n");
    let mut engine = Engine::new(program);
    let mut alerts = Vec::new();
    engine.on_event(&event(0, 1, &[]), &mut alerts);
    engine.advance(10_000, &mut alerts);
    assert_eq!((alerts.len(), engine.remembered()), (0, 1));
    engine.advance(10_001, &mut alerts);
    assert_eq!((alerts.len(), engine.remembered()), (1, 0));
    assert_eq!(engine.stats().measures[0].emitted, 1);
}

#[test]
fn a_session_closes_after_a_silence_or_when_it_has_lasted_too_long() {
    let program = measure("measure m for each shop on sale after 10 s idle at most 15 s emit count() as n");
    let events: Vec<Event> = [0, 8_000, 15_000, 15_001, 40_000].map(|ms| event(0, ms, &[text("a")])).into();
    assert_eq!(
        told(&run(&program, &events, End::Flush)),
        [
            r#"a 0..15000 at 15000: {"n":3}"#,
            r#"a 15001..15001 at 25001: {"n":1}"#,
            r#"a 40000..40000 at 50000: {"n":1}"#
        ]
    );
}

#[test]
fn over_the_last_n_each_event_emits_and_events_of_all_types_count() {
    let program = measure(
        "measure m for each shop on sale or refund over the last 3\n\
         emit count() as n, count(refund) as refunds, sum(sale.amount where amount > 1) as large",
    );
    let sale = |ms, amount: f64| event(0, ms, &[text("a"), Value::Number(amount)]);
    let events = [sale(1, 5.0), sale(2, 1.0), event(1, 2, &[text("a")]), event(1, 4, &[text("a")])];
    assert_eq!(
        told(&run(&program, &events, End::LastEvent)),
        [
            r#"a 1..1 at 1: {"large":5.0,"n":1,"refunds":0}"#,
            r#"a 1..2 at 2: {"large":5.0,"n":2,"refunds":0}"#,
            r#"a 1..2 at 2: {"large":5.0,"n":3,"refunds":1}"#,
            r#"a 2..4 at 4: {"n":3,"refunds":2}"#,
        ]
    );
}

#[test]
fn the_top_keys_are_ranked_with_ties_by_key_and_missing_ones_last() {
    let program =
        measure("measure m for each shop on sale over 10 s every 10 s emit sum(amount) as total top 4 by total");
    let sale = |shop, amount: Option<f64>| event(0, 1, &[text(shop), amount.map_or(Value::Missing, Value::Number)]);
    let events = [
        sale("c", Some(2.0)),
        sale("x", None),
        sale("b", Some(2.0)),
        sale("a", None),
        sale("d", Some(7.0)),
        sale("e", Some(-1.0)),
    ];
    let top = [
        r#"d 0..10000 at 10000: {"rank":1,"total":7.0}"#,
        r#"b 0..10000 at 10000: {"rank":2,"total":2.0}"#,
        r#"c 0..10000 at 10000: {"rank":3,"total":2.0}"#,
        r#"e 0..10000 at 10000: {"rank":4,"total":-1.0}"#,
    ];
    assert_eq!(told(&run(&program, &events, End::Flush)), top);
    // All keys are in one place, however many shards there are.
    assert_eq!(told(&run_sharded(&program, &events, End::Flush, 3)), top);
}

#[test]
fn alerts_of_rules_can_be_measured() {
    let program = measure(
        "rule large for each shop on sale where amount > 100 alert high\n\
         rule quiet for each shop on sale then no sale within 5 s alert low\n\
         measure m on large or quiet over 10 s every 10 s emit count(large) as large, count(quiet) as quiet",
    );
    let sale = |ms, shop, amount| event(0, ms, &[Value::Number(amount), text(shop)]);
    let slots: Vec<String> = {
        let plan = &program.types[0];
        plan.fields.iter().map(|field| program.schema.types[0].fields[*field].dotted()).collect()
    };
    let sale = |ms, shop, amount| {
        let mut event = sale(ms, shop, amount);
        if slots[0] == "shop" {
            event.values.reverse();
        }
        event
    };
    // A wait that is over at the very end of a window belongs to the next one.
    let events = [sale(0, "a", 500.0), sale(5_000, "b", 200.0), sale(30_000, "c", 1.0)];
    for shards in [1, 3] {
        let alerts = run_sharded(&program, &events, End::LastEvent, shards);
        let measured: Vec<Alert> = alerts.into_iter().filter(Alert::is_measure).collect();
        assert_eq!(
            told(&measured),
            [r#" 0..10000 at 10000: {"large":2,"quiet":1}"#, r#" 10000..20000 at 20000: {"large":0,"quiet":1}"#]
        );
    }
}

#[test]
fn what_is_filtered_can_depend_on_the_keys_past() {
    let program = measure(
        "measure m for each shop on sale where amount is new over 1 hour over 10 s every 10 s emit count() as different",
    );
    let sale = |ms, amount| event(0, ms, &[text("a"), Value::Number(amount)]);
    let first_is_shop = program.schema.types[0].fields[program.types[0].fields[0]].dotted() == "shop";
    let events = [sale(0, 1.0), sale(1, 1.0), sale(2, 2.0), sale(10_001, 1.0)].map(|mut event| {
        if !first_is_shop {
            event.values.reverse();
        }
        event
    });
    assert_eq!(told(&run(&program, &events, End::Flush)), [r#"a 0..10000 at 10000: {"different":2}"#]);
}

#[test]
fn on_the_wire_it_has_its_window_and_no_events() {
    let program = measure(
        "measure m \"Sold and returned\" for each shop on sale or refund over 10 s every 10 s\n\
         emit count(refund) / count(sale) as returned, sum(sale.amount) as sold to office",
    );
    let events = [event(1, 1, &[text("a")])];
    let alerts = run(&program, &events, End::Flush);
    let record = AlertRecord::new(&alerts[0], &[]);
    assert_eq!((record.is_for("office"), record.is_for("fraud_desk")), (true, false));
    let mut json = serde_json::to_value(&record).expect("plain data");
    let (id, version) = (json["alert_id"].take(), json["version"].take());
    assert_eq!((id.as_str().map(str::len), version.as_str().map(str::len)), (Some(32), Some(16)));
    let expected = json!({
        "alert_id": null, "rule": "m", "version": null, "kind": "measure", "severity": "info", "key": {"shop": "a"},
        "time": "1970-01-01T00:00:10.000Z", "started": "1970-01-01T00:00:00.000Z",
        "window": {"start": "1970-01-01T00:00:00.000Z", "end": "1970-01-01T00:00:10.000Z"},
        "message": "Sold and returned", "tags": [], "to": ["office"], "events": [], "values": {},
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<AlertRecord>(&record.to_json()).expect("our own form"), record);
}

#[test]
fn the_id_is_of_the_window_and_not_of_what_is_emitted() {
    let ids = |text: &str| {
        let events = [event(0, 1, &[self::text("a")]), event(0, 20_000, &[self::text("a")])];
        run(&measure(text), &events, End::Flush).iter().map(|alert| alert.id).collect::<Vec<_>>()
    };
    let first = ids("measure m for each shop on sale over 10 s every 10 s emit count() as n");
    assert_ne!(first[0], first[1]);
    assert_eq!(
        first,
        ids("measure m \"Words\" for each shop on sale over 10 s every 10 s emit count() as orders to x")
    );
    assert_ne!(first, ids("measure m for each shop on sale over 20 s every 10 s emit count() as n"));
}

/// What a window over all sales says of a key: the sum, the count, the different amounts, the first and the last.
type Row = (f64, i64, usize, f64, f64);

/// Computed for each window and key from the list of all sales.
fn naive(sales: &[(i64, u8, i8)], over_ms: i64, every_ms: i64) -> BTreeMap<(i64, String), Row> {
    let mut rows = BTreeMap::new();
    let ends: BTreeSet<i64> = sales
        .iter()
        .flat_map(|(time_ms, ..)| {
            let first = time_ms.div_euclid(every_ms) * every_ms + every_ms;
            (0..over_ms / every_ms).map(move |at| first + at * every_ms)
        })
        .collect();
    for end_ms in ends {
        for shop in 0..4 {
            let inside: Vec<f64> = sales
                .iter()
                .filter(|(time_ms, of, _)| *of == shop && (end_ms - over_ms..end_ms).contains(time_ms))
                .map(|(_, _, amount)| f64::from(*amount) / 4.0)
                .collect();
            let different: BTreeSet<u64> = inside.iter().map(|n| n.to_bits()).collect();
            if let (Some(first), Some(last)) = (inside.first(), inside.last()) {
                let count = i64::try_from(inside.len()).expect("few");
                rows.insert((end_ms, shop.to_string()), (inside.iter().sum(), count, different.len(), *first, *last));
            }
        }
    }
    rows
}

proptest! {
    #[test]
    fn a_window_is_what_it_would_be_if_it_were_computed_alone(
        sales in prop::collection::vec((0_i64..400, 0_u8..4, -8_i8..8), 0..60),
        every_ms in 1_i64..50, panes in 1_i64..8, shards in 1_usize..4,
    ) {
        let over_ms = every_ms * panes;
        let program = measure(&format!(
            "measure m for each shop on sale over {over_ms} ms every {every_ms} ms emit sum(amount) as total, \
             count() as n, distinct(amount) as different, first(amount) as one, last(amount) as other"
        ));
        let mut sales: Vec<(i64, u8, i8)> = sales;
        sales.iter_mut().fold(0, |time_ms, sale| {
            sale.0 = if sale.0 > 300 { time_ms + sale.0 } else { time_ms + sale.0 % 20 };
            sale.0
        });
        let sale = |(time_ms, shop, amount): &(i64, u8, i8)| {
            event(0, *time_ms, &[text(&shop.to_string()), Value::Number(f64::from(*amount) / 4.0)])
        };
        let events: Vec<Event> = sales.iter().map(sale).collect();
        let alerts = run_sharded(&program, &events, End::Flush, shards);
        let number = |alert: &Alert, at: usize| match alert.values[at].1 {
            Value::Number(n) => n,
            Value::Integer(n) => n as f64,
            _ => f64::NAN,
        };
        let mut rows = BTreeMap::new();
        for alert in &alerts {
            let Value::Text(shop) = &alert.key[0].1 else { panic!("a shop") };
            let figures: Vec<f64> = (0..5).map(|at| number(alert, at)).collect();
            rows.insert((alert.time_ms, shop.to_string()), figures);
        }
        prop_assert_eq!(rows.len(), alerts.len(), "one row a key and window");
        let expected: BTreeMap<(i64, String), Vec<f64>> = naive(&sales, over_ms, every_ms)
            .into_iter()
            .map(|(at, (sum, count, different, first, last))| (at, vec![sum, count as f64, different as f64, first, last]))
            .collect();
        prop_assert_eq!(rows, expected);
    }
}
