//! The topics that are the daemon's own: alerts and dead letters, made where they are missing.

use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use crate::config::{InternalTopics, KafkaSettings, Settings};
use crate::daemon::live::own_topics;
use crate::kafka::client_config;
use crate::source::kafka::KafkaSource;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Sees to it that the daemon's own topics are there. A created one has as many partitions as the largest source, so
/// that alerts can be read by as many.
pub(super) fn ensure(
    settings: &Settings,
    kafka: &KafkaSettings,
    partitions: &[usize],
    source: &KafkaSource,
) -> anyhow::Result<()> {
    let topics = own_topics(settings);
    let counts = source.partition_counts(&topics, TIMEOUT)?;
    let missing: Vec<&str> = topics.iter().zip(counts).filter(|(_, count)| count.is_none()).map(|(t, _)| *t).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if kafka.internal_topics == InternalTopics::Expect {
        bail!("the topic `{}` does not exist, and internal_topics = \"expect\"", missing.join("`, `"));
    }
    let partitions = partitions.iter().copied().max().unwrap_or(1);
    create(kafka, &settings.name, &missing, i32::try_from(partitions).unwrap_or(1))
}

fn create<'t>(kafka: &KafkaSettings, name: &str, topics: &[&'t str], partitions: i32) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = client_config(kafka, name).create()?;
    // -1 is the broker's own default.
    let replication = kafka.replication.unwrap_or(-1);
    let new = |topic: &&'t str| NewTopic::new(topic, partitions, TopicReplication::Fixed(replication));
    let new: Vec<NewTopic<'_>> = topics.iter().map(new).collect();
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
                 \"expect\""
            ),
        }
    }
    Ok(())
}
