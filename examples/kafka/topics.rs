//! Topics of a run: made, filled, read.

use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

pub(super) const PARTITIONS: i32 = 4;
const GUARD: Duration = Duration::from_mins(2);

/// A name that no other run uses.
pub(super) fn unique(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("bench-{name}-{}-{}", std::process::id(), now.as_micros())
}

pub(super) fn create(broker: &str, topic: &str) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = config(broker).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    let created = runtime.block_on(admin.create_topics([&new], &AdminOptions::new()))?;
    for result in created {
        result.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
    }
    Ok(())
}

pub(super) fn config(broker: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker);
    config
}

/// A producer of events, each to the partition of its user.
pub(super) struct Events {
    producer: BaseProducer,
    topic: String,
}

impl Events {
    pub(super) fn new(broker: &str, topic: &str, linger_ms: &str) -> anyhow::Result<Events> {
        let producer = config(broker).set("acks", "all").set("linger.ms", linger_ms).create()?;
        Ok(Events { producer, topic: topic.to_owned() })
    }

    /// Sends a line; waits where the client has no room.
    pub(super) fn send(&self, line: &[u8]) -> anyhow::Result<()> {
        let mut record = BaseRecord::to(&self.topic).key(user(line)?).payload(line);
        while let Err((error, back)) = self.producer.send(record) {
            if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
                return Err(error.into());
            }
            self.producer.poll(Duration::from_millis(1));
            record = back;
        }
        Ok(())
    }

    pub(super) fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }

    pub(super) fn flush(&self) -> anyhow::Result<()> {
        Ok(self.producer.flush(GUARD)?)
    }
}

/// The user of a line, which is the event's key.
fn user(line: &[u8]) -> anyhow::Result<&[u8]> {
    let name = br#""user_id":""#;
    let at = memchr::memmem::find(line, name).context("an event without a user")? + name.len();
    let length = memchr::memchr(b'"', &line[at..]).context("a user without an end")?;
    Ok(&line[at..at + length])
}

/// A consumer of a whole topic that no group knows, with the properties of the daemon's.
pub(super) fn reader(broker: &str, topic: &str) -> anyhow::Result<BaseConsumer> {
    let consumer: BaseConsumer = config(broker)
        .set("group.id", "unused")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.queue.backoff.ms", "5")
        .create()?;
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    Ok(consumer)
}

/// Waits for something, not for ever.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let end = Instant::now() + GUARD;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < end, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
