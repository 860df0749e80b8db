//! Rules whose keys lie in several partitions: whatever the number of copies, and whoever is killed, the alerts are those
//! of one copy that sees all events in order.

use std::collections::BTreeSet;

use super::broker::{Broker, Record};
use super::daemon::{Daemon, folder};

const PARTITIONS: i32 = 3;

const RULES: &str = r#"
event login    user_id text, card_id text, country text
event purchase user_id text, card_id text, country text, amount number

rule by_user
  for each user_id
  on login a
  then purchase b where country is not a.country
  within 10 m
  alert high

rule by_card
  for each card_id
  on login
  then purchase
  then purchase
  within 10 m
  alert high "{card_id}"

rule spent
  for each card_id
  on purchase where sum(purchase.amount) over 10 m > 700
  alert high at most once per 1 m

rule quiet
  for each card_id
  on login
  then no purchase within 15 s
  alert low

rule any_three
  on 3 purchase
  within 5 s
  alert low

rule two_cards
  for each user_id
  on by_card a
  then by_card b where card_id is not a.card_id
  within 10 m
  alert critical
"#;

struct Stage<'b> {
    broker: &'b Broker,
    name: String,
    folder: tempfile::TempDir,
    made: u64,
    portions: u64,
}

impl<'b> Stage<'b> {
    /// Two topics that are partitioned by user. Events are never late: each partition has them in order of time.
    fn new(broker: &'b Broker, test: &str, kafka: &str) -> Stage<'b> {
        Stage::with(broker, test, kafka, (RULES, "3s"))
    }

    fn with(broker: &'b Broker, test: &str, kafka: &str, (rules, idle_timeout): (&str, &str)) -> Stage<'b> {
        let name = Broker::unique(test);
        let sources = ["logins", "purchases"].map(|topic| {
            let topic = format!("{name}-{topic}");
            broker.create(&topic, PARTITIONS);
            format!(
                "[[source]]\ntopic = \"{topic}\"\nkey = \"user_id\"\ncopartitioned = \"users\"\nlateness = \"0s\"\n\
                 idle_timeout = \"{idle_timeout}\"\n"
            )
        });
        let config = format!(
            "{}{kafka}\n{}[alerts]\ntopic = \"{name}-alerts\"\n[dead_letters]\ntopic = \"{name}-letters\"\n\
             [state]\nevery = \"300ms\"\n",
            broker.opening(&name),
            sources.concat()
        );
        Stage { broker, name, folder: folder(rules, &config), made: 0, portions: 0 }
    }

    fn start(&self) -> Daemon {
        Daemon::start(self.folder.path())
    }

    /// Writes one event each second of event time, from that second on, to a partition.
    fn write_run(&self, (kind, partition): (&str, i32), from_second: u64, count: u64) {
        let line = |n: u64| {
            let at = 1_700_000_000_000 + (from_second + n) * 1_000;
            format!(
                r#"{{"type":"{kind}","ts":{at},"event_id":"{partition}-{at}","user_id":"u{partition}","card_id":"c1","amount":1}}"#
            )
        };
        let lines: Vec<String> = (0..count).map(line).collect();
        let topic = format!("{}-{kind}s", self.name);
        self.broker.write(&topic, lines.iter().map(|line| (partition, None, Some(line.as_bytes()))));
    }

    /// Writes some more events, each to the partition of its user.
    fn write(&mut self, count: u64) {
        let mut records = [Vec::new(), Vec::new()];
        // Time goes on by itself between two portions, and no event is to be late by that.
        self.portions += 1;
        for _ in 0..count {
            self.made += 1;
            let n = self.made;
            // Of few users and cards, so that their events meet; a card is several users'.
            let (user, card) = (n * 7 % 11, n * 13 % 17);
            let country = ["DE", "FR"][usize::try_from(n / 3 % 2).expect("small")];
            let kind = usize::from(!n.is_multiple_of(3));
            let line = format!(
                r#"{{"type":"{}","ts":{},"event_id":"e{n}","user_id":"u{user}","card_id":"c{card}","country":"{country}","amount":{}}}"#,
                ["login", "purchase"][kind],
                1_700_000_000_000_u64 + n * 1_000 + self.portions * 60_000,
                n * 37 % 200
            );
            records[kind].push((i32::try_from(user % 3).expect("small"), line));
        }
        for (topic, records) in ["logins", "purchases"].iter().zip(&records) {
            let topic = format!("{}-{topic}", self.name);
            self.broker.write(&topic, records.iter().map(|(p, line)| (*p, None, Some(line.as_bytes()))));
        }
    }

    /// The ids of the alerts of a replay up to the last event, and of one in which all waits have ended.
    fn expected(&self, end: &[&str]) -> BTreeSet<String> {
        let replayed = super::range::run(self.folder.path(), &[&["replay"], end].concat());
        assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
        let text = String::from_utf8(replayed.stdout).expect("JSON is text");
        let id = |line: &str| {
            let alert: serde_json::Value = serde_json::from_str(line).expect("JSON");
            format!("{} {}", alert["rule"].as_str().expect("a rule"), alert["alert_id"].as_str().expect("an id"))
        };
        text.lines().map(id).collect()
    }

    /// Waits until all alerts are there, and holds them to be those, each `once`.
    fn check(&self, copies: &mut [Daemon], once: bool) {
        let (required, allowed) = (self.expected(&[]), self.expected(&["--end", "flush"]));
        for rule in ["by_user", "by_card", "spent", "quiet", "any_three", "two_cards"] {
            assert!(required.iter().any(|alert| alert.starts_with(rule)), "{rule} has alerts");
        }
        let mut alerts = self.broker.reader(&format!("{}-alerts", self.name));
        let logs = |copies: &[Daemon]| copies.iter().map(Daemon::log).collect::<Vec<_>>().join("\n--\n");
        let found = alerts.until("every alert comes", |records| ids(records).is_superset(&required));
        for copy in copies.iter_mut() {
            assert!(copy.terminate().0.success(), "{}", copy.log());
        }
        assert!(found.len() >= required.len());
        // What else they would have sent is there by now.
        let all: Vec<String> = alerts.poll().iter().map(id).collect();
        let unique: BTreeSet<String> = all.iter().cloned().collect();
        let unexpected: Vec<&String> = unique.difference(&allowed).collect();
        assert!(unexpected.is_empty(), "no alert that should not be: {unexpected:?}\n{}", logs(copies));
        assert!(all.len() == unique.len() || !once, "each once\n{}", logs(copies));
    }
}

fn id(record: &Record) -> String {
    let alert = record.json();
    format!("{} {}", alert["rule"].as_str().expect("a rule"), alert["alert_id"].as_str().expect("an id"))
}

fn ids(records: &[Record]) -> BTreeSet<String> {
    records.iter().map(id).collect()
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn rules_of_any_key_are_right_over_partitions_of_another() {
    let broker = Broker::new();
    let mut stage = Stage::new(&broker, "rekeyed", "");
    stage.write(3_000);
    let mut daemon = stage.start();
    daemon.ready();
    daemon.logged("events of these rules are brought together");
    stage.write(3_000);
    stage.check(&mut [daemon], true);
}

/// Fault matrix, row 23: what waits for a slow partition is bounded, and nothing of it is lost.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_fast_partition_waits_for_a_slow_one() {
    const EVENTS: u64 = 300_000;
    let rules = "event login user_id text
event purchase user_id text
rule many
  on purchase where count(purchase) over                  1 m >= 59
  alert low at most once per 1 h

rule both
  on login
  then purchase
  within 1 m
  alert low
";
    let broker = Broker::new();
    let stage = Stage::with(&broker, "skewed", "", (rules, "300s"));
    for partition in 0..PARTITIONS {
        stage.write_run(("login", partition), EVENTS + 1, 1);
        stage.write_run(("purchase", partition), 0, 1);
    }
    let mut daemon = stage.start();
    daemon.ready();
    stage.write_run(("purchase", 0), 1, EVENTS);
    let (mut most, mut same) = (0, 0);
    while same < 20 {
        let now = gauge(&mut daemon, "tripline_events_waiting ");
        same = if now > 40_000 && now == most { same + 1 } else { 0 };
        most = most.max(now);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(most < EVENTS * 9 / 10, "{most} events wait");
    (1..PARTITIONS).for_each(|partition| stage.write_run(("purchase", partition), EVENTS, 1));
    let mut alerts = broker.reader(&format!("{}-alerts", stage.name));
    let required = usize::try_from(EVENTS / 3_600).expect("small");
    alerts.until("an alert for each hour", |records| ids(records).len() >= required);
    assert!(daemon.terminate().0.success(), "{}", daemon.log());
}

fn gauge(daemon: &mut Daemon, name: &str) -> u64 {
    let metrics = daemon.get("/metrics");
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("a gauge");
    value.parse().expect("a number")
}

/// Fault matrix, rows 1 and 9, over the repartition topic. `TRIPLINE_KILLS` says how many kills.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn rules_of_any_key_are_right_over_copies_that_are_killed_and_come_back() {
    kill_copies("rekilled", "", true);
}

/// What is brought behind the topic twice is judged once.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn rules_of_any_key_are_right_at_least_once() {
    kill_copies("reagain", "delivery = \"at-least-once\"", false);
}

fn kill_copies(test: &str, kafka: &str, once: bool) {
    let broker = Broker::new();
    let mut stage = Stage::new(&broker, test, kafka);
    let mut copies = vec![stage.start(), stage.start()];
    copies.iter_mut().for_each(Daemon::ready);
    let kills = std::env::var("TRIPLINE_KILLS").map_or(4, |kills| kills.parse().expect("a number of kills"));
    for round in 0..kills {
        stage.write(1_000);
        std::thread::sleep(std::time::Duration::from_millis(150 + 137 * round % 700));
        let mut copy = copies.remove(0);
        copy.kill();
        stage.write(500);
        copies.push(stage.start());
    }
    stage.write(500);
    stage.check(&mut copies, once);
}
