//! Rules that are changed while the daemon runs: under load, by SIGHUP and over HTTP, and refused where they are wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::broker::{Broker, GUARD};
use super::daemon::{Daemon, command, folder};

const TOKEN: &str = "a-token-of-the-tests";
const DECLARED: &str = "event login user_id text\nevent purchase user_id text\n";
const STAYS: &str = "rule stays\n  for each user_id\n  on login\n  then purchase\n  within 30 days\n  alert low\n";
const T0_MS: i64 = 1_700_000_000_000;

struct Stage {
    broker: Broker,
    name: String,
    topic: String,
    folder: tempfile::TempDir,
    written: AtomicI64,
}

impl Stage {
    fn new(test: &str) -> Stage {
        let broker = Broker::new();
        let name = Broker::unique(test);
        let topic = format!("{name}-events");
        broker.create(&topic, 2);
        let config = format!(
            "{}\"session.timeout.ms\" = 2000\n\
             \"heartbeat.interval.ms\" = 300\n[[source]]\ntopic = \"{topic}\"\nkey = \"user_id\"\n\
             [alerts]\ntopic = \"{name}-alerts\"\n",
            broker.opening(&name)
        );
        let folder = folder(&format!("{DECLARED}{STAYS}"), &config);
        let path = folder.path().join("tripline.toml");
        let config = fs::read_to_string(&path).expect("it is ours");
        let with_token = config.replace("[http]\n", "[http]\ntoken = \"${env:TRIPLINE_TOKEN}\"\n");
        fs::write(path, with_token).expect("it is ours");
        Stage { folder, broker, name, topic, written: AtomicI64::new(0) }
    }

    fn start(&self) -> Daemon {
        Daemon::start_with(command(self.folder.path()).env("TRIPLINE_TOKEN", TOKEN))
    }

    fn rules(&self, text: &str) {
        fs::write(self.folder.path().join("test.rules"), text).expect("it is ours");
    }

    /// Writes an event of each of these users.
    fn write(&self, event: &str, users: std::ops::Range<usize>) {
        let lines: Vec<(i32, String)> = users
            .map(|user| {
                let number = self.written.fetch_add(1, Ordering::Relaxed);
                let line = format!(
                    r#"{{"type":"{event}","ts":{},"user_id":"u{user}","event_id":"e{number}"}}"#,
                    T0_MS + number * 60_000
                );
                (i32::try_from(user % 2).expect("small"), line)
            })
            .collect();
        let records = lines.iter().map(|(partition, line)| (*partition, None, Some(line.as_bytes())));
        self.broker.write(&self.topic, records);
    }

    /// How many alerts of each rule there are, once there are so many of all.
    fn alerts(&self, count: usize) -> BTreeMap<String, usize> {
        let mut reader = self.broker.reader(&format!("{}-alerts", self.name));
        let mut found = BTreeMap::new();
        for record in reader.until("the alerts come", |records| records.len() >= count) {
            *found.entry(record.json()["rule"].as_str().expect("a rule").to_owned()).or_default() += 1;
        }
        found
    }
}

/// The status and body of a request.
fn ask(address: &str, request: &str, token: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let token = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    write!(stream, "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n{token}\r\n")
        .expect("it takes requests");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

/// Waits until a counter has this value.
fn counted(daemon: &mut Daemon, line: &str) {
    let until = Instant::now() + GUARD;
    loop {
        let metrics = daemon.get("/metrics");
        if metrics.lines().any(|found| found == line) {
            return;
        }
        assert!(Instant::now() < until, "never `{line}`:\n{metrics}\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Rules that stay lose no open run and no event while others come, go and change under load. The daemon is asked ten
/// times; each user's login and purchase lie on both sides of some change.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn rules_that_stay_lose_nothing_while_others_change_under_load() {
    const USERS: usize = 4_000;
    let stage = Stage::new("reload-load");
    let mut daemon = stage.start();
    daemon.ready();
    let address = daemon.address().to_owned();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in (0..USERS).step_by(100) {
                stage.write("login", at..at + 100);
                if at >= 1_000 {
                    stage.write("purchase", at - 1_000..at - 900);
                }
                std::thread::sleep(Duration::from_millis(40));
            }
            stage.write("purchase", USERS - 1_000..USERS);
        });
        for turn in 0..10 {
            std::thread::sleep(Duration::from_millis(120));
            let other = format!(
                "event aaa{turn} x text\nrule other{turn}\n  for each user_id\n  on login\n  then login\n  within {} m\n  \
                 alert info\n",
                turn + 1
            );
            stage.rules(&format!("{other}{DECLARED}{STAYS}"));
            let (status, plan) = ask(&address, "POST /rules/reload", Some(TOKEN));
            assert_eq!(status, 200, "{plan}\n{}", daemon.log());
            let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
            assert_eq!(plan["added"], serde_json::json!([format!("other{turn}")]), "{plan}");
            assert_eq!(plan["unchanged"], 1, "{plan}");
        }
    });
    let alerts = stage.alerts(USERS);
    assert_eq!(alerts.get("stays"), Some(&USERS), "{alerts:?}");
    counted(&mut daemon, "tripline_rule_reloads_total{result=\"changed\"} 10");
    assert!(daemon.terminate().0.success(), "{}", daemon.log());
}

/// Fault matrix, row 20: a broken rule file leaves the old rules running, and everybody is told.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_broken_file_leaves_the_old_rules_running() {
    let stage = Stage::new("reload-broken");
    let mut daemon = stage.start();
    daemon.ready();
    let address = daemon.address().to_owned();
    stage.write("login", 0..2);
    stage.rules(&format!("{DECLARED}{STAYS}rule broken\n  on logim\n  alert low\n"));
    let (status, answer) = ask(&address, "POST /rules/reload", Some(TOKEN));
    assert!(status == 422 && answer.contains("logim") && answer.contains("test.rules"), "{status} {answer}");
    assert!(daemon.logged("the rules could not be changed").contains("logim"));
    // A rule whose events come from several partitions needs a topic that is not read yet.
    stage.rules(&format!("{DECLARED}{STAYS}rule everywhere\n  on login\n  then purchase\n  within 1 m\n  alert low\n"));
    let (status, answer) = ask(&address, "POST /rules/reload", Some(TOKEN));
    assert!(status == 422 && answer.contains("from its next start on"), "{status} {answer}");
    counted(&mut daemon, "tripline_rule_reloads_total{result=\"refused\"} 2");
    stage.write("purchase", 0..2);
    assert_eq!(stage.alerts(2), BTreeMap::from([("stays".to_owned(), 2)]));
    assert!(daemon.terminate().0.success(), "{}", daemon.log());
}

/// By signal, and with a word on it before.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_plan_tells_what_a_signal_then_does() {
    let stage = Stage::new("reload-plan");
    let mut daemon = stage.start();
    daemon.ready();
    stage.write("login", 0..3);
    stage.rules(&format!("{DECLARED}{}", STAYS.replace("stays", "renamed")));
    let address = daemon.address().to_owned();
    // The port was chosen by the system.
    let path = stage.folder.path().join("tripline.toml");
    let config = fs::read_to_string(&path).expect("it is ours");
    fs::write(&path, config.replace("127.0.0.1:0", &address)).expect("it is ours");
    let until = Instant::now() + GUARD;
    let said = loop {
        let mut plan = Command::new(env!("CARGO_BIN_EXE_tripline"));
        let output = plan.arg("plan").arg("-c").arg(&path).env("TRIPLINE_TOKEN", TOKEN).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("text");
        if said.contains("3 open runs are dropped") {
            break said;
        }
        assert!(Instant::now() < until, "{said}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(said.contains("+ renamed: starts with the next event\n- stays, 3 open runs are dropped\n"), "{said}");
    for token in [None, Some("another-token-altogether")] {
        assert_eq!(ask(&address, "POST /rules/reload", token).0, 401);
        assert_eq!(ask(&address, "GET /rules/plan", token).0, 401);
    }
    daemon.hang_up();
    let changed = daemon.logged("the rules were changed");
    assert!(changed.contains("SIGHUP") && changed.contains("renamed") && changed.contains("stays"), "{changed}");
    stage.write("purchase", 0..3);
    stage.write("login", 0..1);
    stage.write("purchase", 0..1);
    assert_eq!(stage.alerts(1), BTreeMap::from([("renamed".to_owned(), 1)]));
    // A restart takes up what the new rules have open.
    stage.write("login", 7..8);
    assert!(daemon.terminate().0.success(), "{}", daemon.log());
    let mut second = stage.start();
    second.logged("state taken up from a snapshot");
    second.ready();
    stage.write("purchase", 7..8);
    assert_eq!(stage.alerts(2), BTreeMap::from([("renamed".to_owned(), 2)]));
    assert!(second.terminate().0.success(), "{}", second.log());
}
