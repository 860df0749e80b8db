//! Messages that are no events: they go to the dead letters, bytes as they were, and detection goes on.

use super::broker::{Broker, Record};
use super::daemon::{Daemon, folder};

const RULES: &str = "
event ping  user_id text

rule pinged
  for each user_id
  on ping
  alert low
";

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn poison_goes_to_the_dead_letters_and_the_rest_is_judged() {
    let broker = Broker::new();
    let name = Broker::unique("poison");
    let topic = format!("{name}-events");
    broker.create(&topic, 1);
    let config = format!(
        r#"
{}[[source]]
topic = "{topic}"
key = "user_id"
lateness = "0s"
late = "dead-letter"
[alerts]
topic = "{name}-alerts"
[limits]
max_event_bytes = 15000
max_event_depth = 20
"#,
        broker.opening(&name)
    );
    let folder = folder(RULES, &config);
    let deep = "[".repeat(100_000 / 20) + &"]".repeat(100_000 / 20);
    let deep = format!(r#"{{"type":"ping","ts":1,"x":{deep}}}"#);
    let large = format!(r#"{{"type":"ping","ts":1,"x":"{}"}}"#, "x".repeat(20_000));
    let good = |user: &str, ms: u64| format!(r#"{{"type":"ping","ts":{ms},"user_id":"{user}"}}"#);
    let (first, last, late) = (good("first", 1_000), good("last", 2_000), good("late", 500));
    let messages: Vec<(Option<&[u8]>, &str)> = vec![
        (Some(first.as_bytes()), ""),
        (Some(b"{\"type\":"), "not_json"),
        (Some(b"\xff\xfe{}"), "not_utf8"),
        (Some(b"[1,2]"), "not_an_object"),
        (Some(deep.as_bytes()), "too_deep"),
        (Some(large.as_bytes()), "too_large"),
        (Some(b"{\"ts\":5}"), "no_type"),
        (Some(b"{\"type\":\"ping\"}"), "no_time"),
        (Some(b"{\"type\":\"ping\",\"ts\":\"yesterday\"}"), "bad_time"),
        (None, "tombstone"),
        (Some(late.as_bytes()), "late"),
        (Some(last.as_bytes()), ""),
    ];
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    broker.write(&topic, messages.iter().map(|(payload, _)| (0, Some(&b"the key"[..]), *payload)));
    let bad: Vec<_> = messages.iter().enumerate().filter(|(_, (_, reason))| !reason.is_empty()).collect();
    let letters =
        broker.reader(&format!("{name}.dead-letters")).until("the dead letters", |records| records.len() >= bad.len());
    assert_eq!(letters.len(), bad.len(), "each once: {letters:?}");
    for (letter, (offset, (payload, reason))) in letters.iter().zip(bad) {
        assert_eq!(letter.headers["reason"], *reason, "{:?}", letter.headers);
        assert_eq!(letter.headers["offset"], offset.to_string());
        assert_eq!(letter.headers["topic"], topic);
        assert_eq!(letter.headers["partition"], "0");
        assert!(!letter.headers["detail"].is_empty() && !letter.headers["timestamp"].is_empty());
        assert_eq!(letter.payload.as_deref(), *payload, "the bytes as they were");
        assert_eq!(letter.key.as_deref(), Some(&b"the key"[..]));
    }
    let users = |records: &[Record]| records.iter().filter_map(|record| record.key.clone()).collect::<Vec<_>>();
    let alerts = broker.reader(&format!("{name}-alerts")).until("the alerts", |records| records.len() >= 2);
    assert_eq!(users(&alerts), [b"first".to_vec(), b"last".to_vec()]);
    let metrics = daemon.get("/metrics");
    assert!(metrics.contains(&format!("tripline_dead_letters_total{{topic=\"{topic}\",reason=\"too_deep\"}} 1")));
    assert!(daemon.terminate().0.success(), "{}", daemon.log());
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn an_alert_too_large_for_its_topic_is_sent_with_less_of_its_events() {
    let broker = Broker::new();
    let name = Broker::unique("cut-alerts");
    let topic = format!("{name}-events");
    broker.create(&topic, 1);
    let config = format!(
        "{}\"message.max.bytes\" = 3000\n\
         [[source]]\ntopic = \"{topic}\"\nkey = \"user_id\"\nlateness = \"0s\"\n[alerts]\ntopic = \"{name}-alerts\"\n\
         evidence = \"full\"\n",
        broker.opening(&name)
    );
    let rules = "event ping user_id text, note text\nrule noted\n  for each user_id\n  on ping where note is not \"x\"\n  \
                 alert low\n";
    let folder = folder(rules, &config);
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    let long = "é".repeat(2_000);
    let ping = |ms: u64, note: &str, more: &str| {
        format!(r#"{{"type":"ping","ts":{ms},"user_id":"u","note":"{note}","more":"{more}"}}"#)
    };
    let lines = [ping(1_000, "short", "short"), ping(2_000, "short", &long), ping(3_000, &long, "short")];
    broker.write_lines(&topic, &lines.each_ref().map(String::as_str));
    let alerts = broker.reader(&format!("{name}-alerts")).until("the alerts", |records| records.len() >= lines.len());
    let carried: Vec<_> = alerts
        .iter()
        .map(|alert| {
            let event = &alert.json()["events"][0];
            (event["event"].is_object(), event["fields"]["note"].is_string(), event["source"]["offset"].as_u64())
        })
        .collect();
    assert_eq!(carried, [(true, true, Some(0)), (false, true, Some(1)), (false, false, Some(2))]);
    assert!(daemon.get("/metrics").contains("tripline_alerts_cut_total 2"), "{}", daemon.log());
    assert!(daemon.terminate().0.success(), "{}", daemon.log());
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn an_unwritable_dead_letter_topic_stops_the_daemon() {
    let broker = Broker::new();
    let name = Broker::unique("unwritable");
    let topic = format!("{name}-events");
    broker.create(&topic, 1);
    // A topic that takes only tiny records refuses the dead letter.
    broker.create_with(&format!("{name}.dead-letters"), 1, &[("max.message.bytes", "100")]);
    let config = format!(
        "{}[[source]]\ntopic = \"{topic}\"\nkey = \
         \"user_id\"\n[alerts]\ntopic = \"{name}-alerts\"\n",
        broker.opening(&name)
    );
    let folder = folder(RULES, &config);
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    broker.write_lines(&topic, &[&"not an event ".repeat(100)]);
    let status = daemon.wait();
    assert!(!status.success(), "{}", daemon.log());
    assert!(daemon.log().contains(&format!("{name}.dead-letters")), "{}", daemon.log());
    assert_eq!(broker.committed(&name, &topic, 0), None, "the message is not skipped");
}
