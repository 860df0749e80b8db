//! The rules of a simulation, its settings, and the events that are written while it runs. Rules of the key that the topics
//! are partitioned by are judged where their events are; in half of the worlds there are others, which are judged behind
//! the repartition topic.
//!
//! What the rules must say has to be one thing only, whatever happens. So no two events have one time, and none is late:
//! an event's time is up to 20 s before it is written, and the lateness is longer than anything can stand still.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::json;

use super::broker::{Body, Broker};
use super::chance::Chance;
use super::world::BEGIN_MS;
use crate::config::{self, Settings};
use crate::ruleset::RuleSet;
use crate::source::kafka::Partition;
use crate::testing::oracle::TestEvent;

/// The topics of events.
pub(super) const SOURCES: [&str; 2] = ["logins", "orders"];
/// The topic of alerts.
pub(super) const ALERTS: &str = "alerts";
/// The topic of messages that are no events.
pub(super) const LETTERS: &str = "letters";
/// The topic that brings events together whose keys lie in several partitions.
pub(super) const REPARTITION: &str = "sim.repartition";

/// How far events are out of order, in ms.
const DISORDER_MS: u64 = 20_000;
const USERS: u64 = 3;
/// So many in all, each of any user's.
const CARDS: u64 = 4;

const RULES: &str = r"
event login user_id text, card_id text, country text
event login_failed user_id text
event purchase user_id text, card_id text, country text, amount number
event refund user_id text

rule burst
  for each user_id
  on 3 login_failed
  within 20 s
  alert medium

rule hop
  for each user_id
  on every login a
  then purchase b where country is not a.country
  within 30 s
  alert high

rule takeover
  for each user_id
  on 2 login_failed
  then login
  then purchase where amount > 50
  within 60 s
  alert critical

rule nothing_bought
  for each user_id
  on every login
  then no purchase within 15 s
  alert low

rule spent
  for each user_id
  on purchase where sum(purchase.amount) over 30 s > 150
  alert medium

rule often
  for each user_id
  on purchase where count(purchase) over 20 s >= 3
  alert low

rule refunded
  for each user_id
  on refund
  alert info
    at most once per 20 s

rule refunded_after_failure
  for each user_id
  on login_failed
  then refund
  within 25 s
  alert low
";

/// Of another key, of none, and over alerts of rules with other keys.
const RULES_APART: &str = r"
rule card_hop
  for each card_id
  on every login a
  then purchase b where user_id is not a.user_id
  within 30 s
  alert high

rule card_unused
  for each card_id
  on every login
  then no purchase within 15 s
  alert low

rule card_spent
  for each card_id
  on purchase where sum(purchase.amount) over 30 s > 150
  alert medium
    at most once per 10 s

rule refunds
  on 3 refund
  within 20 s
  alert low

rule two_cards
  for each user_id
  on card_hop a
  then card_hop b where card_id is not a.card_id
  within 60 s
  alert critical

rule hop_after_refunds
  on refunds
  then hop
  then login
  within 60 s
  alert critical
";

/// The rules; with those that are judged `apart`, or without them.
pub(super) fn rules(apart: bool) -> &'static RuleSet {
    static RULE_SETS: [OnceLock<RuleSet>; 2] = [OnceLock::new(), OnceLock::new()];
    let text = if apart { [RULES, RULES_APART].concat() } else { RULES.to_owned() };
    RULE_SETS[usize::from(apart)].get_or_init(|| RuleSet::from_texts([("sim.rules".to_owned(), text)]))
}

/// Whether a rule is one of those that are judged apart.
pub(super) fn is_apart(rule: &str) -> bool {
    RULES_APART.contains(&format!("rule {rule}\n"))
}

/// Whether this is the name of a rule, and not of a type of events.
pub(super) fn is_rule(name: &str) -> bool {
    is_apart(name) || RULES.contains(&format!("rule {name}\n"))
}

/// The settings of a copy.
pub(super) fn settings(copy: usize, exactly_once: bool, snapshot_ms: u64) -> Settings {
    let delivery = if exactly_once { "exactly-once" } else { "at-least-once" };
    let source = |topic| {
        format!(
            "[[source]]\ntopic = \"{topic}\"\nkey = \"user_id\"\ncopartitioned = \"users\"\nlateness = \"120s\"\n\
             idle_timeout = \"5s\"\n"
        )
    };
    let text = format!(
        "name = \"sim\"\nrules = [\"/\"]\nthreads = 1\n[kafka]\nbrokers = \"simulated:9092\"\ndelivery = \"{delivery}\"\n{}\
         [alerts]\ntopic = \"{ALERTS}\"\n[dead_letters]\ntopic = \"{LETTERS}\"\n[state]\nurl = \"file:/state\"\n\
         every = \"{snapshot_ms}ms\"\n",
        SOURCES.map(source).concat()
    );
    let mut settings = config::parse(Path::new("/tripline.toml"), &text).expect("the settings are right");
    // Otherwise it would look for its name in a file.
    settings.kafka.as_mut().expect("there is a broker").instance = Some(format!("copy-{copy}"));
    settings
}

/// Writes events.
pub(super) struct Writer {
    chance: Chance,
    /// Which cards are used, where rules are judged apart.
    cards: Option<Chance>,
    partitions: i32,
    /// How many events a portion has at most.
    portion: u64,
    taken_back_one_in: u64,
    times: BTreeSet<i64>,
    /// What was written for good.
    pub(super) events: Vec<TestEvent>,
    /// Of the messages that are no events, where they are.
    pub(super) letters: Vec<String>,
}

impl Writer {
    pub(super) fn new(chance: Chance, has_cards: bool, partitions: i32, taken_back_one_in: u64) -> Writer {
        let (portion, cards) = (chance.between(1, 8), has_cards.then(|| chance.split()));
        let (times, events, letters) = (BTreeSet::new(), Vec::new(), Vec::new());
        Writer { chance, cards, partitions, portion, taken_back_one_in, times, events, letters }
    }

    /// Writes a portion: plainly, or in a transaction, which may be taken back.
    pub(super) fn write(&mut self, broker: &mut Broker) {
        let plainly = self.taken_back_one_in == 0 || !self.chance.one_in(2);
        let taken_back = self.chance.one_in(self.taken_back_one_in);
        let epoch = if plainly { 0 } else { broker.init("writer") };
        for _ in 0..self.chance.between(1, self.portion) {
            let is_event = !self.chance.one_in(40);
            let (topic, event) = self.event(broker.now_ms);
            let number = i32::try_from(event.1 % u64::try_from(self.partitions).expect("few")).expect("few");
            let partition = Partition { topic: topic.to_owned(), number };
            let payload = if is_event { line(&event.0) } else { "no event".to_owned() };
            let timestamp_ms = BEGIN_MS + i64::try_from(broker.now_ms).expect("a short time");
            let body = Body { key: None, payload: payload.as_bytes().into(), timestamp_ms, origin: None };
            let offset = broker.log(&partition).end();
            if plainly {
                broker.append(&partition, body);
            } else {
                broker.produce("writer", epoch, &partition, body).expect("nobody else is the writer");
            }
            if plainly || !taken_back {
                if is_event {
                    self.events.push(event.0);
                } else {
                    self.letters.push(format!("{topic} {number} {offset}"));
                }
            }
        }
        if !plainly {
            let ended = if taken_back {
                broker.abort("writer", epoch)
            } else {
                broker.commit("writer", epoch, self.chance.below(3) * 1_000)
            };
            ended.expect("nobody else is the writer");
        }
    }

    /// An event of some user, with its topic.
    fn event(&mut self, now_ms: u64) -> (&'static str, (TestEvent, u64)) {
        let users = USERS * u64::try_from(self.partitions).expect("few");
        let user = self.chance.below(users);
        let mut time_ms = BEGIN_MS + i64::try_from(now_ms).expect("a short time");
        time_ms -= i64::try_from(self.chance.below(DISORDER_MS)).expect("small");
        while !self.times.insert(time_ms) {
            time_ms -= 1;
        }
        let country = ["de", "fr"][self.chance.at(2)];
        let (topic, event_type, more) = match self.chance.below(8) {
            0 | 1 => (SOURCES[0], "login", json!({"country": country})),
            2..=4 => (SOURCES[0], "login_failed", json!({})),
            5 | 6 => (SOURCES[1], "purchase", json!({"country": country, "amount": self.chance.between(1, 100)})),
            _ => (SOURCES[1], "refund", json!({})),
        };
        let mut body = more;
        body["user_id"] = json!(format!("u{user}"));
        if let Some(cards) = self.cards.as_ref().filter(|cards| body["country"].is_string() && !cards.one_in(20)) {
            body["card_id"] = json!(format!("c{}", cards.below(CARDS)));
        }
        let id = Some(format!("e{}", self.times.len()));
        (topic, (TestEvent { event_type: event_type.to_owned(), time_ms, id, body }, user))
    }
}

fn line(event: &TestEvent) -> String {
    let mut body = event.body.clone();
    body["type"] = json!(event.event_type);
    body["ts"] = json!(event.time_ms);
    body["event_id"] = json!(event.id);
    body.to_string()
}
