//! The alert on the wire: its form and its id are promises to those who read the alerts topic.

use std::sync::Arc;

use serde_json::json;
use tripline::alert::AlertRecord;
use tripline::engine::InputSettings;
use tripline::program::{Evidence, Program};

use super::support::{Feed, program};

const RULES: &str = "
event login user_id text, country text, location point
event purchase user_id text, country text, amount number
rule country_hop \"Login, then a purchase from another country\"
  for each user_id
  on every login a
  then purchase b where country is not a.country and distance(a.location, a.location) is 0 km
  within 5 minutes
  alert high score 40 \"{user_id}: login from {a.country}, purchase of {b.amount} from {b.country}\" to desk tags fraud
";

fn record(rules: &str) -> AlertRecord {
    record_of(&program(rules))
}

fn record_of(program: &Arc<Program>) -> AlertRecord {
    let mut feed = Feed::new(program, InputSettings::default());
    let login = json!({"type": "login", "ts": 1_767_225_600_000_i64, "event_id": "e1", "user_id": "u1", "country": "DE",
        "location": [13.4, 52.5]});
    let purchase = json!({"type": "purchase", "ts": "2026-01-01T00:04:00Z", "user_id": "u1", "country": "FR",
        "amount": 30});
    feed.push(&login.to_string());
    let (_, alerts) = feed.push(&purchase.to_string());
    AlertRecord::new(&alerts[0], &["events".to_owned()])
}

#[test]
fn an_alert_has_this_form() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&record(RULES)).expect("plain data"));
}

/// Beside what it carries anyway: the same id, and the fields that the rule read still apart.
#[test]
fn an_alert_with_whole_events_has_this_form() {
    let mut full = Program::clone(&program(RULES));
    full.carry(Evidence::Full);
    let whole = record_of(&Arc::new(full));
    insta::assert_snapshot!(serde_json::to_string_pretty(&whole).expect("plain data"));
    assert_eq!(serde_json::from_str::<AlertRecord>(&whole.to_json()).expect("our own form"), whole);
    let json = serde_json::to_value(&whole).expect("plain data");
    assert_eq!(serde_json::from_value::<AlertRecord>(json).expect("our own form").alert_id, record(RULES).alert_id);
}

#[test]
fn only_what_a_step_takes_is_kept_whole() {
    let mut program = Program::clone(&program(
        "event a user text\nevent b user text, n number\nevent c user text\nrule r\n  for each user\n  on a where \
         sum(b.n) over 1 hour > 5\n  then a\n  unless c\n  within 1 hour\n  alert low\n",
    ));
    assert!(program.types.iter().all(|plan| !plan.whole), "nobody asked");
    program.carry(Evidence::Full);
    let whole = program.types.iter().map(|plan| plan.whole).collect::<Vec<_>>();
    assert_eq!(whole, [true, false, false], "b is only added up, and c only ends what is open");
}

#[test]
fn an_alert_reads_back() {
    let record = record(RULES);
    assert_eq!(serde_json::from_str::<AlertRecord>(&record.to_json()).expect("our own form"), record);
    assert_eq!(record.record_key().as_deref(), Some("u1"));
}

#[test]
fn the_id_follows_from_the_match_and_not_from_the_words() {
    let before = record(RULES);
    let words = RULES.replace("alert high score 40", "alert low").replace("Login, then", "First a login, then");
    let after = record(&words);
    assert_eq!(after.alert_id, before.alert_id);
    assert_ne!(after.version, before.version);
    let other = record(&RULES.replace("5 minutes", "6 minutes"));
    assert_ne!(other.alert_id, before.alert_id);
    let laid_out = RULES.replace("5 minutes", "300 s").replace("\n  then", " # why not\n     then");
    assert_eq!((record(&laid_out).alert_id, record(&laid_out).version), (before.alert_id, before.version));
}
