//! Snapshots: what a restart takes up, what it reads back, and what it does where a snapshot cannot be taken up.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tripline::checkpoint::Snapshot;
use tripline::testing::bucket::{ACCESS_KEY, BUCKET, Bucket, Fault, REGION, SECRET_KEY};

use super::broker::{Broker, GUARD};
use super::daemon::{Daemon, folder};

const RULES: &str = "event login user_id text\nevent purchase user_id text\n\
    rule bought_after_login\n  for each user_id\n  on every login\n  then purchase\n  within 30 days\n  alert low\n\
    rule bought_at_once\n  for each user_id\n  on purchase\n  alert info\n";
const T0_MS: i64 = 1_700_000_000_000;

/// A daemon over a topic of one partition, and what is written to it.
struct Stage {
    broker: Broker,
    name: String,
    topic: String,
    folder: tempfile::TempDir,
    written: i64,
}

impl Stage {
    fn new(test: &str) -> Stage {
        Stage::with_state(test, "every = \"100ms\"")
    }

    fn with_state(test: &str, state: &str) -> Stage {
        let broker = Broker::new();
        let name = Broker::unique(test);
        let topic = format!("{name}-events");
        broker.create(&topic, 1);
        let config = config(&broker, &name, &topic, state);
        Stage { folder: folder(RULES, &config), broker, name, topic, written: 0 }
    }

    fn start(&self) -> Daemon {
        Daemon::start(self.folder.path())
    }

    fn write(&mut self, event: &str, user: &str) {
        self.written += 1;
        // Hours apart: while nothing is written time goes on by itself, and none of them may be late.
        let time_ms = T0_MS + self.written * 3_600_000;
        let line = format!(r#"{{"type":"{event}","ts":{time_ms},"user_id":"{user}","event_id":"e{}"}}"#, self.written);
        self.broker.write_lines(&self.topic, &[&line]);
    }

    /// The rules and users of the alerts so far, in order, when there are so many.
    fn alerts(&self, count: usize) -> Vec<String> {
        let mut reader = self.broker.reader(&format!("{}-alerts", self.name));
        let found = reader.until("the alerts come", |records| records.len() >= count);
        let said = |record: &super::broker::Record| {
            let alert = record.json();
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}", text(&alert["rule"]), text(&alert["key"]["user_id"]))
        };
        found.iter().map(said).collect()
    }

    fn snapshots(&self) -> Vec<PathBuf> {
        snapshots_in(&self.folder.path().join(format!("state/tripline/{}/snapshots/{}-0", self.name, self.topic)))
    }

    /// Waits until the committed offset, at which all is read, names the newest of two snapshots.
    fn two_are_named(&self) -> Vec<PathBuf> {
        let until = Instant::now() + GUARD;
        loop {
            let snapshots = self.snapshots();
            let committed = self.broker.committed(&self.name, &self.topic, 0);
            let names = |path: &Path, mark: &str| {
                let digits = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
                mark.contains(&u64::from_str_radix(digits, 16).expect("a number").to_string())
            };
            if let ([before, newest], Some((_, mark))) = (&snapshots[..], committed)
                && names(before, &mark)
                && names(newest, &mark)
            {
                return snapshots;
            }
            assert!(Instant::now() < until, "two are never named: {snapshots:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn config(broker: &Broker, name: &str, topic: &str, state: &str) -> String {
    format!(
        "{}\"session.timeout.ms\" = 2000\n\
         \"heartbeat.interval.ms\" = 300\n[[source]]\ntopic = \"{topic}\"\nkey = \"user_id\"\n\
         [alerts]\ntopic = \"{name}-alerts\"\n[state]\n{state}\n",
        broker.opening(name)
    )
}

/// The oldest first.
fn snapshots_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "snapshot"));
    found.sort();
    found
}

/// Fault matrix, row 3: a copy that is stopped and started again reads nothing back, and its open runs are there.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_stopped_copy_goes_on_where_it_was() {
    let mut stage = Stage::with_state("snapshot-stop", "every = \"1h\"");
    let mut first = stage.start();
    first.ready();
    stage.write("login", "ann");
    stage.write("purchase", "bob");
    assert_eq!(stage.alerts(1), ["bought_at_once bob"]);
    let (status, took) = first.terminate();
    assert!(status.success() && took < GUARD, "{status}\n{}", first.log());

    let mut second = stage.start();
    let restored: serde_json::Value =
        serde_json::from_str(&second.logged("state taken up from a snapshot")).expect("the log is JSON");
    assert_eq!(restored["open_runs"], 1, "{restored}");
    let assigned: serde_json::Value =
        serde_json::from_str(&second.logged("partitions assigned")).expect("the log is JSON");
    assert_eq!(assigned["to_read_back"], 0, "{assigned}");
    second.ready();
    stage.write("purchase", "ann");
    assert_eq!(stage.alerts(3)[1..], ["bought_after_login ann", "bought_at_once ann"]);
    assert!(second.terminate().0.success(), "{}", second.log());
}

/// Two are kept, and after a kill what came after the newest is read back, muted.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_killed_copy_reads_back_from_its_snapshot() {
    let mut stage = Stage::new("snapshot-kill");
    let mut first = stage.start();
    first.ready();
    stage.write("login", "ann");
    for at in 0..6 {
        stage.write("purchase", &format!("user{at}"));
        stage.alerts(at + 1);
        std::thread::sleep(Duration::from_millis(150));
    }
    assert_eq!(stage.two_are_named().len(), 2);
    first.kill();
    let mut second = stage.start();
    second.logged("state taken up from a snapshot");
    second.ready();
    stage.write("purchase", "ann");
    let alerts = stage.alerts(8);
    assert_eq!(alerts[6..], ["bought_after_login ann", "bought_at_once ann"], "{alerts:?}");
    assert!(second.terminate().0.success(), "{}", second.log());
}

/// Fault matrix, row 16: a damaged snapshot is told, and the one before it is taken up; without any, the log is read.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_damaged_snapshot_is_passed_over_for_the_one_before_it_and_for_the_log() {
    let mut stage = Stage::new("snapshot-damaged");
    let mut daemon = stage.start();
    daemon.ready();
    for user in ["ann", "bob", "cid"] {
        stage.write("login", user);
    }
    for (damage, refused) in [(&[1][..], 1), (&[0, 1][..], 2)] {
        let user = ["ann", "bob"][refused - 1];
        for at in 0..4 {
            stage.write("purchase", &format!("user{refused}-{at}"));
            std::thread::sleep(Duration::from_millis(150));
        }
        stage.alerts(4 * refused + 2 * (refused - 1));
        let snapshots = stage.two_are_named();
        daemon.kill();
        for at in damage {
            let mut bytes = fs::read(&snapshots[*at]).expect("it is there");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(&snapshots[*at], bytes).expect("it is ours");
        }
        daemon = stage.start();
        daemon.ready();
        let log = daemon.log();
        assert_eq!(log.matches("a snapshot is not taken up").count(), refused, "{log}");
        assert_eq!(log.matches("state taken up from a snapshot").count(), 2 - refused, "{log}");
        stage.write("purchase", user);
        let alerts = stage.alerts(6 * refused);
        let expected = [format!("bought_after_login {user}"), format!("bought_at_once {user}")];
        assert_eq!(alerts[6 * refused - 2..], expected, "{alerts:?}");
        assert_eq!(alerts.len(), 6 * refused, "nothing is said again: {alerts:?}");
    }
    let metrics = daemon.get("/metrics");
    assert!(metrics.contains("tripline_snapshots_refused_total 2"), "{metrics}");
    assert!(daemon.terminate().0.success(), "{}", daemon.log());
}

/// Rules that were edited while the daemon was down: what is open of the others goes on.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn rules_that_stay_keep_their_runs_when_others_change_while_the_daemon_is_down() {
    let mut stage = Stage::with_state("snapshot-rules", "every = \"1h\"");
    let mut first = stage.start();
    first.ready();
    stage.write("login", "ann");
    stage.write("purchase", "bob");
    stage.alerts(1);
    assert!(first.terminate().0.success(), "{}", first.log());
    let changed =
        RULES.replace("bought_at_once", "another_name").replace("event login", "event aaa x text\nevent login");
    fs::write(stage.folder.path().join("test.rules"), changed).expect("it is ours");
    let mut second = stage.start();
    second.ready();
    stage.write("purchase", "ann");
    assert_eq!(stage.alerts(3)[1..], ["another_name ann", "bought_after_login ann"]);
    assert!(second.terminate().0.success(), "{}", second.log());
}

/// Fault matrix, row 15: a place that cannot be written to. Detection goes on, the metrics and `/readyz` tell it.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn snapshots_that_cannot_be_written_are_told_and_detection_goes_on() {
    let mut stage = Stage::with_state("snapshot-full", "url = \"file:full\"\nevery = \"100ms\"");
    // A file where the folder should be.
    fs::write(stage.folder.path().join("full"), "").expect("it is ours");
    let mut first = stage.start();
    first.ready();
    stage.write("login", "ann");
    stage.write("purchase", "bob");
    stage.alerts(1);
    first.logged("a snapshot could not be written");
    let until = Instant::now() + GUARD;
    while !first.get("/readyz").contains("snapshots cannot be written") {
        assert!(Instant::now() < until, "{}", first.get("/readyz"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(first.get("/readyz").starts_with("HTTP/1.1 200"));
    stage.write("purchase", "ann");
    stage.alerts(3);
    first.kill();
    let mut second = stage.start();
    second.ready();
    stage.write("purchase", "cid");
    assert_eq!(stage.alerts(4).len(), 4, "nothing is said again");
    assert!(second.terminate().0.success(), "{}", second.log());
}

/// A partition goes to a copy on another machine, with folders of its own, and the state comes out of the bucket. The
/// bucket, not the log, is what both share.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn partitions_move_between_machines_with_their_state() {
    let (broker, bucket) = (Broker::new(), Bucket::start());
    let name = Broker::unique("snapshot-bucket");
    let topic = format!("{name}-events");
    broker.create(&topic, 2);
    let machine = || {
        let folder = folder(RULES, &config(&broker, &name, &topic, &state_in(&bucket)));
        write_keys(folder.path());
        folder
    };
    let write = |event: &str, user: &str, hour: i64| {
        for partition in 0..2 {
            let (time_ms, id) = (T0_MS + hour * 3_600_000, format!("{partition}-{hour}"));
            let line =
                format!(r#"{{"type":"{event}","ts":{time_ms},"user_id":"{user}{partition}","event_id":"{id}"}}"#);
            broker.write(&topic, [(partition, None, Some(line.as_bytes()))]);
        }
    };
    let (here, there) = (machine(), machine());
    let mut first = Daemon::start(here.path());
    first.ready();
    write("login", "ann", 0);
    write("purchase", "bob", 1);
    let until = Instant::now() + GUARD;
    // Each partition has a snapshot of all that is committed, and its offset names it.
    while !(0..2).all(|partition| is_saved(&broker, &bucket, &name, &topic, partition)) {
        assert!(Instant::now() < until, "{:?}\n{}", bucket.keys(), first.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut second = Daemon::start(there.path());
    let restored: serde_json::Value =
        serde_json::from_str(&second.logged("state taken up from a snapshot")).expect("the log is JSON");
    assert_eq!(restored["open_runs"], 1, "{restored}");
    let assigned: serde_json::Value =
        serde_json::from_str(&second.logged("partitions assigned")).expect("the log is JSON");
    assert_eq!((&assigned["partitions"], &assigned["to_read_back"]), (&1.into(), &0.into()), "{assigned}");
    second.ready();
    write("purchase", "ann", 2);
    let mut reader = broker.reader(&format!("{name}-alerts"));
    let alerts = reader.until("the alerts come", |records| records.len() >= 6);
    let mut said: Vec<String> = alerts.iter().map(|alert| alert.json()["rule"].to_string()).collect();
    said.sort_unstable();
    let of = |rule: &str, count: usize| vec![format!("\"{rule}\""); count];
    assert_eq!(said, [of("bought_after_login", 2), of("bought_at_once", 4)].concat());
    // And back again, when that machine is gone.
    second.kill();
    let until = Instant::now() + GUARD;
    while first.log().matches("state taken up from a snapshot").count() < 1 {
        assert!(Instant::now() < until, "{}", first.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(first.terminate().0.success(), "{}", first.log());
    for log in [first.log(), second.log()] {
        assert!(!log.contains("a snapshot is not taken up") && !log.contains("OpenSesame"), "{log}");
    }
    let here_too = here.path().join(format!("state/tripline/{name}/snapshots"));
    assert!(!here_too.exists(), "nothing lies in the folder of the machine");
}

/// A store that hangs at a start: it is told, the log is read back, and detection goes on.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_store_that_does_not_answer_holds_up_no_start() {
    let bucket = Bucket::start();
    let mut stage = Stage::with_state("snapshot-silent", &format!("{}timeout = \"1s\"", state_in(&bucket)));
    write_keys(stage.folder.path());
    let mut first = stage.start();
    first.ready();
    stage.write("login", "ann");
    stage.write("purchase", "bob");
    stage.alerts(1);
    let until = Instant::now() + GUARD;
    while !is_saved(&stage.broker, &bucket, &stage.name, &stage.topic, 0) {
        assert!(Instant::now() < until, "{:?}\n{}", bucket.keys(), first.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    first.kill();
    bucket.fail(Some(Fault::Hang));
    let mut second = stage.start();
    let refused = second.logged("a snapshot is not taken up");
    assert!(refused.contains("no answer within 1s"), "{refused}");
    second.ready();
    stage.write("purchase", "ann");
    assert_eq!(stage.alerts(3)[1..], ["bought_after_login ann", "bought_at_once ann"]);
    second.logged("a snapshot could not be written");
    assert!(second.get("/readyz").contains("snapshots cannot be written to s3://"), "{}", second.get("/readyz"));
    bucket.fail(None);
    assert!(second.terminate().0.success(), "{}", second.log());
}

fn state_in(bucket: &Bucket) -> String {
    format!(
        "url = \"s3://{BUCKET}/fraud\"\nendpoint = \"{}\"\nregion = \"{REGION}\"\nevery = \"100ms\"\n\
         access_key = \"${{file:access-key}}\"\nsecret_key = \"${{file:secret-key}}\"\n",
        bucket.endpoint()
    )
}

fn write_keys(folder: &Path) {
    fs::write(folder.join("access-key"), ACCESS_KEY).expect("it is ours");
    fs::write(folder.join("secret-key"), format!("{SECRET_KEY}\n")).expect("it is ours");
}

/// Whether the committed offset names a snapshot that is of just that offset.
fn is_saved(broker: &Broker, bucket: &Bucket, name: &str, topic: &str, partition: i32) -> bool {
    let Some((offset, mark)) = broker.committed(name, topic, partition) else { return false };
    let mark: serde_json::Value = serde_json::from_str(&mark).expect("a mark is JSON");
    let Some(number) = mark["snapshot"].as_u64() else { return false };
    let key = format!("fraud/{name}/snapshots/{topic}-{partition}/{number:016x}.snapshot");
    // Meanwhile a later commit may have been made, and removed it.
    let Some(bytes) = bucket.object(&key) else { return false };
    let snapshot = Snapshot::from_bytes(&bytes, u16::MAX).expect("it is whole");
    offset >= 2 && snapshot.inputs[0].next == offset
}
