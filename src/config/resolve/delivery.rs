//! How alerts are delivered, and what copies are told apart by.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Spanned;

use crate::config::resolve::{Checker, NAME_BYTES_MAX};
use crate::config::{AlertsTo, Delivery, KafkaSettings, values};

/// The client's property that ends transactions which are open for too long.
const TIMEOUT: &str = "transaction.timeout.ms";

/// What `[kafka]` says of delivery.
pub(super) struct Asked {
    delivery: Option<Spanned<toml::Value>>,
    instance: Option<Spanned<toml::Value>>,
    timeout: Option<Spanned<toml::Value>>,
}

impl Asked {
    /// Takes it out of the table; the time-out stays there, as the client's property that it is.
    pub(super) fn take(table: &mut BTreeMap<String, Spanned<toml::Value>>) -> Asked {
        Asked {
            delivery: table.remove("delivery"),
            instance: table.remove("instance"),
            timeout: table.get(TIMEOUT).cloned(),
        }
    }
}

impl Checker<'_> {
    /// Exactly once where that can be: it takes a transaction that holds the alerts and the position of their source.
    pub(super) fn delivery(&mut self, kafka: &mut KafkaSettings, asked: &Asked, on_topics: bool, alerts: &AlertsTo) {
        let to_topic = matches!(alerts, AlertsTo::Topic(_));
        let possible = on_topics && to_topic;
        let otherwise = if possible { Delivery::ExactlyOnce } else { Delivery::AtLeastOnce };
        kafka.delivery = asked.delivery.as_ref().map_or(otherwise, |given| {
            let named = self.named(given, otherwise);
            if named == Delivery::ExactlyOnce && !possible {
                let message = if on_topics {
                    "exactly-once is for alerts that go to a topic: a file and standard output know no transactions"
                } else {
                    "exactly-once is for events from topics: a file is read from its start each time"
                };
                self.problem(given, "kafka.delivery", message);
            }
            named
        });
        kafka.instance = asked.instance.as_ref().map(|given| self.instance(given));
        if let Some(given) = asked.instance.as_ref().filter(|_| kafka.delivery == Delivery::AtLeastOnce) {
            let message = "names the transactions of exactly-once delivery, and there are none here: leave it out";
            self.problem(given, "kafka.instance", message);
        }
        if kafka.delivery == Delivery::ExactlyOnce
            && let Some(given) = &asked.timeout
        {
            self.timeout(given, kafka.commit_interval);
        }
    }

    fn named(&mut self, given: &Spanned<toml::Value>, otherwise: Delivery) -> Delivery {
        match given.get_ref().as_str() {
            Some("exactly-once") => Delivery::ExactlyOnce,
            Some("at-least-once") => Delivery::AtLeastOnce,
            _ => {
                self.problem(given, "kafka.delivery", "write \"exactly-once\" or \"at-least-once\"");
                otherwise
            }
        }
    }

    fn instance(&mut self, given: &Spanned<toml::Value>) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let text = given.get_ref().as_str().unwrap_or_default();
        let text = match values::expand(text, &self.folder) {
            Ok(text) => text.expose().to_owned(),
            Err(message) => {
                self.problem(given, "kafka.instance", message);
                return String::new();
            }
        };
        if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.chars().all(fits) {
            let message = "1 to 100 letters, digits, `.`, `_` or `-`, of each copy its own";
            self.problem(given, "kafka.instance", message);
        }
        text
    }

    /// A transaction stays open from one commit to the next; one that is ended before could never be committed.
    fn timeout(&mut self, given: &Spanned<toml::Value>, commit_interval: Duration) {
        let ms = match given.get_ref() {
            toml::Value::Integer(ms) => u64::try_from(*ms).ok(),
            toml::Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if ms.is_none_or(|ms| Duration::from_millis(ms) < 2 * commit_interval) {
            let message = "at least twice the commit_interval, in ms: transactions are open so long";
            self.problem(given, "kafka.\"transaction.timeout.ms\"", message);
        }
    }
}
