//! What every Kafka client of the daemon shares: its properties, and how its troubles are told. `source::kafka`,
//! `sink::kafka` and `daemon` make their clients here. Nothing here reads or writes a record.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaErrorCode;

use crate::config::{KafkaSettings, Problem};
use crate::telemetry::{BrokerTrouble, Metrics};

/// A trouble that lasts is said again after this long.
const SAID_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// How long the client may take to say why it cannot connect.
const REASON_TIMEOUT: Duration = Duration::from_secs(5);

/// What can be given as a property but is ours for good reason is refused by the configuration; these are only our
/// defaults.
const DEFAULTS: [(&str, &str); 4] = [
    ("reconnect.backoff.ms", "100"),
    // A broker that is back is found again within seconds.
    ("reconnect.backoff.max.ms", "2000"),
    // New partitions are seen within half a minute.
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("socket.keepalive.enable", "true"),
];

/// The properties of every client: our defaults, then the user's.
pub fn client_config(settings: &KafkaSettings, name: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (property, value) in DEFAULTS {
        config.set(property, value);
    }
    for (property, value) in &settings.properties {
        config.set(property, value.expose());
    }
    config.set("client.id", name);
    config.set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// Sets properties that the user has not set.
pub(crate) fn set_defaults(config: &mut ClientConfig, defaults: &[(&str, &str)]) {
    for (property, value) in defaults {
        if config.get(property).is_none() {
            config.set(*property, *value);
        }
    }
}

/// What the client can log in with. It finds out about others only when it is made, and repeats them.
const MECHANISMS: [&str; 5] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER"];

/// Properties that the client does not know, or whose value it does not take. Values are not repeated: they may be
/// secrets.
pub fn check_properties(settings: &KafkaSettings) -> Vec<Problem> {
    let wrong = |(property, value): &(String, crate::secret::Secret)| {
        let mut config = ClientConfig::new();
        config.set(property, value.expose());
        let is_mechanism = matches!(property.as_str(), "sasl.mechanism" | "sasl.mechanisms");
        let message = match config.create_native_config() {
            Ok(_) if is_mechanism && !MECHANISMS.contains(&value.expose()) => {
                format!("use one of {}", MECHANISMS.join(", "))
            }
            Ok(_) => return None,
            Err(KafkaError::ClientConfig(code, ..)) if format!("{code:?}").contains("UNKNOWN") => {
                "librdkafka has no such property".to_owned()
            }
            Err(_) => "librdkafka does not take this value".to_owned(),
        };
        Some(Problem { line: None, field: format!("kafka.\"{property}\""), message })
    };
    settings.properties.iter().filter_map(wrong).collect()
}

/// The troubles of a client: said once and then at intervals, and over when something works again.
#[derive(Debug)]
pub struct Trouble {
    metrics: Metrics,
    said: Mutex<Vec<(RDKafkaErrorCode, Instant)>>,
    last: Mutex<Option<String>>,
}

impl Trouble {
    /// None so far.
    pub fn new(metrics: Metrics) -> Trouble {
        Trouble { metrics, said: Mutex::default(), last: Mutex::default() }
    }

    /// Something failed; the client goes on trying.
    pub fn told(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let text = if reason.is_empty() { error.to_string() } else { reason.to_owned() };
        let loud = self.is_due(code);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
        BrokerTrouble { error: text, help: help(code), loud }.emit(&self.metrics);
    }

    /// Something worked.
    pub fn over(&self) {
        if self.last.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("kafka answers again");
        }
    }

    /// The client reports on its connections: with all of them up, no trouble is left.
    pub fn seen(&self, statistics: &Statistics) {
        let mut brokers = statistics.brokers.values().filter(|broker| broker.nodeid >= 0).peekable();
        if brokers.peek().is_some() && brokers.all(|broker| broker.state == "UP") {
            self.over();
        }
    }

    /// The trouble that there is now.
    pub fn current(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_due(&self, code: RDKafkaErrorCode) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match said.iter_mut().find(|(known, _)| *known == code) {
            Some((_, at)) if now.duration_since(*at) < SAID_AGAIN_AFTER => false,
            Some((_, at)) => {
                *at = now;
                true
            }
            None => {
                said.push((code, now));
                true
            }
        }
    }
}

/// Why the broker does not answer, in words. The client tells by its callback only, and that takes a moment of polling.
pub(crate) fn unreachable(
    settings: &KafkaSettings,
    trouble: &Trouble,
    poll: impl Fn(),
    error: &dyn std::error::Error,
) -> String {
    let until = Instant::now() + REASON_TIMEOUT;
    while trouble.current().is_none() && Instant::now() < until {
        poll();
    }
    let reason = trouble.current().unwrap_or_else(|| error.to_string());
    format!("no answer from {}: {reason}", settings.brokers())
}

/// A line of the client's own log: what matters of it comes as an error as well.
pub(crate) fn log_line(facility: &str, line: &str) {
    tracing::debug!(facility, line, "librdkafka");
}

/// What a person has to do about an error, where the client cannot get over it by itself.
pub fn help(code: RDKafkaErrorCode) -> Option<&'static str> {
    match code {
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
            Some("the broker refuses the login: check sasl.mechanism, sasl.username and sasl.password under [kafka]")
        }
        RDKafkaErrorCode::SSL => Some(
            "no trusted TLS connection: check ssl.ca.location under [kafka], and that the certificate is valid and \
             names the host",
        ),
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            Some("grant this user read (sources) or write rights to the topic")
        }
        RDKafkaErrorCode::GroupAuthorizationFailed => Some("grant this user read rights to the consumer group"),
        RDKafkaErrorCode::ClusterAuthorizationFailed => Some("grant this user idempotent write rights to the cluster"),
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed => Some(
            "grant this user write and describe rights to transactional ids that begin with the configuration's name, or \
             write delivery = \"at-least-once\" under [kafka]",
        ),
        RDKafkaErrorCode::InvalidTransactionTimeout => {
            Some("the broker's transaction.max.timeout.ms is shorter: lower \"transaction.timeout.ms\" under [kafka]")
        }
        RDKafkaErrorCode::UnsupportedFeature => {
            Some("the broker is too old for transactions: write delivery = \"at-least-once\" under [kafka]")
        }
        _ => None,
    }
}

/// How many partitions each topic has; nothing for one that does not exist.
pub fn partition_counts<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> Result<Vec<Option<usize>>, KafkaError> {
    let count = |topic: &&str| {
        let metadata = client.fetch_metadata(Some(topic), timeout)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == *topic) else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(found.partitions().len()).filter(|count| *count > 0)),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(code) => Err(KafkaError::MetadataFetch(code)),
        }
    };
    topics.iter().map(count).collect()
}
