//! Tables from topics: read whole before anything is judged, then as their messages arrive.

use std::time::{SystemTime, UNIX_EPOCH};

use super::broker::{Broker, Record};
use super::daemon::{Daemon, command, folder};

const RULES: &str = r#"
event purchase user_id text, merchant text

table merchants from topic "TABLE" key id with risk text
list  bad_users from "bad_users.csv" key user_id with user_id text

rule risky
  for each user_id
  on purchase where merchants[merchant].risk is "high"
  alert high "{merchant} is {merchants[merchant].risk}"

rule bad
  for each user_id
  on purchase where user_id in bad_users
  alert high "{user_id}"

rule raised
  for each id
  on merchants where op is "update" and risk is "high" and before.risk is "low" and merchants[id].risk is "high"
  alert low "{id}"
"#;

/// The names of a test: its topics, and a folder with its rules and configuration.
fn stage(broker: &Broker, test: &str) -> (String, tempfile::TempDir) {
    let name = Broker::unique(test);
    broker.create(&format!("{name}-events"), 3);
    broker.create_with(&format!("{name}-merchants"), 2, &[("cleanup.policy", "compact")]);
    let config = format!(
        "{}\
         [[source]]\ntopic = \"{name}-events\"\nkey = \"user_id\"\nlateness = \"0s\"\nidle_timeout = \"1s\"\n\
         [[source]]\ntopic = \"{name}-merchants\"\nformat = \"debezium\"\nevent = \"merchants\"\nkey = \"id\"\n\
         lateness = \"0s\"\nidle_timeout = \"1s\"\n[alerts]\ntopic = \"{name}-alerts\"\n",
        broker.opening(&name)
    );
    let folder = folder(&RULES.replace("TABLE", &format!("{name}-merchants")), &config);
    std::fs::write(folder.path().join("bad_users.csv"), "user_id\nmallory\n").expect("writable");
    (name, folder)
}

fn envelope(id: &str, before: &str, after: &str) -> String {
    let row = |risk: &str| match risk {
        "" => "null".to_owned(),
        risk => format!(r#"{{"id":"{id}","risk":"{risk}"}}"#),
    };
    let op = match (before, after) {
        ("", _) => "c",
        (_, "") => "d",
        _ => "u",
    };
    let now = now_ms();
    format!(
        r#"{{"payload":{{"before":{},"after":{},"op":"{op}","ts_ms":{now},"source":{{"ts_ms":{now}}}}}}}"#,
        row(before),
        row(after)
    )
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()
}

fn buy(broker: &Broker, name: &str, user: &str, merchant: &str) {
    let line = format!(r#"{{"type":"purchase","ts":{},"user_id":"{user}","merchant":"{merchant}"}}"#, now_ms());
    // By the user, as the source says: one partition a name is enough here.
    let partition = i32::from(user.as_bytes()[0] % 3);
    broker.write(&format!("{name}-events"), [(partition, None, Some(line.as_bytes()))]);
}

fn said(rule: &'static str, message: &'static str) -> impl Fn(&[Record]) -> bool {
    move |records| records.iter().any(|record| record.json()["rule"] == rule && record.json()["message"] == message)
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn rows_are_there_before_the_first_event_and_follow_their_topic() {
    let broker = Broker::new();
    let (name, folder) = stage(&broker, "tables");
    let table = format!("{name}-merchants");
    let write = |partition, id: &str, payload: Option<&str>| {
        broker.write(&table, [(partition, Some(id.as_bytes()), payload.map(str::as_bytes))]);
    };
    // Everything is there before the daemon is: rows in both partitions, one that ended, and events.
    write(0, "m1", Some(&envelope("m1", "", "high")));
    write(1, "m2", Some(&envelope("m2", "", "low")));
    write(0, "m3", Some(&envelope("m3", "", "high")));
    write(0, "m3", None);
    buy(&broker, &name, "anna", "m1");
    buy(&broker, &name, "ben", "m2");
    buy(&broker, &name, "cleo", "m3");
    let out = command(folder.path()).arg("--check").output().expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains(&format!("topic `{table}`, 2 partitions, readable")), "{text}");

    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    let mut alerts = broker.reader(&format!("{name}-alerts"));
    alerts.until("the first row is seen", said("risky", "m1 is high"));

    // A change raises an alert of its own, and is seen by the events after it, in all partitions.
    write(1, "m2", Some(&envelope("m2", "low", "high")));
    alerts.until("the change is an event, after it has applied", said("raised", "m2"));
    buy(&broker, &name, "dora", "m2");
    buy(&broker, &name, "emil", "m2");
    alerts.until("the change is seen", |records| {
        records.iter().filter(|record| record.json()["message"] == "m2 is high").count() == 2
    });
    let told: Vec<Record> = alerts.poll().to_vec();
    assert!(!told.iter().any(|record| record.key.as_deref() == Some(b"cleo")), "the row of m3 had ended");
    assert!(!told.iter().any(|record| record.key.as_deref() == Some(b"ben")), "m2 was low then");

    // The end of a row, and a changed file.
    write(0, "m1", None);
    std::fs::write(folder.path().join("bad_users.csv"), "user_id\nmallory\nfritz\n").expect("writable");
    daemon.logged("table read again");
    buy(&broker, &name, "fritz", "m1");
    alerts.until("the file is taken up", said("bad", "fritz"));
    std::fs::write(folder.path().join("bad_users.csv"), "user\nfritz\n").expect("writable");
    daemon.logged("its old rows stay");
    buy(&broker, &name, "mallory", "m1");
    let last = alerts.until("the old rows stay", said("bad", "mallory"));
    assert_eq!(last.iter().filter(|record| record.json()["message"] == "m1 is high").count(), 1, "the row had ended");
    let metrics = daemon.get("/metrics");
    assert!(metrics.contains("tripline_table_rows{table=\"merchants\"} 1"), "{metrics}");
    assert!(!metrics.contains("reason=\"tombstone\""), "{metrics}");
    assert!(daemon.terminate().0.success(), "{}", daemon.log());
}
