//! The topics that are the daemon's own, alerts and dead letters: made where they are missing, or expected, as the
//! configuration says. What a topic must be like `needs` says.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use crate::config::{InternalTopics, KafkaSettings, Settings};
use crate::daemon::needs::{self, Cluster, Must, Needs, Partitions, Role, Topic, own_topics};
use crate::daemon::outside::Consumer;
use crate::kafka::client_config;
use crate::program::Program;
use crate::source::kafka::KafkaSource;
use crate::telemetry::Metrics;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Topics are missing that somebody else makes.
#[derive(Debug)]
pub(super) struct Missing(Vec<String>);

impl std::error::Error for Missing {}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topics = if self.0.len() == 1 { "a topic is" } else { "topics are" };
        write!(
            f,
            "{topics} missing, and internal_topics = \"expect\": nothing was made. What makes them:\n{}",
            self.0.join("\n")
        )
    }
}

/// Where topics are expected: an error that names each that is missing, with the command that makes it.
pub(super) fn expect(
    settings: &Settings,
    kafka: &KafkaSettings,
    program: &Program,
    source: &dyn Consumer,
) -> anyhow::Result<()> {
    if kafka.internal_topics == InternalTopics::Create {
        return Ok(());
    }
    let needs = Needs::of(settings, program);
    let Some(cluster) = needs.clusters.iter().find(|cluster| cluster.brokers == kafka.brokers()) else { return Ok(()) };
    let names: Vec<&str> = cluster.topics.iter().map(|topic| topic.name.as_str()).collect();
    let counts =
        source.partition_counts(&names, TIMEOUT).with_context(|| format!("no answer from {}", kafka.brokers()))?;
    let missing = missing(cluster, &counts);
    if missing.is_empty() { Ok(()) } else { Err(Missing(missing).into()) }
}

/// What is missing, with the commands that make it.
fn missing(cluster: &Cluster, counts: &[Option<usize>]) -> Vec<String> {
    let largest = counts.iter().flatten().max().copied();
    // Whether the repartition topic is needed depends on how many partitions the sources have.
    let is_needed = |topic: &Topic| topic.role != Role::Repartition;
    let of_topics = cluster.topics.iter().zip(counts).filter(|(topic, count)| count.is_none() && is_needed(topic));
    let command = |topic: &Topic| {
        let partitions = largest.filter(|_| topic.partitions == Partitions::LargestSource);
        format!("  {} ({}): {}", topic.name, topic.role, cluster.create(topic, partitions))
    };
    of_topics.map(|(topic, _)| command(topic)).collect()
}

/// Sees to it that the daemon's own topics are there. A created one has as many partitions as the largest source, so
/// that alerts can be read by as many.
pub(super) fn ensure(
    settings: &Settings,
    kafka: &KafkaSettings,
    partitions: &[usize],
    source: &dyn Consumer,
) -> anyhow::Result<()> {
    ensure_all(&own_topics(settings, kafka), (settings, kafka), partitions, source)
}

fn ensure_all(
    topics: &[Topic],
    (settings, kafka): (&Settings, &KafkaSettings),
    partitions: &[usize],
    source: &dyn Consumer,
) -> anyhow::Result<()> {
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let counts = source.partition_counts(&names, TIMEOUT)?;
    let missing: Vec<&Topic> =
        topics.iter().zip(counts).filter(|(_, count)| count.is_none()).map(|(topic, _)| topic).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if kafka.internal_topics == InternalTopics::Expect {
        let names: Vec<&str> = missing.iter().map(|topic| topic.name.as_str()).collect();
        bail!("the topic `{}` does not exist, and internal_topics = \"expect\"", names.join("`, `"));
    }
    let partitions = partitions.iter().copied().max().unwrap_or(1);
    create(kafka, &settings.name, &missing, i32::try_from(partitions).unwrap_or(1))
}

/// The same of the repartition topic, which is needed only where rules say so.
pub(super) fn ensure_repartition(
    settings: &Settings,
    kafka: &KafkaSettings,
    partitions: &[usize],
    source: &dyn Consumer,
) -> anyhow::Result<()> {
    ensure_all(&[needs::repartition_topic(settings, kafka)], (settings, kafka), partitions, source)
}

/// The same before files are read, whose alerts or dead letters go to topics. A broker that does not answer yet is waited
/// for by whoever writes to it.
pub(super) fn prepare(settings: &Settings, program: &Program) -> anyhow::Result<()> {
    let Some(kafka) = &settings.kafka else { return Ok(()) };
    let own = own_topics(settings, kafka);
    let names: Vec<&str> = own.iter().map(|topic| topic.name.as_str()).collect();
    let source = KafkaSource::new(kafka, &settings.name, Metrics::default())?;
    if names.is_empty() || source.partition_counts(&names, TIMEOUT).is_err() {
        return Ok(());
    }
    expect(settings, kafka, program, &source)?;
    ensure(settings, kafka, &[], &source)
}

fn create(kafka: &KafkaSettings, name: &str, topics: &[&Topic], partitions: i32) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = client_config(kafka, name).create()?;
    let new: Vec<NewTopic<'_>> = topics.iter().map(|topic| new_topic(topic, partitions)).collect();
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let created = runtime.block_on(admin.create_topics(&new, &options)).context("cannot create topics")?;
    for result in created {
        match result {
            Ok(topic) => tracing::info!(topic, partitions, "topic created"),
            // Another copy was faster.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => bail!(
                "cannot create the topic `{topic}`: {code}; grant the right, or create it and say internal_topics = \
                 \"expect\"; `tripline topics` prints both as commands"
            ),
        }
    }
    Ok(())
}

/// How long records stay is left to the broker, whose default may be longer than what is needed.
fn new_topic(topic: &Topic, partitions: i32) -> NewTopic<'_> {
    // -1 is the broker's own default.
    let replication = TopicReplication::Fixed(topic.replication.unwrap_or(-1));
    let new = NewTopic::new(&topic.name, partitions, replication);
    topic.settings.iter().fold(new, |new, setting| match setting.must {
        Must::Be(value) => new.set(setting.name, value),
        Must::AtLeast(_) => new,
    })
}
