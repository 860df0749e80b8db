//! Saved states: those of older versions are taken up, and bytes that are no state are refused.
//!
//! `tests/engine/saved/vN.state` is what version N wrote in the middle of the events here. A new version adds its own
//! (`TRIPLINE_UPDATE=1`) and leaves the old ones as they are.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use tripline::alert::{Alert, AlertRecord};
use tripline::engine::{DropDuplicates, InputSettings, LatePolicy, Limits, STATE_VERSION, Stream};
use tripline::event::Event;
use tripline::program::Program;

use super::support::{decode, program};

/// The oldest version whose states are still taken up.
const OLDEST: u16 = 1;
const EVENTS: usize = 240;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/engine/saved")
}

fn all_rules() -> Arc<Program> {
    program(&std::fs::read_to_string(folder().join("all.rules")).expect("it is there"))
}

/// Events of all types, often of the same keys, minutes apart and a little out of order.
fn events(program: &Program) -> Vec<Event> {
    let mut lines = String::new();
    for at in 0..EVENTS {
        let (user, country) = (at / 3 % 5, ["DE", "FR", "US"][at * at / 3 % 3]);
        let time_ms = 1_700_000_000_000_i64 + i64::try_from(at * 150_000 + (at * 37 % 7) * 90_000).expect("small");
        let ok = at % 4 == 0;
        let body = match at * 13 % 5 {
            0 | 1 => format!(r#""type":"login","user_id":"u{user}","country":"{country}","ok":{ok}"#),
            2 | 3 => {
                let amount = f64::from(u32::try_from(at * 17 % 50).expect("small")) + 0.1;
                format!(r#""type":"purchase","user_id":"u{user}","country":"{country}","amount":{amount}"#)
            }
            _ => format!(r#""type":"reading","sensor_id":"s{}","temperature":{}"#, at % 2, 85 + at % 9),
        };
        writeln!(lines, r#"{{{body},"ts":{time_ms},"event_id":"e{at}"}}"#).expect("a string takes it");
    }
    decode(program, &lines)
}

fn stream(program: &Arc<Program>) -> Stream {
    let duplicates = Some(DropDuplicates { window_ms: 3_600_000, ids_max: 1_000 });
    let settings = InputSettings { lateness_ms: 600_000, late: LatePolicy::Process, duplicates };
    let mut stream = Stream::new(Arc::clone(program), &[settings]);
    stream.name_sources(Arc::from(["events".to_owned()]));
    stream.set_limits(Limits { open_runs_per_key: 100, keys: 1_000, ..Limits::default() });
    stream
}

fn push(stream: &mut Stream, events: &[Event]) -> Vec<String> {
    let mut alerts: Vec<Alert> = Vec::new();
    for event in events {
        stream.push(0, &mut event.clone(), &mut alerts);
        stream.release(&mut alerts);
    }
    alerts.iter().map(|alert| AlertRecord::new(alert, &["events".to_owned()]).to_json()).collect()
}

/// What was saved in the middle, and what comes after it.
fn saved(program: &Arc<Program>, events: &[Event]) -> (Vec<u8>, Vec<String>) {
    let mut whole = stream(program);
    let before = push(&mut whole, &events[..EVENTS / 2]);
    assert!(before.len() > 50, "there are alerts before: {}", before.len());
    let mut state = Vec::new();
    whole.save(&mut state);
    (state, push(&mut whole, &events[EVENTS / 2..]))
}

#[test]
fn states_of_older_versions_are_taken_up() {
    let program = all_rules();
    let events = events(&program);
    let (state, expected) = saved(&program, &events);
    let path = |version: u16| folder().join(format!("v{version}.state"));
    if std::env::var_os("TRIPLINE_UPDATE").is_some() && !path(STATE_VERSION).exists() {
        std::fs::write(path(STATE_VERSION), state).expect("it can be written");
    }
    for kind in
        ["hop", "burst", "unused", "both", "pairs", "visit", "hot", "spends", "total_risk", "by_hour", "last_two"]
    {
        let named = format!("\"{kind}\"");
        assert!(expected.iter().any(|alert| alert.contains(&named)), "no alert of {kind} after the state");
    }
    for version in OLDEST..=STATE_VERSION {
        let state = std::fs::read(path(version)).expect("each version has its state");
        let mut taken_up = stream(&program);
        let carried = taken_up.load(&state).expect("it is a state");
        assert_eq!(carried.left_out, [], "version {version}");
        assert_eq!(push(&mut taken_up, &events[EVENTS / 2..]), expected, "version {version}");
    }
}

/// Fault matrix, row 16: whatever is in it, taking it up ends, and what is built of it is sound. Here the checksum does
/// not help, as if it fitted.
#[test]
fn damaged_states_are_refused_or_do_no_harm() {
    let program = all_rules();
    let events = events(&program);
    let (state, _) = saved(&program, &events);
    let rounds: u64 = std::env::var("TRIPLINE_CASES").map_or(2_000, |cases| cases.parse().expect("a number of cases"));
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).expect("below a usize")
    };
    let mut taken_up = 0;
    for _ in 0..rounds {
        let mut damaged = state.clone();
        match random(4) {
            0 => damaged.truncate(random(state.len())),
            1 => drop(damaged.splice(random(state.len())..state.len(), state[random(state.len())..].iter().copied())),
            _ => {
                for _ in 0..=random(3) {
                    let (at, byte) = (random(damaged.len()), random(256));
                    damaged[at] = u8::try_from(byte).expect("a byte");
                }
            }
        }
        let mut stream = stream(&program);
        if stream.load(&damaged).is_ok() {
            taken_up += 1;
            push(&mut stream, &events[EVENTS / 2..]);
        }
    }
    assert!(taken_up > rounds / 20, "some damage does not show: {taken_up} of {rounds}");
}

#[test]
fn a_state_over_other_inputs_is_refused() {
    let program = all_rules();
    let (state, _) = saved(&program, &events(&program));
    let mut two = Stream::new(Arc::clone(&program), &[InputSettings::default(), InputSettings::default()]);
    two.name_sources(Arc::from(["events".to_owned()]));
    assert_eq!(
        two.load(&state).map_err(|error| error.to_string()),
        Err("it is no saved state: its inputs cannot be read".to_owned())
    );
}

/// Rules that say more of their events keep more of them, and then run together with others than before: all of them keep
/// their runs, in order.
#[test]
fn rules_that_run_together_keep_their_runs_when_one_says_something_else() {
    const DECLARED: &str = "event login user_id text, country text, ok boolean\n";
    let rule = |name: &str, ok: bool, message: &str| {
        format!(
            "rule {name}\n  for each user_id\n  on every login a\n  then login b where b.country is not a.country and \
             b.ok is {ok}\n  within 2 h\n  alert low \"{message}\"\n"
        )
    };
    let both =
        |message: &str| program(&format!("{DECLARED}{}{}", rule("one", true, "{b.ok}"), rule("two", false, message)));
    // One that reads the field anyway, of another step.
    let (together, apart) = (both("{b.ok}"), both("{a.ok}"));
    assert_eq!((together.two_steps.len(), apart.two_steps.len()), (1, 2));
    let said = |alerts: Vec<String>| -> Vec<String> {
        let text = |alert: &String| {
            let alert: serde_json::Value = serde_json::from_str(alert).expect("JSON");
            format!("{} {} {} {}", alert["rule"], alert["key"], alert["started"], alert["time"])
        };
        let mut said: Vec<String> = alerts.iter().map(text).collect();
        said.sort();
        said
    };
    for (from, to) in [(&together, &apart), (&apart, &together)] {
        let mut first = stream(from);
        push(&mut first, &events(from)[..EVENTS / 2]);
        let mut state = Vec::new();
        first.save(&mut state);
        let mut second = stream(to);
        let carried = second.load(&state).expect("it was saved just now");
        assert!(carried.left_out.is_empty() && carried.kept >= first.open_runs(), "{carried:?}");
        let expected = said(push(&mut first, &events(from)[EVENTS / 2..]));
        assert!(expected.len() > 20, "{}", expected.len());
        assert_eq!(said(push(&mut second, &events(to)[EVENTS / 2..])), expected);
        assert!(second.open_runs() <= 2 * first.open_runs(), "what is over has gone");
    }
}
