//! The broker of the tests: topics, records in, records out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// Longer than anything takes on a busy machine.
pub(super) const GUARD: Duration = Duration::from_mins(2);

/// The variables that `scripts/broker env` prints.
pub(super) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: eval \"$(scripts/broker env)\""))
}

pub(super) struct Broker {
    address: String,
}

/// A record that was read.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Option<Vec<u8>>,
    pub(super) headers: BTreeMap<String, String>,
}

impl Broker {
    pub(super) fn new() -> Broker {
        Broker::at(&variable("TRIPLINE_TEST_BROKER"))
    }

    pub(super) fn at(address: &str) -> Broker {
        Broker { address: address.to_owned() }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The first lines of the configuration of a daemon over this broker, `[kafka]` last.
    pub(super) fn opening(&self, name: &str) -> String {
        format!("name = \"{name}\"\nrules = [\"test.rules\"]\n[kafka]\nbrokers = \"{}\"\n", self.address)
    }

    /// A name that no other test or run uses.
    pub(super) fn unique(name: &str) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        format!("{name}-{}-{}", std::process::id(), now.as_micros())
    }

    pub(super) fn create(&self, topic: &str, partitions: i32) {
        self.create_with(topic, partitions, &[]);
    }

    /// As `create`, with settings of the topic.
    pub(super) fn create_with(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().expect("an admin client");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
        let created = runtime.block_on(admin.create_topics([&new], &options)).expect("the broker answers");
        for topic in created {
            topic.expect("the topic is new");
        }
        // The broker says so before it answers everybody's questions about it.
        let until = Instant::now() + GUARD;
        let count = || {
            let metadata = admin.inner().fetch_metadata(Some(topic), Duration::from_secs(10));
            metadata.expect("the broker answers").topics()[0].partitions().len()
        };
        while count() == 0 {
            assert!(Instant::now() < until, "the topic {topic} never came to be");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many partitions a topic has; 0 where there is none.
    pub(super) fn partitions(&self, topic: &str) -> usize {
        let consumer: BaseConsumer = self.config().set("group.id", "unused").create().expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).expect("the broker answers");
        metadata.topics()[0].partitions().len()
    }

    /// Writes records of (partition, key, payload) and waits until they are stored.
    pub(super) fn write<'a>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (i32, Option<&'a [u8]>, Option<&'a [u8]>)>,
    ) {
        let record = |(partition, key, payload)| {
            let mut record = BaseRecord::to(topic).partition(partition);
            (record.key, record.payload) = (key, payload);
            record
        };
        self.write_records(records.into_iter().map(record));
    }

    /// Writes lines to partitions, each with the time (ms) that it is stamped with.
    pub(super) fn write_stamped<'a>(&self, topic: &str, lines: impl IntoIterator<Item = (i32, i64, &'a str)>) {
        let record = |(partition, stamped_ms, line): (i32, i64, &'a str)| {
            BaseRecord::to(topic).partition(partition).timestamp(stamped_ms).payload(line.as_bytes())
        };
        self.write_records(lines.into_iter().map(record));
    }

    fn write_records<'a>(&self, records: impl Iterator<Item = BaseRecord<'a, [u8], [u8]>>) {
        let producer: BaseProducer = self.config().set("acks", "all").create().expect("a producer");
        for mut record in records {
            while let Err((error, back)) = producer.send(record) {
                assert_eq!(error.rdkafka_error_code(), Some(rdkafka::types::RDKafkaErrorCode::QueueFull), "{error}");
                producer.poll(Duration::from_millis(1));
                record = back;
            }
        }
        producer.flush(GUARD).expect("all records are stored");
    }

    /// Writes lines of JSON to partition 0.
    pub(super) fn write_lines(&self, topic: &str, lines: &[&str]) {
        self.write(topic, lines.iter().map(|line| (0, None, Some(line.as_bytes()))));
    }

    /// A reader of what is committed of a topic, from its start.
    pub(super) fn reader(&self, topic: &str) -> Reader {
        self.reader_with(topic, "read_committed")
    }

    /// As `reader`, with an isolation level.
    pub(super) fn reader_with(&self, topic: &str, isolation: &str) -> Reader {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", "unused")
            .set("isolation.level", isolation)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .create()
            .expect("a consumer");
        let until = Instant::now() + GUARD;
        let partitions = loop {
            let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).expect("the broker answers");
            let partitions = metadata.topics()[0].partitions().len();
            if partitions > 0 {
                break i32::try_from(partitions).expect("few partitions");
            }
            assert!(Instant::now() < until, "the topic {topic} never came to be");
            std::thread::sleep(Duration::from_millis(100));
        };
        let mut all = TopicPartitionList::new();
        for partition in 0..partitions {
            all.add_partition_offset(topic, partition, Offset::Beginning).expect("a valid offset");
        }
        consumer.assign(&all).expect("the partitions are there");
        Reader { consumer, records: Vec::new() }
    }

    /// The committed offset of a partition and its metadata.
    pub(super) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<(i64, String)> {
        let consumer: BaseConsumer = self.config().set("group.id", group).create().expect("a consumer");
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let found = consumer.committed_offsets(asked, Duration::from_secs(10)).expect("the broker answers");
        let element = found.find_partition(topic, partition).expect("it was asked for");
        element.offset().to_raw().filter(|offset| *offset >= 0).map(|offset| (offset, element.metadata().to_owned()))
    }

    /// Whether the broker knows a consumer group: one with members, or with offsets.
    pub(super) fn has_group(&self, group: &str) -> bool {
        let consumer: BaseConsumer = self.config().create().expect("a consumer");
        let found = consumer.fetch_group_list(None, Duration::from_secs(10)).expect("the broker answers");
        found.groups().iter().any(|known| known.name() == group)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }
}

/// Reads on and keeps what it has read.
pub(super) struct Reader {
    consumer: BaseConsumer,
    records: Vec<Record>,
}

impl Reader {
    /// All records so far.
    pub(super) fn poll(&mut self) -> &[Record] {
        self.read(GUARD);
        &self.records
    }

    /// Reads until there is nothing more, or for so long.
    fn read(&mut self, longest: Duration) {
        let until = Instant::now() + longest;
        while Instant::now() < until
            && let Some(message) = self.consumer.poll(Duration::from_millis(200))
        {
            let message = message.expect("the topic can be read");
            let headers = message.headers().map(|headers| {
                let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
                headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
            });
            self.records.push(Record {
                key: message.key().map(<[u8]>::to_vec),
                payload: message.payload().map(<[u8]>::to_vec),
                headers: headers.unwrap_or_default(),
            });
        }
    }

    /// Reads until `done`.
    pub(super) fn until(&mut self, what: &str, mut done: impl FnMut(&[Record]) -> bool) -> Vec<Record> {
        let until = Instant::now() + GUARD;
        loop {
            // There may be no end to what is written meanwhile.
            self.read(Duration::from_millis(300));
            if done(&self.records) {
                return self.records.clone();
            }
            assert!(Instant::now() < until, "{what}: {} records came", self.records.len());
        }
    }
}

impl Record {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.payload.as_deref().unwrap_or_default()).expect("JSON")
    }
}
