//! One copy that runs: where it begins, what it does when nothing comes, what its sinks send.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::broker::{Broker, GUARD};
use super::daemon::{Daemon, command, folder};

const RULES: &str = r#"
event login     user_id text, country text
event purchase  user_id text, card_id text, country text

rule country_hop
  for each user_id
  on every login a
  then purchase b where country is not a.country
  within 5 minutes
  alert high "{user_id}: login from {a.country}, purchase from {b.country}"

rule nothing_bought
  for each user_id
  on login
  then no purchase within 2 seconds
  alert low
"#;

fn config(broker: &Broker, name: &str, source: &str, more: &str) -> String {
    format!(
        r#"
{}[[source]]
topic = "{name}-events"
key = "user_id"
lateness = "0s"
idle_timeout = "1s"
{source}
[alerts]
topic = "{name}-alerts"
{more}
"#,
        broker.opening(name)
    )
}

fn login(user: &str, country: &str, time_ms: u128) -> String {
    format!(r#"{{"type":"login","ts":{time_ms},"id":"l-{user}","user_id":"{user}","country":"{country}"}}"#)
}

fn purchase(user: &str, country: &str, time_ms: u128) -> String {
    format!(r#"{{"type":"purchase","ts":{time_ms},"id":"p-{user}","user_id":"{user}","country":"{country}"}}"#)
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_silence_alerts_although_nothing_else_comes() {
    let broker = Broker::new();
    let name = Broker::unique("silence");
    broker.create(&format!("{name}-events"), 2);
    let folder = folder(RULES, &config(&broker, &name, "", ""));
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    broker.write_lines(&format!("{name}-events"), &[&login("u1", "DE", now_ms())]);
    let found = broker.reader(&format!("{name}-alerts")).until("the silence is told", |records| !records.is_empty());
    assert_eq!(found[0].json()["rule"], "nothing_bought");
    assert_eq!(found[0].key.as_deref(), Some(&b"u1"[..]), "keyed by the rule's key");
    let metrics = daemon.get("/metrics");
    assert!(metrics.contains("tripline_alerts_total{rule=\"nothing_bought\",severity=\"low\"} 1"), "{metrics}");
    assert!(daemon.get("/healthz").starts_with("HTTP/1.1 200"), "{}", daemon.log());
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn latest_begins_with_the_next_event_also_after_a_restart() {
    let broker = Broker::new();
    let name = Broker::unique("latest");
    let topic = format!("{name}-events");
    broker.create(&topic, 1);
    let then = now_ms() - 60_000;
    broker.write_lines(&topic, &[&login("old", "DE", then)]);
    let folder = folder(RULES, &config(&broker, &name, "start = \"latest\"", ""));
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    let now = now_ms();
    broker.write_lines(&topic, &[&purchase("old", "FR", now), &login("new", "DE", now)]);
    let mut alerts = broker.reader(&format!("{name}-alerts"));
    let is_new = |record: &super::broker::Record| record.key.as_deref() == Some(b"new");
    alerts.until("new events are judged", |records| records.iter().any(is_new));
    assert!(daemon.terminate().0.success(), "{}", daemon.log());

    // The open login of `new` is read back from where the group began; `old` began before that.
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    let later = now + 100_000;
    broker.write_lines(&topic, &[&purchase("old", "FR", later), &purchase("new", "FR", later)]);
    let hop = |record: &super::broker::Record| record.json()["rule"] == "country_hop";
    let found = alerts.until("the hop is seen", |records| records.iter().any(hop));
    let keys: Vec<_> = found.iter().filter(|record| hop(record)).filter_map(|record| record.key.clone()).collect();
    assert_eq!(keys, [b"new".to_vec()], "what came before the start is not judged");
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn copies_that_start_together_begin_where_the_group_begins() {
    let broker = Broker::new();
    let name = Broker::unique("together");
    let topic = format!("{name}-events");
    broker.create(&topic, 4);
    let old: Vec<String> = (0..4).map(|user| login(&format!("old{user}"), "DE", now_ms())).collect();
    broker.write(&topic, old.iter().zip(0..).map(|(line, partition)| (partition, None, Some(line.as_bytes()))));
    let folder = folder(RULES, &config(&broker, &name, "start = \"latest\"", ""));
    let mut copies = [Daemon::start(folder.path()), Daemon::start(folder.path())];
    copies.iter_mut().for_each(Daemon::ready);
    for partition in 0..4 {
        let (offset, mark) = broker.committed(&name, &topic, partition).expect("it begins somewhere");
        assert!(offset == 1 && mark.contains("\"start\":1"), "{partition}: {offset} {mark}");
    }
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn mails_go_out_once_over_a_restart() {
    let broker = Broker::new();
    let name = Broker::unique("mail");
    let topic = format!("{name}-events");
    broker.create(&topic, 1);
    let sink = r#"
[sink.desk.email]
server = "file:mails"
from = "tripline@example.com"
to = "desk@example.com"
"#;
    let folder = folder(RULES, &config(&broker, &name, "", sink));
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    let now = now_ms();
    broker.write_lines(&topic, &[&login("u1", "DE", now), &purchase("u1", "FR", now + 1)]);
    let mails = || {
        let files = std::fs::read_dir(folder.path().join("mails")).into_iter().flatten().flatten();
        files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect::<Vec<_>>()
    };
    let until = std::time::Instant::now() + GUARD;
    while mails().is_empty() {
        assert!(std::time::Instant::now() < until, "no mail:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(mails()[0].contains("country_hop"), "{}", mails()[0]);
    let group = format!("{name}.sink.desk");
    let stored = || broker.committed(&group, &format!("{name}-alerts"), 0).is_some();
    while !stored() {
        assert!(std::time::Instant::now() < until, "never acknowledged:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(daemon.terminate().0.success(), "{}", daemon.log());

    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    // The time of a quiet partition went on, and that is kept over the restart: what is older would be late.
    let now = now_ms();
    broker.write_lines(&topic, &[&login("u2", "DE", now), &purchase("u2", "FR", now + 1)]);
    while mails().len() < 2 {
        assert!(std::time::Instant::now() < until, "no second mail:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let first = mails().iter().filter(|mail| mail.contains("u1")).count();
    assert_eq!(first, 1, "an acknowledged alert is not mailed again");
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn check_tells_what_would_not_work() {
    let broker = Broker::new();
    let name = Broker::unique("check");
    let rules = RULES.replacen("for each user_id", "for each card_id", 1).replacen("every login", "every purchase", 1);
    let missing = folder(RULES, &config(&broker, &name, "", ""));
    let out = command(missing.path()).arg("--check").output().expect("it runs");
    assert_eq!(out.status.code(), Some(3), "a topic is missing");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains(&format!("topic `{name}-events` does not exist")), "{text}");

    broker.create(&format!("{name}-events"), 2);
    let out = command(missing.path()).arg("--check").output().expect("it runs");
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));

    let brought = folder(&rules, &config(&broker, &name, "", ""));
    let out = command(brought.path()).arg("--check").output().expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(0), "{text}");
    assert!(
        text.contains(&format!("rules for each card_id are judged behind the topic `{name}.repartition`")),
        "{text}"
    );

    broker.create(&format!("{name}-others"), 3);
    let others = format!("[[source]]\ntopic = \"{name}-others\"\nkey = \"user_id\"\ncopartitioned = \"users\"\n");
    let wrong = folder(RULES, &config(&broker, &name, "copartitioned = \"users\"", &others));
    let out = command(wrong.path()).arg("--check").output().expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(text.contains("copartitioned = \"users\"") && text.contains("-others` has 3"), "{text}");
    let out = command(wrong.path()).output().expect("it runs");
    assert_eq!(out.status.code(), Some(2), "the daemon does not start either");
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_daemon_that_expects_its_topics_makes_none_and_says_what_does() {
    let broker = Broker::new();
    let name = Broker::unique("expect");
    let config = config(&broker, &name, "", "");
    let config = config.replace("[[source]]", "internal_topics = \"expect\"\n[[source]]");
    let folder = folder(RULES, &config);
    broker.create(&format!("{name}-events"), 3);
    let out = command(folder.path()).output().expect("it runs");
    let err = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(3), "{err}");
    let (alerts, letters) = (format!("{name}-alerts"), format!("{name}.dead-letters"));
    for (topic, role) in [(&alerts, "alerts"), (&letters, "dead letters")] {
        let command = format!(
            "{topic} ({role}): kafka-topics.sh --bootstrap-server {} --create --if-not-exists --topic {topic} --partitions 3 \
             --config cleanup.policy=delete",
            broker.address()
        );
        assert!(err.contains(&command), "{command}\n{err}");
    }
    assert!(!err.contains(&format!("{name}-events (")), "the source is there: {err}");
    assert_eq!(broker.partitions(&alerts), 0, "nothing was made");
    assert_eq!(broker.partitions(&letters), 0, "nothing was made");

    let topics = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tripline"));
        command.args(["topics", "--check", "-c"]).arg(folder.path().join("tripline.toml"));
        let out = command.output().expect("it runs");
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let (code, text) = topics();
    assert!(code == Some(1) && text.contains("MISSING"), "{text}");
    broker.create(&alerts, 3);
    broker.create_with(&letters, 1, &[("cleanup.policy", "compact")]);
    let (code, text) = topics();
    assert!(code == Some(1) && text.contains("cleanup.policy is compact, must be cleanup.policy=delete"), "{text}");
    assert!(text.contains("ok, partitions: 3"), "{text}");
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_daemon_over_files_makes_the_topic_of_its_alerts_or_expects_it() {
    let broker = Broker::new();
    let name = Broker::unique("files");
    let config = format!(
        "{}internal_topics = \"expect\"\n[[source]]\n\
         file = \"events.ndjson\"\n[alerts]\ntopic = \"{name}-alerts\"\n",
        broker.opening(&name)
    );
    let run = |config: &str| {
        let folder = folder(RULES, config);
        let lines = [login("u1", "DE", 1_000), purchase("u1", "FR", 2_000)].join("\n");
        std::fs::write(folder.path().join("events.ndjson"), lines).expect("the events are written");
        let out = command(folder.path()).output().expect("it runs");
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let alerts = format!("{name}-alerts");
    let (code, err) = run(&config);
    assert!(code == Some(3) && err.contains(&format!("--create --if-not-exists --topic {alerts}")), "{err}");
    assert_eq!(broker.partitions(&alerts), 0, "nothing was made");
    let (code, err) = run(&config.replace("expect", "create"));
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(broker.partitions(&alerts), 1);
    let found = broker.reader(&alerts).until("the alert", |records| !records.is_empty());
    assert_eq!(found[0].json()["rule"], "country_hop");
}
