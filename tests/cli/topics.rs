//! `tripline topics`: what the daemon needs of Kafka, without a broker.

use super::{Folder, Ran, tripline};

const RULES: &str = r#"event login user_id text, country text
event purchase user_id text, merchant text, country text

table merchants from topic "merchants" key id with id text, risk text

rule country_hop
  for each user_id
  on every login a
  then purchase b where country is not a.country and merchants[merchant].risk is "high"
  within 5 minutes
  alert high
"#;

const CONFIG: &str = r#"name = "fraud"
rules = ["test.rules"]
[kafka]
brokers = "kafka-1.example:9093,kafka-2.example:9093"
"security.protocol" = "SASL_SSL"
"sasl.username" = "fraud detection"
"sasl.password" = "${file:password}"
[[source]]
topic = "account-events"
key = "user_id"
lateness = "2s"
[alerts]
topic = "fraud-alerts"
[sink.desk.email]
server = "file:mails"
from = "a@b.example"
to = "c@d.example"
[sink.other.kafka]
topic = "copies"
brokers = "elsewhere:9092"
"#;

fn topics(config: &str, arguments: &[&str]) -> Ran {
    let folder = Folder::new();
    folder.file("test.rules", RULES);
    folder.file("password", "hunter2");
    let path = folder.file("tripline.toml", config);
    let mut ran = tripline(&[&["topics", "-c", &path], arguments].concat());
    ran.err = folder.without(&ran.err);
    ran
}

#[test]
fn the_topics_and_rights_that_are_needed_are_as_recorded() {
    insta::assert_snapshot!("topics", topics(CONFIG, &[]).expect(0).out);
    insta::assert_snapshot!("topics_json", topics(CONFIG, &["--format", "json"]).expect(0).out);
    let expected =
        CONFIG.replace("[[source]]", "internal_topics = \"expect\"\nreplication = 3\ninstance = \"a1\"\n[[source]]");
    insta::assert_snapshot!(
        "topics_commands",
        topics(&expected, &["--format", "commands", "--principal", "User:CN=o'neil"]).expect(0).out
    );
}

#[test]
fn what_is_delivered_at_least_once_needs_no_transactions() {
    let config = CONFIG.replace("[[source]]", "delivery = \"at-least-once\"\n[[source]]");
    let out = topics(&config, &[]).expect(0).out;
    assert!(!out.contains("transactional id") && out.contains("fraud.sink.desk"), "{out}");
}

#[test]
fn rules_of_another_key_need_the_topic_that_brings_their_events_together() {
    let config = CONFIG.replace("key = \"user_id\"", "key = \"merchant\"");
    let out = topics(&config, &[]).expect(0).out;
    let lines: Vec<&str> = out.lines().filter(|line| line.contains("fraud.repartition")).collect();
    insta::assert_snapshot!("topics_repartition", lines.join("\n"));
}

#[test]
fn files_need_nothing_of_kafka() {
    let config = "name = \"t\"\nrules = [\"test.rules\"]\n[[source]]\nstdin = true\n[alerts]\nstdout = true\n";
    let ran = topics(config, &[]).expect(0);
    assert_eq!((ran.out.as_str(), ran.err.trim_end()), ("", "no topic is read or written: everything is a file"));
}

#[test]
fn a_broker_that_does_not_answer_is_told() {
    let config = "name = \"t\"\nrules = [\"test.rules\"]\n[kafka]\nbrokers = \"127.0.0.1:1\"\n[[source]]\ntopic = \"e\"\n\
                  [alerts]\nstdout = true\n";
    let ran = topics(config, &["--check"]).expect(3);
    assert!(ran.err.contains("no answer from 127.0.0.1:1"), "{ran:#?}");
}
