//! Copies that are killed and stopped: every alert comes, and none that should not; delivered at least once, some come
//! again. `once` has the same exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder};
use tripline::engine::{End, InputSettings, Stream};
use tripline::event::Event;
use tripline::program::Program;
use tripline::ruleset::RuleSet;
use tripline::workload::{RULES, Settings, Workload};

use super::broker::{Broker, Record};
use super::daemon::{Daemon, folder};

const PARTITIONS: i32 = 4;
const EVENTS: usize = 100_000;

/// Events by partition, each with its key.
fn events(count: usize) -> Vec<(i32, String, Vec<u8>)> {
    // Forty minutes of event time, so that waits of ten minutes end.
    let mut workload = Workload::new(Settings { users: 5_000, events_per_second: 40, ..Settings::default() });
    let make = |_| {
        let mut line = Vec::new();
        workload.write_line(&mut line);
        line.pop();
        let event: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        let user = event["user_id"].as_str().expect("a user").to_owned();
        let sum = user.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        (i32::try_from(sum % 4).expect("small"), user, line)
    };
    (0..count).map(make).collect()
}

fn program(rules: &str) -> Arc<Program> {
    let set = RuleSet::from_texts([("test.rules".to_owned(), rules.to_owned())]);
    set.program().expect("the rules are right")
}

/// The ids of the alerts over these events, each partition by itself.
fn expected(program: &Arc<Program>, events: &[(i32, String, Vec<u8>)], end: End) -> BTreeSet<String> {
    let mut decoder = JsonDecoder::new(program, &FieldNames::default(), DecodeLimits::default());
    let mut streams: BTreeMap<i32, Stream> = (0..PARTITIONS)
        .map(|partition| (partition, Stream::new(Arc::clone(program), &[InputSettings::default()])))
        .collect();
    let mut alerts = Vec::new();
    for (partition, _, line) in events {
        let mut event = Event::default();
        decoder.decode(line, &mut event).expect("an event");
        streams.get_mut(partition).expect("a partition").push(0, &mut event, &mut alerts);
    }
    for stream in streams.values_mut() {
        stream.finish(end, &mut alerts);
    }
    alerts.iter().map(|alert| alert.id.to_string()).collect()
}

fn ids(records: &[Record]) -> BTreeSet<String> {
    records.iter().map(|record| record.json()["alert_id"].as_str().expect("an id").to_owned()).collect()
}

fn config(broker: &Broker, name: &str, topic: &str, kafka: &str) -> String {
    format!(
        r#"
{}"heartbeat.interval.ms" = 500
{kafka}
[[source]]
topic = "{topic}"
key = "user_id"
idle_timeout = "1s"
[alerts]
topic = "{name}-alerts"
[state]
every = "500ms"
"#,
        broker.opening(name)
    )
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_killed_copy_loses_no_alert() {
    let broker = Broker::new();
    let name = Broker::unique("killed");
    let topic = format!("{name}-events");
    broker.create(&topic, PARTITIONS);
    let events = events(EVENTS);
    let program = program(RULES);
    let required = expected(&program, &events, End::LastEvent);
    // Quiet partitions let time go on, so waits that were not over at the last event may end too.
    let allowed = expected(&program, &events, End::Flush);
    assert!(required.len() > 100, "the workload has alerts: {}", required.len());

    let folder =
        folder(RULES, &config(&broker, &name, &topic, "delivery = \"at-least-once\"\n\"session.timeout.ms\" = 6000"));
    let mut first = Daemon::start(folder.path());
    let mut second = Daemon::start(folder.path());
    first.ready();
    second.ready();
    let write = |events: &[(i32, String, Vec<u8>)]| {
        let record = |(partition, key, line): &(i32, String, Vec<u8>)| (*partition, key.clone(), line.clone());
        let records: Vec<_> = events.iter().map(record).collect();
        broker.write(&topic, records.iter().map(|(p, k, l)| (*p, Some(k.as_bytes()), Some(l.as_slice()))));
    };
    let mut alerts = broker.reader(&format!("{name}-alerts"));
    write(&events[..EVENTS / 2]);
    alerts.until("alerts begin", |records| !records.is_empty());
    std::thread::scope(|scope| {
        scope.spawn(|| write(&events[EVENTS / 2..]));
        alerts.until("alerts go on", |records| ids(records).len() > required.len() / 3);
        first.kill();
    });
    let found = alerts.until("every alert comes", |records| ids(records).is_superset(&required));
    let unexpected: Vec<String> = ids(&found).difference(&allowed).cloned().collect();
    assert_eq!(unexpected, Vec::<String>::new(), "no alert that should not be");
    let (status, _) = second.terminate();
    assert!(status.success(), "{status}\n{}", second.log());
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_stopped_copy_leaves_in_time_and_another_takes_over() {
    let broker = Broker::new();
    let name = Broker::unique("stopped");
    let topic = format!("{name}-events");
    broker.create(&topic, PARTITIONS);
    let events = events(4_000);
    let program = program(RULES);
    let (half, rest) = events.split_at(events.len() / 2);
    let folder = folder(RULES, &config(&broker, &name, &topic, ""));
    let write = |events: &[(i32, String, Vec<u8>)]| {
        broker.write(&topic, events.iter().map(|(p, k, l)| (*p, Some(k.as_bytes()), Some(l.as_slice()))));
    };

    let mut first = Daemon::start(folder.path());
    first.ready();
    write(half);
    let mut alerts = broker.reader(&format!("{name}-alerts"));
    let so_far = expected(&program, half, End::LastEvent);
    alerts.until("the first half's alerts", |records| ids(records).is_superset(&so_far));
    let (status, took) = first.terminate();
    assert!(status.success(), "{status}\n{}", first.log());
    assert!(took < Duration::from_secs(5), "it took {took:?}\n{}", first.log());
    let before = alerts.poll().len();

    // A run that was open when the first copy stopped has to be there in the second one.
    let mut second = Daemon::start(folder.path());
    second.ready();
    write(rest);
    let required = expected(&program, &events, End::LastEvent);
    assert!(required.len() > so_far.len(), "the second half has alerts of its own");
    let found = alerts.until("every alert comes", |records| ids(records).is_superset(&required));
    assert!(ids(&found).is_subset(&expected(&program, &events, End::Flush)), "no alert that should not be");
    let repeated: BTreeSet<String> = ids(&found[..before]).intersection(&ids(&found[before..])).cloned().collect();
    assert_eq!(repeated, BTreeSet::new(), "what was committed is not said again");
    let (offset, metadata) = broker.committed(&name, &topic, 0).expect("it commits");
    assert!(offset > 0 && metadata.contains("\"v\":1"), "{offset} {metadata}");
}

/// Fault matrix, rows 1 and 9: a session lasts longer than the test, so whoever had to wait for its end would fail it.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn copies_that_are_killed_come_back_at_once_and_copies_that_stop_hand_over_at_once() {
    let broker = Broker::new();
    let name = Broker::unique("back");
    let topic = format!("{name}-events");
    broker.create(&topic, PARTITIONS);
    let events = events(6_000);
    let program = program(RULES);
    let folder = folder(RULES, &config(&broker, &name, &topic, "\"session.timeout.ms\" = 300000"));
    let mut first = Daemon::start(folder.path());
    let mut second = Daemon::start(folder.path());
    first.ready();
    second.ready();
    let mut alerts = broker.reader(&format!("{name}-alerts"));
    let mut judged = 0;
    let mut all_come = |until: usize, what: &str| {
        let written = &events[judged..until];
        broker.write(&topic, written.iter().map(|(p, k, l)| (*p, Some(k.as_bytes()), Some(l.as_slice()))));
        let required = expected(&program, &events[..until], End::LastEvent);
        assert!(required.len() > expected(&program, &events[..judged], End::LastEvent).len(), "there are new ones");
        alerts.until(what, |records| ids(records).is_superset(&required));
        judged = until;
    };

    all_come(2_000, "the alerts of two copies");
    first.kill();
    let mut first = Daemon::start(folder.path());
    all_come(4_000, "the alerts after a copy was killed and started again");
    let (status, _) = first.terminate();
    assert!(status.success(), "{status}\n{}", first.log());
    all_come(6_000, "the alerts after a copy was stopped");
    assert!(second.terminate().0.success(), "{}", second.log());
}

/// Logins in one topic, purchases in another: a shard has a partition of each.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn copartitioned_topics_are_read_back_together() {
    let broker = Broker::new();
    let name = Broker::unique("together");
    let topics = [format!("{name}-others"), format!("{name}-purchases")];
    for topic in &topics {
        broker.create(topic, PARTITIONS);
    }
    let source = |topic: &str| {
        format!(
            "[[source]]\ntopic = \"{topic}\"\nkey = \"user_id\"\nidle_timeout = \"1s\"\ncopartitioned = \"users\"\n"
        )
    };
    let config = format!(
        "{}{}{}[alerts]\ntopic = \"{name}-alerts\"\n",
        broker.opening(&name),
        source(&topics[0]),
        source(&topics[1])
    );
    let folder = folder(RULES, &config);
    let events = events(8_000);
    let program = program(RULES);
    let (half, rest) = events.split_at(events.len() / 2);
    let is_purchase = |line: &[u8]| String::from_utf8_lossy(line).contains("\"type\":\"purchase\"");
    let write = |events: &[(i32, String, Vec<u8>)]| {
        for (topic, purchases) in [(&topics[0], false), (&topics[1], true)] {
            let mine = events.iter().filter(|(_, _, line)| is_purchase(line) == purchases);
            broker.write(topic, mine.map(|(p, k, l)| (*p, Some(k.as_bytes()), Some(l.as_slice()))));
        }
    };
    let mut first = Daemon::start(folder.path());
    first.ready();
    write(half);
    let mut alerts = broker.reader(&format!("{name}-alerts"));
    let so_far = expected(&program, half, End::LastEvent);
    alerts.until("the first half's alerts", |records| ids(records).is_superset(&so_far));
    assert!(first.terminate().0.success(), "{}", first.log());
    let before = alerts.poll().len();

    let mut second = Daemon::start(folder.path());
    second.ready();
    write(rest);
    let required = expected(&program, &events, End::LastEvent);
    assert!(required.len() > so_far.len(), "the second half has alerts of its own");
    let found = alerts.until("every alert comes", |records| ids(records).is_superset(&required));
    assert!(ids(&found).is_subset(&expected(&program, &events, End::Flush)), "no alert that should not be");
    let repeated: BTreeSet<String> = ids(&found[..before]).intersection(&ids(&found[before..])).cloned().collect();
    assert_eq!(repeated, BTreeSet::new(), "what was committed is not said again");
}
