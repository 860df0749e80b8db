//! The bench through a broker, small: it reads what there is and finds in it what a replay finds. Nothing here looks at
//! the time.

use std::process::Command;

use tripline::workload::{self, Workload};

use super::broker::Broker;

const EVENTS: u64 = 20_000;

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn bench_through_a_broker_finds_what_is_there() {
    let tests = std::env::current_exe().expect("this program");
    let bench = tests.ancestors().nth(2).expect("the folder of the build").join("examples/kafka");
    assert!(bench.exists(), "it is not built: cargo build --example kafka");
    let broker = Broker::new();
    let mut command = Command::new(bench);
    command.args(["--broker", broker.address(), "--rate", "500", "--seconds", "2", "--events", &EVENTS.to_string()]);
    command.args(["--keys", "2000", "--snapshot-every", "1s"]);
    let output = command.output().expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let row = out.lines().find(|line| line.trim_start().starts_with("country_hop")).expect("a row");
    let alerts = row.split_whitespace().nth(3).expect("four columns");
    assert_ne!(alerts, "0", "{out}");
    assert_eq!(alerts, hops().to_string(), "{out}");
    let once = out.lines().find(|line| line.contains("country_hop, exactly once")).expect("a row");
    assert!(
        once.contains(&format!(" {alerts} ")) && once.contains("of the speed at least once [goal 0.95]; commit p50"),
        "{out}"
    );
    for told in ["a bare consumer", "five rules", " 1 rules", "1000 rules", "crash -> first alert"] {
        assert!(out.contains(told), "{told}: {out}");
    }
}

/// How many alerts a replay gives on the same events.
fn hops() -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, events) = (folder.path().join("hop.rules"), folder.path().join("events.ndjson"));
    let (mut workload, mut lines) = (Workload::new(workload::Settings::default()), Vec::new());
    (0..EVENTS).for_each(|_| workload.write_line(&mut lines));
    std::fs::write(&rules, workload::rule_alone("country_hop")).expect("a file");
    std::fs::write(&events, lines).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    let output = command.arg("replay").arg("--rules").arg(rules).arg(events).output().expect("the program runs");
    output.stdout.split_inclusive(|byte| *byte == b'\n').count()
}
