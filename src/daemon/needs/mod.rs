//! What the daemon needs of Kafka, as the configuration and the rules say it: topics, with the settings that they must
//! have, and rights. Found without a broker.
//!
//! - `commands` the same as commands of Kafka's own tools;
//! - `compare`  what a broker has of it.
//!
//! `topics` makes the daemon's own ones by it, `tripline topics` prints it. Nothing here changes anything.

mod commands;
mod compare;
mod rights;

use std::fmt;

use serde::Serialize;

pub use compare::{Found, compare};
pub use rights::{Resource, Right};

use crate::config::{AlertsTo, DeadLettersTo, InternalTopics, KafkaSettings, Settings, SinkKind, Sources, TopicSource};
use crate::daemon::repartition;
use crate::daemon::tables;
use crate::daemon::topology::Topology;
use crate::program::{Program, TableSource};

/// How long alerts have to stay where sinks read them: longer than a sink tries (a day), and than a weekend in which
/// nobody mends what a sink waits for.
const ALERTS_RETENTION_MS: i64 = 7 * 86_400_000;
/// How long events have to stay behind which rules wait that could not run.
const REPARTITION_RETENTION_MS: i64 = 3 * 86_400_000;

/// What is needed, broker by broker; the daemon's own one first. None where everything is a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// One for each set of addresses.
    pub clusters: Vec<Cluster>,
}

/// What is needed of one broker, or of several that share their topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// The addresses that are connected to first.
    pub brokers: String,
    /// Who the daemon is to it.
    pub principal: String,
    /// The topics.
    pub topics: Vec<Topic>,
    /// The rights.
    pub rights: Vec<Right>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Whether the daemon makes it where it is missing.
    pub made_here: bool,
    /// How many partitions.
    pub partitions: Partitions,
    /// The replication factor; the broker's default where there is none.
    pub replication: Option<i32>,
    /// Its settings.
    pub settings: Vec<TopicSetting>,
}

/// What a topic is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Events come from it.
    Source,
    /// The rows of a list or table come from it.
    Table(String),
    /// Alerts go to it, and sinks read them there.
    Alerts,
    /// What is no event goes to it, and what a sink cannot deliver.
    DeadLetters,
    /// It brings events together whose keys lie in several partitions.
    Repartition,
    /// A sink writes to it.
    Sink(String),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Source => f.write_str("events"),
            Role::Table(table) => write!(f, "table {table}"),
            Role::Alerts => f.write_str("alerts"),
            Role::DeadLetters => f.write_str("dead letters"),
            Role::Repartition => f.write_str("repartition"),
            Role::Sink(sink) => write!(f, "sink {sink}"),
        }
    }
}

/// How many partitions a topic must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitions {
    /// Any number.
    Any,
    /// As many as the other topics that say the same.
    Copartitioned(String),
    /// As many as the largest source, so that as many can read it; any number works.
    LargestSource,
}

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Partitions::Any => f.write_str("any"),
            Partitions::Copartitioned(group) => write!(f, "as all of {group}"),
            Partitions::LargestSource => f.write_str("as the largest source"),
        }
    }
}

/// A setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicSetting {
    /// Its name.
    pub name: &'static str,
    /// What it must be.
    pub must: Must,
    /// Why.
    pub why: String,
}

/// What a setting must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Must {
    /// This.
    Be(&'static str),
    /// At least this.
    AtLeast(i64),
}

impl fmt::Display for TopicSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.must {
            Must::Be(value) => write!(f, "{}={value}", self.name),
            Must::AtLeast(value) => write!(f, "{}>={value}", self.name),
        }
    }
}

impl Needs {
    /// What these settings and rules need.
    pub fn of(settings: &Settings, program: &Program) -> Needs {
        let mut clusters = Vec::new();
        if let Some(kafka) = &settings.kafka {
            let topics = topics(settings, kafka, program);
            if !topics.is_empty() {
                clusters.push(Cluster::new(kafka, topics, rights::of(settings, kafka, program)));
            }
        }
        for sink in &settings.sinks {
            let SinkKind::Topic(to) = &sink.kind else { continue };
            let topic = Topic {
                name: to.topic.clone(),
                role: Role::Sink(sink.name.clone()),
                made_here: false,
                partitions: Partitions::Any,
                replication: None,
                settings: Vec::new(),
            };
            let (brokers, rights) = (to.kafka.brokers(), rights::of_sink(&sink.name, &to.topic));
            match clusters.iter_mut().find(|cluster| cluster.brokers == brokers) {
                Some(cluster) => cluster.add(topic, rights),
                None => clusters.push(Cluster::new(&to.kafka, vec![topic], rights)),
            }
        }
        Needs { clusters }
    }

    /// The same for somebody whom the broker knows under another name.
    #[must_use]
    pub fn as_principal(mut self, principal: &str) -> Needs {
        for cluster in &mut self.clusters {
            principal.clone_into(&mut cluster.principal);
        }
        self
    }
}

impl Cluster {
    fn new(kafka: &KafkaSettings, topics: Vec<Topic>, rights: Vec<Right>) -> Cluster {
        Cluster { brokers: kafka.brokers().to_owned(), principal: principal(kafka), topics, rights }
    }

    fn add(&mut self, topic: Topic, rights: Vec<Right>) {
        self.topics.push(topic);
        for right in rights {
            rights::merge(&mut self.rights, right);
        }
    }
}

/// Who the daemon is to the broker, as far as the configuration tells: the name of a certificate stands in it, and who
/// says nothing is anonymous.
fn principal(kafka: &KafkaSettings) -> String {
    let property = |wanted: &str| kafka.properties.iter().find(|(name, _)| name == wanted);
    match (property("sasl.username"), property("ssl.certificate.location").or(property("ssl.keystore.location"))) {
        (Some((_, user)), _) => format!("User:{}", user.expose()),
        (None, Some(_)) => "User:CN=tripline".to_owned(),
        (None, None) => "User:ANONYMOUS".to_owned(),
    }
}

fn topics(settings: &Settings, kafka: &KafkaSettings, program: &Program) -> Vec<Topic> {
    let mut topics = Vec::new();
    if let Sources::Topics(sources) = &settings.sources {
        topics.extend(sources.iter().map(|source| source_topic(source, program)));
        for (table, topic) in tables::topics(program) {
            // The changes of a table are events where its topic is a source as well.
            if !topics.iter().any(|known: &Topic| known.name == topic) {
                topics.push(table_topic(table, topic));
            }
        }
    }
    topics.extend(own_topics(settings, kafka));
    if needs_repartition(settings, program) {
        topics.push(repartition_topic(settings, kafka));
    }
    topics
}

/// Whether rules need it where the sources have several partitions each.
pub(super) fn needs_repartition(settings: &Settings, program: &Program) -> bool {
    let Sources::Topics(sources) = &settings.sources else { return false };
    Topology::new(sources, &vec![2; sources.len()], program).is_ok_and(|topology| !topology.apart.is_empty())
}

/// The topic that brings events together.
pub(super) fn repartition_topic(settings: &Settings, kafka: &KafkaSettings) -> Topic {
    let why = "what was not judged yet has to be there after a weekend".to_owned();
    let retention = TopicSetting { name: "retention.ms", must: Must::AtLeast(REPARTITION_RETENTION_MS), why };
    let name = repartition::topic_of(settings);
    own_topic(kafka, &name, Role::Repartition, Some(retention))
}

fn source_topic(source: &TopicSource, program: &Program) -> Topic {
    let of_table = program.tables.iter().find(|table| match &table.source {
        TableSource::Topic { topic, .. } => *topic == source.topic,
        TableSource::File(_) => false,
    });
    let mut settings = vec![match of_table {
        // Whoever starts later needs the last message of each row, however old it is.
        Some(_) => setting("cleanup.policy", "compact", "each row's last message stays"),
        None => setting("cleanup.policy", "delete", "compaction would take events away"),
    }];
    let lookback = program.looks_back_ms().saturating_add(source.time.lateness_ms);
    if of_table.is_none() && lookback > 0 {
        let why = "as far back as the rules look, so that a start can read open matches back".to_owned();
        settings.push(TopicSetting { name: "retention.ms", must: Must::AtLeast(lookback), why });
    }
    let partitions = source.copartitioned.clone().map_or(Partitions::Any, Partitions::Copartitioned);
    Topic { name: source.topic.clone(), role: Role::Source, made_here: false, partitions, replication: None, settings }
}

fn table_topic(table: &str, topic: &str) -> Topic {
    Topic {
        name: topic.to_owned(),
        role: Role::Table(table.to_owned()),
        made_here: false,
        partitions: Partitions::Any,
        replication: None,
        settings: vec![setting("cleanup.policy", "compact", "each row's last message stays")],
    }
}

/// The topics that are the daemon's own: alerts and dead letters.
pub(super) fn own_topics(settings: &Settings, kafka: &KafkaSettings) -> Vec<Topic> {
    let mut topics = Vec::new();
    let mut add = |name: &str, role: Role, retention_ms: Option<i64>| {
        let why = "as long as a sink may wait for a person".to_owned();
        let retention = retention_ms.map(|ms| TopicSetting { name: "retention.ms", must: Must::AtLeast(ms), why });
        topics.push(own_topic(kafka, name, role, retention));
    };
    if let AlertsTo::Topic(topic) = &settings.alerts {
        let is_read = !settings.sinks.is_empty() && matches!(settings.sources, Sources::Topics(_));
        add(topic, Role::Alerts, is_read.then_some(ALERTS_RETENTION_MS));
    }
    if let DeadLettersTo::Topic(topic) = &settings.dead_letters {
        add(topic, Role::DeadLetters, None);
    }
    topics
}

fn own_topic(kafka: &KafkaSettings, name: &str, role: Role, retention: Option<TopicSetting>) -> Topic {
    let mut settings = vec![setting("cleanup.policy", "delete", "compaction would keep one record of each key")];
    settings.extend(retention);
    if let Some(replicas) = kafka.replication.filter(|replicas| *replicas >= 3) {
        let must = Must::AtLeast(2);
        let why = format!("of {replicas} replicas two have a record before it counts, and one may be away");
        settings.push(TopicSetting { name: "min.insync.replicas", must, why });
    }
    Topic {
        name: name.to_owned(),
        role,
        made_here: kafka.internal_topics == InternalTopics::Create,
        partitions: Partitions::LargestSource,
        replication: kafka.replication,
        settings,
    }
}

fn setting(name: &'static str, value: &'static str, why: &str) -> TopicSetting {
    TopicSetting { name, must: Must::Be(value), why: why.to_owned() }
}
