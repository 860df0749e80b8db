//! Exactly once from a topic to the alerts topic, over everything that ends the daemon or stops the broker: what readers
//! of committed records see is what a replay says, each alert once, and each dead letter once.
//!
//! `TRIPLINE_KILLS` says how many kills the test of them makes.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tripline::workload::{self, Workload};

use super::broker::{Broker, Record};
use super::daemon::{Daemon, folder};
use super::own_broker::OwnBroker;
use super::range;

const PARTITIONS: i32 = 4;
const KILLS: u64 = 6;
/// Messages that are written at once, and the pause after them: two thousand a second.
const CHUNK: usize = 100;
const PAUSE: Duration = Duration::from_millis(50);
const REBUILT: &str = "the kafka clients are made anew";
/// One message in so many is no event.
const POISON_EVERY: usize = 97;

/// A topic that is written to, and the configuration of the daemons that read it.
struct Stage<'b> {
    broker: &'b Broker,
    name: String,
    topic: String,
    folder: tempfile::TempDir,
    workload: Mutex<(Workload, usize)>,
}

/// One alert in six events, and rules whose matches are open over what happens. None of them waits for time to pass,
/// which goes on by itself when all is read.
fn rules() -> String {
    let alone = |name: &str| workload::rule_alone(name).replacen(workload::declarations(), "", 1);
    let bought = "rule bought\n  for each user_id\n  on purchase\n  alert info\n\n";
    format!("{}{bought}{}{}", workload::declarations(), alone("country_hop"), alone("spend_velocity"))
}

impl<'b> Stage<'b> {
    fn new(broker: &'b Broker, test: &str, kafka: &str) -> Stage<'b> {
        let name = Broker::unique(test);
        let topic = format!("{name}-events");
        broker.create(&topic, PARTITIONS);
        let config = format!(
            "{}\"session.timeout.ms\" = 2000\n\
             \"heartbeat.interval.ms\" = 300\n{kafka}\n[[source]]\ntopic = \"{topic}\"\nkey = \"user_id\"\n\
             lateness = \"0s\"\n[alerts]\ntopic = \"{name}-alerts\"\n[dead_letters]\ntopic = \"{name}-letters\"\n[state]\nevery = \"300ms\"\n",
            broker.opening(&name)
        );
        let settings = workload::Settings { users: 500, ..workload::Settings::default() };
        let workload = Mutex::new((Workload::new(settings), 0));
        Stage { broker, name, topic, folder: folder(&rules(), &config), workload }
    }

    fn start(&self) -> Daemon {
        Daemon::start(self.folder.path())
    }

    /// Writes some more events to the partitions of their users.
    fn write(&self, count: usize) {
        let mut workload = self.workload.lock().expect("no panic");
        let (workload, made) = &mut *workload;
        let mut records = Vec::new();
        for _ in 0..count {
            *made += 1;
            let mut line = Vec::new();
            workload.write_line(&mut line);
            let event: serde_json::Value = serde_json::from_slice(&line).expect("an event");
            let user = event["user_id"].as_str().expect("a user");
            let partition = user.bytes().fold(0, |sum, byte| (sum * 31 + i32::from(byte)) % PARTITIONS);
            if *made % POISON_EVERY == 0 {
                line = b"{\"type\":".to_vec();
            }
            records.push((partition, line));
        }
        self.broker.write(
            &self.topic,
            records.iter().map(|(partition, line)| (*partition, None, Some(line.trim_ascii_end()))),
        );
    }

    /// Writes on while something is done.
    fn writing<T>(&self, act: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    self.write(CHUNK);
                    std::thread::sleep(PAUSE);
                }
            });
            let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
            done.store(true, Ordering::Relaxed);
            acted.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Whether a new daemon finishes what there is, and nothing is missing and nothing there twice.
    fn check(&self, mut daemon: Daemon) {
        let replayed = range::run(self.folder.path(), &["replay"]);
        assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
        let ids = |alert: &[u8]| {
            let alert: serde_json::Value = serde_json::from_slice(alert).expect("JSON");
            alert["alert_id"].as_str().expect("an id").to_owned()
        };
        let mut required: Vec<String> = replayed.stdout.split_inclusive(|byte| *byte == b'\n').map(ids).collect();
        required.sort_unstable();
        assert!(required.len() > 100, "the rules alert on these events: {}", required.len());
        let mut alerts = self.broker.reader(&format!("{}-alerts", self.name));
        alerts.until("every alert comes", |records| records.len() >= required.len());
        let letters = self.workload.lock().expect("no panic").1 / POISON_EVERY;
        let mut dead = self.broker.reader(&format!("{}-letters", self.name));
        dead.until("every dead letter comes", |records| records.len() >= letters);
        let (status, _) = daemon.terminate();
        assert!(status.success(), "{status}\n{}", daemon.log());

        // What else it would have sent is there by now.
        let mut found: Vec<String> =
            alerts.poll().iter().map(|record| ids(record.payload.as_deref().unwrap_or_default())).collect();
        found.sort_unstable();
        assert_eq!(found.len(), required.len(), "alerts\n{}", daemon.log());
        assert!(found == required, "these are the alerts of a replay");
        let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
        for Record { headers, .. } in dead.poll() {
            *places.entry((headers["partition"].clone(), headers["offset"].clone())).or_default() += 1;
        }
        assert_eq!((places.len(), places.values().max()), (letters, Some(&1)), "dead letters");
    }

    /// Waits until readers see more alerts than before.
    fn more_alerts(&self, so_far: &mut usize, reader: &mut Option<super::broker::Reader>) {
        let reader = reader.get_or_insert_with(|| self.broker.reader(&format!("{}-alerts", self.name)));
        *so_far = reader.until("alerts go on", |records| records.len() > *so_far).len();
    }
}

/// Fault matrix, row 1: killed at random.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn alerts_come_once_over_kills() {
    let broker = Broker::new();
    let kills = std::env::var("TRIPLINE_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number of kills"));
    let stage = Stage::new(&broker, "kills", "");
    let (mut seen, mut reader) = (0, None);
    stage.writing(|| {
        for kill in 0..kills {
            let mut daemon = stage.start();
            stage.more_alerts(&mut seen, &mut reader);
            // At any place between two commits, or in one.
            std::thread::sleep(Duration::from_millis(kill * 37 % 250));
            daemon.kill();
        }
    });
    stage.check(stage.start());
}

/// Fault matrix, row 8: two processes with the same id.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn of_two_copies_with_one_instance_the_older_ends() {
    let broker = Broker::new();
    let stage = Stage::new(&broker, "twins", "instance = \"one\"");
    let younger = stage.writing(|| {
        let mut older = stage.start();
        stage.more_alerts(&mut 0, &mut None);
        let mut younger = stage.start();
        let status = older.wait();
        assert_eq!(status.code(), Some(3), "{}", older.log());
        older.logged("give each process an `instance` of its own");
        younger.ready();
        younger
    });
    stage.check(younger);
}

/// Fault matrix, row 5: the broker is frozen, for less than a transaction may be open and for more.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn alerts_come_once_over_a_frozen_broker() {
    let own = OwnBroker::start();
    let broker = own.broker();
    // Commits are far apart, so that something is not committed when the broker stops.
    let kafka = "commit_interval = \"1s\"\n\"transaction.timeout.ms\" = 4000";
    let stage = Stage::new(&broker, "frozen", kafka);
    let daemon = stage.start();
    stage.write(2_000);
    stage.more_alerts(&mut 0, &mut None);
    stage.write(10_000);
    own.freeze(Duration::from_secs(2));
    for _ in 0..3 {
        stage.write(10_000);
        own.freeze(Duration::from_secs(7));
        if daemon.log().contains(REBUILT) {
            break;
        }
    }
    daemon.logged(REBUILT);
    stage.check(daemon);
}

/// Fault matrix, rows 8 and 9: a copy sleeps for longer than its session and its transaction last, while another one
/// takes over, and wakes up in the middle of what it did.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn alerts_come_once_over_a_copy_that_slept() {
    let broker = Broker::new();
    let stage = Stage::new(&broker, "slept", "\"transaction.timeout.ms\" = 4000");
    let (mut seen, mut reader) = (0, None);
    let other = stage.writing(|| {
        let mut sleeper = stage.start();
        stage.more_alerts(&mut seen, &mut reader);
        let mut other = stage.start();
        other.ready();
        stage.more_alerts(&mut seen, &mut reader);
        sleeper.freeze(Duration::from_secs(7));
        // Woken up it goes on, or begins anew: nobody else has its id.
        stage.more_alerts(&mut seen, &mut reader);
        sleeper.ready();
        assert!(sleeper.terminate().0.success(), "{}", sleeper.log());
        other
    });
    stage.check(other);
}

/// Fault matrix, rows 9 and 10: copies come and go, while what they send is committed.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn alerts_come_once_over_copies_that_join_and_leave() {
    let broker = Broker::new();
    let stage = Stage::new(&broker, "copies", "");
    let (mut seen, mut reader) = (0, None);
    let last = stage.writing(|| {
        let mut copies = vec![stage.start()];
        stage.more_alerts(&mut seen, &mut reader);
        for round in 0..3 {
            let mut joined = stage.start();
            joined.ready();
            stage.more_alerts(&mut seen, &mut reader);
            let mut leaves = copies.remove(0);
            if round == 1 {
                leaves.kill();
            } else {
                assert!(leaves.terminate().0.success(), "{}", leaves.log());
            }
            copies.push(joined);
            stage.more_alerts(&mut seen, &mut reader);
        }
        copies.remove(0)
    });
    stage.check(last);
}
