//! What is dropped when too much is open: by key, by rule, and of all keys together. What the limit by key means for
//! alerts is judged by the reference evaluator, in `reference`.

use std::collections::BTreeSet;
use std::sync::Arc;

use tripline::alert::Alert;
use tripline::engine::{End, Engine, Limit, Limits, WhenFull};
use tripline::event::{Event, Position, Value};
use tripline::program::Program;
use tripline::schema::TypeId;

use super::support::program;

const TYPES: &str = "event a user text, n number\nevent b user text, n number\n";

/// One rule for each way of keeping something open; an `a` opens one of each.
const RULES: [(&str, &str); 6] = [
    ("held", "on a where n >= 0 for 1 hour"),
    ("joined", "on each pair of a x, b y where x.n is y.n within 1 hour"),
    ("machine", "on every a x then b then b where n is x.n within 1 hour"),
    ("quiet", "on every a then no b within 1 hour"),
    ("seen", "on session s of a after 1 hour idle"),
    ("two_step", "on every a x then b where n is x.n within 1 hour"),
];

fn text(rules: &[(&str, &str)]) -> String {
    let rule = |(name, body): &(&str, &str)| format!("rule {name} for each user {body} alert low\n");
    TYPES.to_owned() + &rules.iter().map(rule).collect::<String>()
}

/// An `a` or a `b` of a user.
fn event(type_id: u32, time_ms: i64, offset: u64, user: u64, n: f64) -> Event {
    Event {
        type_id: Some(TypeId(type_id)),
        time_ms,
        position: Position { offset, ..Position::default() },
        id: None,
        values: vec![Value::Text(format!("u{user}").as_str().into()), Value::Number(n)],
    }
}

fn limited(program: &Arc<Program>, limits: Limits) -> Engine {
    let mut engine = Engine::new(Arc::clone(program));
    engine.set_limits(limits);
    engine
}

fn dropped(engine: &Engine, limit: Limit) -> Vec<u64> {
    engine.stats().rules.iter().map(|rule| rule.dropped.by(limit)).collect()
}

#[test]
fn a_hot_key_keeps_its_newest_runs_and_few_rows_of_those_that_are_over() {
    // Those that are over would need five times as much.
    let limits = Limits { open_runs_per_key: 4, state_bytes: 100_000, ..Limits::NONE };
    for body in [RULES[2].1, RULES[5].1] {
        let program = program(&text(&[("hot", body)]));
        let mut engine = limited(&program, limits);
        let mut alerts = Vec::new();
        for n in 0..10_000_u32 {
            engine.on_event(&event(0, i64::from(n), u64::from(n), 1, f64::from(n)), &mut alerts);
        }
        assert_eq!((engine.open_runs(), dropped(&engine, Limit::OpenRunsPerKey)), (4, vec![9_996]));
        assert_eq!(dropped(&engine, Limit::StateBytes), [0], "{body}");
        for (at, n) in (9_990..10_000_u32).flat_map(|n| [n, n]).enumerate() {
            engine.on_event(&event(1, 10_000, 10_000 + at as u64, 1, f64::from(n)), &mut alerts);
        }
        let starts: Vec<u64> = alerts.iter().map(|alert| alert.events[0].position.offset).collect();
        assert_eq!((starts, engine.open_runs()), (vec![9_996, 9_997, 9_998, 9_999], 0), "{body}");
    }
}

/// An `a` of each user, all at one time.
fn ten_users(engine: &mut Engine) {
    for user in 0..10 {
        engine.on_event(&event(0, 0, user, user, 0.0), &mut Vec::new());
    }
}

/// The users of whom a rule has something open: those for whom it alerts when what it waits for comes.
fn open_users(mut engine: Engine, rule: &str) -> Vec<u64> {
    engine.set_limits(Limits::NONE);
    let mut alerts = Vec::new();
    let mut offset = 100;
    let mut each = |type_id, time_ms, alerts: &mut Vec<Alert>| {
        for user in 0..10 {
            offset += 1;
            engine.on_event(&event(type_id, time_ms, offset, user, 0.0), alerts);
        }
    };
    match rule {
        "held" => each(0, 3_600_000, &mut alerts),
        "quiet" | "seen" => engine.finish(End::Flush, None, &mut alerts),
        _ => {
            each(1, 1, &mut alerts);
            each(1, 1, &mut alerts);
        }
    }
    let user = |alert: &Alert| match &alert.key[0].1 {
        Value::Text(name) => name[1..].parse().expect("a user's number"),
        other => panic!("{other:?} is no user"),
    };
    let users: BTreeSet<u64> = alerts.iter().map(user).collect();
    users.into_iter().collect()
}

#[test]
fn a_rule_keeps_so_much_of_all_keys() {
    for (when_full, kept) in [(WhenFull::DropOldest, [7, 8, 9]), (WhenFull::DropNew, [0, 1, 2])] {
        for rule in RULES {
            let program = program(&text(&[rule]));
            let mut engine = limited(&program, Limits { open_runs_per_rule: 3, when_full, ..Limits::NONE });
            ten_users(&mut engine);
            assert_eq!(engine.open_runs(), 3, "{rule:?}");
            assert_eq!(dropped(&engine, Limit::OpenRunsPerRule), [7], "{rule:?}");
            assert_eq!(open_users(engine, rule.0), kept, "{rule:?}");
        }
    }
}

#[test]
fn what_has_passed_by_itself_makes_room_and_is_not_dropped() {
    for rule in RULES.into_iter().filter(|(name, _)| *name != "held") {
        let program = program(&text(&[rule]));
        let mut engine = limited(&program, Limits { open_runs_per_rule: 3, ..Limits::NONE });
        for round in 0..5 {
            let time_ms = i64::try_from(round).expect("a small number") * 3_600_001;
            (0..3).for_each(|user| {
                engine.on_event(&event(0, time_ms, round * 3 + user, round * 3 + user, 0.0), &mut Vec::new());
            });
        }
        assert_eq!((engine.open_runs(), dropped(&engine, Limit::OpenRunsPerRule)), (3, vec![0]), "{rule:?}");
    }
}

/// The moment depends on the events: how often the watermark moves changes nothing.
#[test]
fn all_keys_together_keep_so_many_and_it_does_not_matter_how_often_time_moves_on() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNew] {
        let program = program(&text(&RULES));
        let said = |advance_every: u64, limits: Limits| {
            let mut engine = limited(&program, limits);
            let mut alerts = Vec::new();
            let mut most = 0;
            for number in 0..2_000_u64 {
                let (user, time_ms) = (number * 7_919 % 211, i64::try_from(number).expect("small") * 300);
                let type_id = u32::from(number % 5 == 4);
                engine.on_event(&event(type_id, time_ms, number, user, 0.0), &mut alerts);
                if number % advance_every == 0 {
                    engine.advance(time_ms, &mut alerts);
                }
                most = most.max(engine.open_keys());
            }
            engine.finish(End::Flush, None, &mut alerts);
            let ids: Vec<String> = alerts.iter().map(|alert| format!("{:?}", alert.id)).collect();
            (ids, dropped(&engine, Limit::Keys), most)
        };
        let limits = Limits { keys: 120, when_full, ..Limits::NONE };
        let (ids, dropped, most) = said(1, limits);
        assert!(dropped.iter().all(|runs| *runs > 0), "{dropped:?}");
        assert_eq!(said(7, limits), (ids.clone(), dropped.clone(), most));
        assert_eq!(said(5_000, limits).1, dropped);
        let (all, nothing, more) = said(1, Limits::NONE);
        assert!(all.len() > ids.len() && most < more, "{} alerts of {}, {most} keys of {more}", ids.len(), all.len());
        assert_eq!(nothing, [0; RULES.len()]);
    }
}

#[test]
fn all_that_is_open_keeps_to_so_many_bytes() {
    let program = program(&text(&RULES));
    let open = |state_bytes: usize, when_full| {
        let mut engine = limited(&program, Limits { state_bytes, when_full, ..Limits::NONE });
        for number in 0..5_000_u64 {
            let time_ms = i64::try_from(number).expect("small") * 10;
            engine.on_event(&event(0, time_ms, number, number, 0.0), &mut Vec::new());
        }
        (engine.open_runs(), dropped(&engine, Limit::StateBytes))
    };
    let (all, nothing) = open(usize::MAX, WhenFull::DropOldest);
    assert_eq!((all, nothing), (30_000, vec![0; RULES.len()]));
    // Something like a hundred bytes for each that is open.
    for when_full in [WhenFull::DropOldest, WhenFull::DropNew] {
        let (few, dropped) = open(300_000, when_full);
        assert!((1_000..6_000).contains(&few), "{few} are open");
        assert!(dropped.iter().all(|runs| *runs > 0), "{dropped:?}");
        let (more, _) = open(1_200_000, when_full);
        assert!(more > 2 * few, "{more} are open, and {few} with a quarter of the room");
    }
}

#[test]
fn windows_count_in_the_sum_and_stay() {
    let rules = "event a user text\nrule many for each user on a where count(a) over 1 hour > 100 alert low\n\
                 rule ab for each user on every a then a within 1 hour alert low\n";
    let program = program(rules);
    let mut engine = limited(&program, Limits { state_bytes: 1 << 20, ..Limits::NONE });
    for number in 0..20_000_u32 {
        let values = vec![Value::Text(format!("u{number}").as_str().into())];
        let position = Position { offset: u64::from(number), ..Position::default() };
        let event = Event { type_id: Some(TypeId(0)), time_ms: i64::from(number), position, id: None, values };
        engine.on_event(&event, &mut Vec::new());
    }
    assert_eq!(engine.remembered(), 20_000);
    let counts = dropped(&engine, Limit::StateBytes);
    assert!(counts[0] > 10_000 && counts[1] == 0, "{counts:?}");
}
