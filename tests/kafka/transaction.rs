//! The outbox in transactions and its consumer, without a daemon: what an abort and a newer producer leave to be seen, and
//! how a member of the group ends.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tripline::config::{self, KafkaSettings};
use tripline::sink::kafka::{OutRecord, Outbox, OutboxError};
use tripline::source::kafka::{KafkaSource, Notice, Partition};
use tripline::telemetry::Metrics;

use super::broker::{Broker, GUARD};

const LONG: Duration = Duration::from_secs(30);

fn settings(broker: &Broker) -> KafkaSettings {
    let text = format!(
        "name = \"t\"\nrules = [\".\"]\n[kafka]\nbrokers = \"{}\"\n[[source]]\ntopic = \"e\"\n[alerts]\ntopic = \"x\"\n",
        broker.address()
    );
    config::parse(Path::new("t.toml"), &text).expect("it is right").kafka.expect("given")
}

fn outbox(settings: &KafkaSettings, id: &str) -> Outbox {
    let outbox = Outbox::transactional(settings, "t", id, Metrics::default()).expect("a producer");
    outbox.init(|| false).expect("the broker answers");
    outbox
}

fn send(outbox: &Outbox, topic: &str, records: &[&str]) -> Result<(), OutboxError> {
    records.iter().try_for_each(|record| {
        let record = OutRecord { topic, partition: None, key: None, payload: Some(record.as_bytes()), headers: &[] };
        outbox.send(record, &AtomicBool::new(false))
    })
}

/// A member of a group that has the one partition of a topic.
fn member(settings: &KafkaSettings, group: &str, topic: &str) -> (KafkaSource, Partition) {
    let source = KafkaSource::new(settings, group, Metrics::default()).expect("a consumer");
    source.subscribe(&[topic]).expect("it can");
    let until = Instant::now() + GUARD;
    loop {
        assert!(Instant::now() < until, "no partition was given");
        drop(source.poll(Duration::from_millis(50)));
        for notice in source.notices() {
            if let Notice::Assigned(partitions) = notice {
                source.assign(&[(partitions[0].clone(), 0)]).expect("it is ours");
                return (source, partitions[0].clone());
            }
        }
    }
}

fn texts(broker: &Broker, topic: &str, isolation: &str, count: usize) -> Vec<String> {
    let records = broker.reader_with(topic, isolation).until("records", |records| records.len() >= count);
    let text = |payload: Option<Vec<u8>>| String::from_utf8(payload.expect("a payload")).expect("text");
    let mut texts: Vec<String> = records.into_iter().map(|record| text(record.payload)).collect();
    texts.sort_unstable();
    texts
}

/// Fault matrix, row 10: what cannot be committed is taken back, with records under way.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn what_was_aborted_is_not_seen() {
    let broker = Broker::new();
    let name = Broker::unique("aborted");
    let (events, alerts) = (format!("{name}-events"), format!("{name}-alerts"));
    broker.create(&events, 1);
    broker.create(&alerts, 1);
    broker.write_lines(&events, &["1", "2", "3"]);
    let settings = settings(&broker);
    let (source, partition) = member(&settings, &name, &events);
    let aborted = outbox(&settings, &name);
    assert!(!aborted.is_open(), "nothing was sent");
    aborted.commit([(&partition, 1, "one")], &source, || false).expect("offsets alone");
    send(&aborted, &alerts, &["stored and aborted"]).expect("it is taken");
    aborted.drain(|| false).expect("the broker has it");
    send(&aborted, &alerts, &["under way and aborted"]).expect("it is taken");
    assert!(aborted.is_open(), "something was sent");
    aborted.abort(LONG).expect("it is taken back");
    assert!(!aborted.is_open(), "it was taken back");
    drop(aborted);
    assert_eq!(broker.committed(&name, &events, 0), Some((1, "one".to_owned())), "nothing was committed");

    let outbox = outbox(&settings, &name);
    send(&outbox, &alerts, &["committed"]).expect("it is taken");
    outbox.commit([(&partition, 3, "three")], &source, || false).expect("it is committed");
    assert_eq!(broker.committed(&name, &events, 0), Some((3, "three".to_owned())), "with its metadata");
    assert_eq!(texts(&broker, &alerts, "read_committed", 1), ["committed"]);
    let all = texts(&broker, &alerts, "read_uncommitted", 2);
    assert!(all.contains(&"stored and aborted".to_owned()), "there was something to hide: {all:?}");
}

/// Fault matrix, row 8: the older of two producers with one id.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_newer_producer_shuts_the_older_one_out() {
    let broker = Broker::new();
    let name = Broker::unique("fenced");
    let (events, alerts) = (format!("{name}-events"), format!("{name}-alerts"));
    broker.create(&events, 1);
    broker.create(&alerts, 1);
    let settings = settings(&broker);
    let (source, partition) = member(&settings, &name, &events);
    let older = outbox(&settings, &name);
    send(&older, &alerts, &["of the older one"]).expect("it is taken");
    older.drain(|| false).expect("the broker has it");
    let newer = outbox(&settings, &name);
    let error = older.commit([(&partition, 1, "")], &source, || false).expect_err("it must not");
    assert!(matches!(&error, OutboxError::Fenced { id, .. } if *id == name), "{error}");
    let error = send(&older, &alerts, &["later"]).and_then(|()| older.drain(|| false)).expect_err("never again");
    assert!(matches!(error, OutboxError::Fenced { .. }), "{error}");
    send(&newer, &alerts, &["of the newer one"]).expect("it is taken");
    newer.commit([(&partition, 2, "")], &source, || false).expect("it is committed");
    assert_eq!(texts(&broker, &alerts, "read_committed", 1), ["of the newer one"]);
}

/// Fault matrix, row 10: a session that ends in the middle of a rebalance. The client used to wait for ever for its answer.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_member_that_is_asked_for_its_partitions_can_end() {
    let broker = Broker::new();
    let name = Broker::unique("ends");
    broker.create(&name, 1);
    let settings = settings(&broker);
    let (leaves, _) = member(&settings, &name, &name);
    let joins = KafkaSource::new(&settings, &name, Metrics::default()).expect("a consumer");
    joins.subscribe(&[&name]).expect("it can");
    let until = Instant::now() + GUARD;
    while !leaves.notices().iter().any(|notice| matches!(notice, Notice::Revoked(_))) {
        assert!(Instant::now() < until, "nobody asked for the partition");
        drop(joins.poll(Duration::from_millis(50)));
        drop(leaves.poll(Duration::from_millis(50)));
    }
    leaves.close();
    while !joins.notices().iter().any(|notice| matches!(notice, Notice::Assigned(given) if given.len() == 1)) {
        assert!(Instant::now() < until, "the partition was not handed over");
        drop(joins.poll(Duration::from_millis(50)));
    }
}
