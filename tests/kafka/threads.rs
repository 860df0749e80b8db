//! One copy on several threads: what it says does not depend on their number.

use serde_json::Value as Json;
use tripline::workload::{self, Workload};

use super::broker::Broker;
use super::daemon::{Daemon, folder};

const PARTITIONS: i32 = 3;
const EVENTS: u32 = 30_000;
/// Every so many events a message that is none.
const POISON_EVERY: u32 = 1_000;

fn rules() -> String {
    let alone = |name: &str| workload::rule_alone(name).replacen(workload::declarations(), "", 1);
    // None of them waits for time to pass, which goes on by itself when all is read.
    let rules = ["country_hop", "failed_burst", "takeover", "spend_velocity"].map(alone);
    format!("{}\n{}", workload::declarations(), rules.concat())
}

fn config(broker: &Broker, topic: &str, threads: usize) -> String {
    format!(
        "name = \"{topic}-{threads}\"\nrules = [\"test.rules\"]\nthreads = {threads}\n[kafka]\nbrokers = \"{}\"\n\
         [[source]]\ntopic = \"{topic}\"\nkey = \"user_id\"\nlateness = \"1s\"\n[alerts]\ntopic = \"{topic}-{threads}-alerts\"\n\
         [dead_letters]\ntopic = \"{topic}-{threads}-letters\"\n",
        broker.address()
    )
}

/// Events by user, with poison between them.
fn fill(broker: &Broker, topic: &str) {
    let mut workload = Workload::new(workload::Settings { users: 500, ..workload::Settings::default() });
    let mut lines = Vec::new();
    for number in 0..EVENTS {
        let mut line = Vec::new();
        workload.write_line(&mut line);
        let event: Json = serde_json::from_slice(&line).expect("an event");
        let user = event["user_id"].as_str().expect("a user");
        let partition = user.bytes().fold(0, |sum, byte| (sum * 31 + i32::from(byte)) % PARTITIONS);
        lines.push((partition, line));
        if number % POISON_EVERY == 0 {
            lines.push((partition, b"{\"type\":".to_vec()));
        }
    }
    broker.write(topic, lines.iter().map(|(partition, line)| (*partition, None, Some(line.trim_ascii_end()))));
}

/// Alerts in the order of their ids.
fn by_id<'t>(alerts: impl Iterator<Item = &'t [u8]>) -> Vec<Json> {
    let mut alerts: Vec<Json> = alerts.map(|alert| serde_json::from_slice(alert).expect("JSON")).collect();
    alerts.sort_by_key(|alert| alert["alert_id"].to_string());
    alerts
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn the_alerts_are_those_of_a_replay_on_any_number_of_threads() {
    let broker = Broker::new();
    let topic = Broker::unique("threads");
    broker.create(&topic, PARTITIONS);
    fill(&broker, &topic);
    let letters = (EVENTS / POISON_EVERY) as usize;
    let mut expected = None;
    for threads in [1, 2, 5] {
        let folder = folder(&rules(), &config(&broker, &topic, threads));
        let expected = expected.get_or_insert_with(|| {
            let output = super::range::run(folder.path(), &["replay"]);
            by_id(output.stdout.split_inclusive(|byte| *byte == b'\n'))
        });
        assert!(expected.len() > 50, "the rules alert on this stream: {}", expected.len());
        let mut daemon = Daemon::start(folder.path());
        daemon.ready();
        let records = |kind: &str, count: usize| {
            let mut reader = broker.reader(&format!("{topic}-{threads}-{kind}"));
            reader.until(kind, |records| records.len() >= count)
        };
        let alerts = records("alerts", expected.len());
        let alerts = by_id(alerts.iter().map(|record| record.payload.as_deref().expect("an alert")));
        assert_eq!(alerts, *expected, "on {threads} threads");
        assert_eq!(records("letters", letters).len(), letters, "on {threads} threads");
        let metrics = daemon.get("/metrics");
        assert!(metrics.contains(&format!("tripline_events_total{{topic=\"{topic}\"}} {EVENTS}")), "{metrics}");
    }
}
