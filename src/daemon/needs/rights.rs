//! The rights that the daemon's login must have, as Kafka's access lists know them.

use serde::Serialize;

use crate::config::{AlertsTo, DeadLettersTo, Delivery, InternalTopics, KafkaSettings, Settings, Sources};
use crate::daemon::{repartition, tables};
use crate::program::Program;

/// A right: what may be done with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Right {
    /// With what.
    #[serde(flatten)]
    pub resource: Resource,
    /// What, as Kafka calls it.
    pub operations: Vec<&'static str>,
    /// For what.
    pub why: String,
}

/// What a right is to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "resource", rename_all = "snake_case")]
pub enum Resource {
    /// A topic.
    Topic {
        /// Its name.
        name: String,
    },
    /// A consumer group.
    Group {
        /// Its name.
        name: String,
    },
    /// Transactional ids.
    TransactionalId {
        /// The id, or what all ids begin with.
        name: String,
        /// Whether the name is only the beginning.
        prefixed: bool,
    },
    /// The cluster as a whole.
    Cluster,
}

/// The rights on the daemon's own broker.
pub(super) fn of(settings: &Settings, kafka: &KafkaSettings, program: &Program) -> Vec<Right> {
    let mut rights = Vec::new();
    let on_topics = matches!(settings.sources, Sources::Topics(_));
    if let Sources::Topics(sources) = &settings.sources {
        for source in sources {
            merge(&mut rights, topic(&source.topic, &["Read", "Describe"], "events"));
        }
        for (table, name) in tables::topics(program) {
            merge(&mut rights, topic(name, &["Read", "Describe"], &format!("rows of {table}")));
        }
    }
    let made: &[&str] = if kafka.internal_topics == InternalTopics::Create { &["Create"] } else { &[] };
    let own = |name: &str, why: &str| topic(name, &[&["Write", "Describe"], made].concat(), why);
    if let AlertsTo::Topic(name) = &settings.alerts {
        merge(&mut rights, own(name, "alerts"));
        if on_topics && !settings.sinks.is_empty() {
            merge(&mut rights, topic(name, &["Read", "Describe"], "sinks"));
        }
    }
    if let DeadLettersTo::Topic(name) = &settings.dead_letters {
        merge(&mut rights, own(name, "dead letters"));
    }
    if super::needs_repartition(settings, program) {
        let (name, why) = (repartition::topic_of(settings), "brings events together");
        merge(&mut rights, own(&name, why));
        merge(&mut rights, topic(&name, &["Read", "Describe"], why));
    }
    if on_topics {
        rights.push(group(&settings.name, "the daemon's position in its sources"));
        if matches!(settings.alerts, AlertsTo::Topic(_)) {
            let groups = settings.sinks.iter().map(|sink| {
                group(
                    &format!("{}.sink.{}", settings.name, sink.name),
                    &format!("the position of the sink {}", sink.name),
                )
            });
            rights.extend(groups);
        }
    }
    if kafka.delivery == Delivery::ExactlyOnce {
        rights.push(transactions(settings, kafka));
    }
    if rights.iter().any(|right| right.operations.contains(&"Write")) {
        rights.push(idempotent());
    }
    rights
}

/// The rights of a sink that writes to a topic.
pub(super) fn of_sink(sink: &str, name: &str) -> Vec<Right> {
    vec![topic(name, &["Write", "Describe"], &format!("sink {sink}")), idempotent()]
}

/// Adds a right; one to the same thing takes its operations up.
pub(super) fn merge(rights: &mut Vec<Right>, right: Right) {
    let Some(known) = rights.iter_mut().find(|known| known.resource == right.resource) else {
        return rights.push(right);
    };
    for operation in right.operations {
        if !known.operations.contains(&operation) {
            known.operations.push(operation);
        }
    }
    if !known.why.split(", ").any(|why| why == right.why) {
        known.why = format!("{}, {}", known.why, right.why);
    }
}

/// A copy's id is its own, so that several can run: the right is to all that begin alike, unless it is said.
fn transactions(settings: &Settings, kafka: &KafkaSettings) -> Right {
    let name = format!("{}.{}", settings.name, kafka.instance.as_deref().unwrap_or_default());
    let resource = Resource::TransactionalId { name, prefixed: kafka.instance.is_none() };
    Right { resource, operations: vec!["Write", "Describe"], why: "exactly-once delivery".to_owned() }
}

fn topic(name: &str, operations: &[&'static str], why: &str) -> Right {
    Right { resource: Resource::Topic { name: name.to_owned() }, operations: operations.to_vec(), why: why.to_owned() }
}

fn group(name: &str, why: &str) -> Right {
    Right { resource: Resource::Group { name: name.to_owned() }, operations: vec!["Read"], why: why.to_owned() }
}

fn idempotent() -> Right {
    Right {
        resource: Resource::Cluster,
        operations: vec!["IdempotentWrite"],
        why: "brokers before 2.8 only: writing without repeats".to_owned(),
    }
}
