//! `run --check`: whether the daemon could start, asked without reading or writing an event.

use std::time::Duration;

use crate::checkpoint::{BucketSettings, Store};
use crate::config::{
    AlertsTo, DeadLettersTo, Delivery, InternalTopics, KafkaSettings, Settings, SinkSettings, Sources, StatePlace,
    TopicSource,
};
use crate::daemon::live::own_topics;
use crate::daemon::place;
use crate::daemon::repartition::topic_of;
use crate::daemon::sinks::alert_sink;
use crate::daemon::tables;
use crate::daemon::topology::Topology;
use crate::kafka::unreachable;
use crate::program::{Program, TableSource};
use crate::source::kafka::{KafkaSource, Partition};
use crate::telemetry::Metrics;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What was found, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is well and what is not, in order.
    pub lines: Vec<Line>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it is well.
    pub good: bool,
    /// Whether it is the rules that do not fit; otherwise it is the configuration or the broker.
    pub about_rules: bool,
    /// What was found.
    pub text: String,
}

impl Report {
    /// Whether all is well.
    pub fn is_good(&self) -> bool {
        self.lines.iter().all(|line| line.good)
    }

    fn good(&mut self, text: impl Into<String>) {
        self.lines.push(Line { good: true, about_rules: false, text: text.into() });
    }

    fn bad(&mut self, text: impl Into<String>) {
        self.lines.push(Line { good: false, about_rules: false, text: text.into() });
    }
}

/// Checks what the settings name.
pub fn check(settings: &Settings, program: &Program) -> Report {
    let mut report = Report::default();
    report.good(format!("configuration {}", settings.path.display()));
    report.good(format!("{} rules over {} event types", program.rules.len(), program.schema.types.len()));
    report.good(delivery(settings));
    for sink in &settings.sinks {
        check_sink(&mut report, settings, sink);
    }
    check_file_tables(&mut report, program);
    if let Some(StatePlace::Bucket(bucket)) = &settings.state.place {
        check_bucket(&mut report, settings, bucket);
    }
    match (&settings.sources, &settings.kafka) {
        (Sources::Topics(sources), Some(kafka)) => check_kafka(&mut report, settings, kafka, sources, program),
        (Sources::Files(files), kafka) => {
            for file in files {
                match &file.path {
                    Some(path) => check_file(&mut report, path),
                    None => report.good("events from standard input"),
                }
            }
            if let Some(kafka) = kafka.as_ref().filter(|_| !own_topics(settings).is_empty()) {
                check_kafka(&mut report, settings, kafka, &[], program);
            }
        }
        (Sources::Topics(_), None) => report.bad("no broker is configured"),
    }
    report
}

/// How often an alert comes, and why.
fn delivery(settings: &Settings) -> String {
    let at_least_once =
        |why: &str| format!("alerts are delivered at least once, with the same alert_id where one comes again: {why}");
    match (&settings.sources, &settings.alerts, &settings.kafka) {
        (Sources::Files(_), ..) => at_least_once("files are read from their start each time"),
        (_, AlertsTo::File(_), _) => at_least_once("a file knows no transactions"),
        (_, AlertsTo::Stdout, _) => at_least_once("standard output knows no transactions"),
        (_, AlertsTo::Topic(_), Some(kafka)) if kafka.delivery == Delivery::ExactlyOnce => {
            let letters = match &settings.dead_letters {
                DeadLettersTo::Topic(_) => "alerts, dead letters and positions are",
                DeadLettersTo::File(_) | DeadLettersTo::Nowhere => "alerts and positions are",
            };
            let every = kafka.commit_interval.as_millis();
            format!(
                "alerts are delivered exactly once: {letters} written in one transaction, every {every} ms; readers say \
                 isolation.level=read_committed"
            )
        }
        (_, AlertsTo::Topic(_), _) => at_least_once("delivery = \"at-least-once\" is configured"),
    }
}

/// A sink's receiver is reached, but handed nothing. Mail servers are not: many take a visit without a mail for abuse.
fn check_sink(report: &mut Report, settings: &Settings, sink: &SinkSettings) {
    let name = &sink.name;
    let probed = match alert_sink(settings, sink, &Metrics::default()) {
        Ok(None) => Ok("settings are complete (no mail was sent)".to_owned()),
        Ok(Some(mut sink)) => match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(sink.probe()),
            Err(error) => Err(error.to_string()),
        },
        Err(error) => Err(format!("{error:#}")),
    };
    match probed {
        Ok(found) => report.good(format!("sink {name}: {found}")),
        Err(problem) => report.bad(format!("sink {name}: {problem}")),
    }
}

/// The bucket is looked into, and nothing is put there.
fn check_bucket(report: &mut Report, settings: &Settings, bucket: &BucketSettings) {
    let probed = place::objects(settings, bucket).and_then(|objects| {
        objects.probe().map_err(|error| error.to_string())?;
        Ok(objects.place())
    });
    match probed {
        Ok(place) => report.good(format!("snapshots in {place}")),
        Err(problem) => report.bad(format!("snapshots: {problem}")),
    }
}

/// The files were read with the rules, which are wrong where a file is.
fn check_file_tables(report: &mut Report, program: &Program) {
    for table in &program.tables {
        if let TableSource::File(path) = &table.source {
            report.good(format!("table {}: {} rows in {}", table.name, table.rows.len(), path.display()));
        }
    }
}

fn check_file(report: &mut Report, path: &std::path::Path) {
    match std::fs::File::open(path) {
        Ok(_) => report.good(format!("events from {}", path.display())),
        Err(error) => report.bad(format!("cannot read {}: {error}", path.display())),
    }
}

fn check_kafka(
    report: &mut Report,
    settings: &Settings,
    kafka: &KafkaSettings,
    sources: &[TopicSource],
    program: &Program,
) {
    let source = match KafkaSource::new(kafka, &settings.name, Metrics::default()) {
        Ok(source) => source,
        Err(error) => return report.bad(format!("[kafka] properties: {error}")),
    };
    let names: Vec<&str> = sources.iter().map(|source| source.topic.as_str()).collect();
    let own = own_topics(settings);
    let all: Vec<&str> = names.iter().chain(&own).copied().collect();
    let counts = match source.partition_counts(&all, TIMEOUT) {
        Ok(counts) => counts,
        Err(error) => {
            let poll = || drop(source.poll(Duration::from_millis(100)));
            return report.bad(unreachable(kafka, source.trouble(), poll, &error));
        }
    };
    report.good(format!("broker {} answers", kafka.brokers()));
    let (counts, own_counts) = counts.split_at(names.len());
    for (settings, count) in sources.iter().zip(counts) {
        check_source(report, &source, settings, *count);
    }
    // Over files the changes come with the events.
    if !sources.is_empty() {
        check_table_topics(report, &source, program);
    }
    check_own(report, settings, kafka, &own, own_counts);
    let Some(counts) = counts.iter().copied().collect::<Option<Vec<usize>>>() else { return };
    match Topology::new(sources, &counts, program) {
        Ok(topology) if !sources.is_empty() => {
            let shards = topology.shards();
            report.good(format!("every rule is right over these partitions: {shards} shards"));
            if !topology.apart.is_empty() {
                let (topic, keys) = (topic_of(settings), topology.apart.names(program).join(", "));
                report.good(format!(
                    "rules {keys} are judged behind the topic `{topic}`, which brings their events together"
                ));
            }
        }
        Ok(_) => {}
        Err(errors) => {
            let line = |error: &crate::daemon::topology::TopologyError| Line {
                good: false,
                about_rules: true,
                text: error.to_string(),
            };
            report.lines.extend(errors.iter().map(line));
        }
    }
}

fn check_source(report: &mut Report, source: &KafkaSource, settings: &TopicSource, count: Option<usize>) {
    let topic = &settings.topic;
    let Some(count) = count else { return report.bad(format!("topic `{topic}` does not exist")) };
    let first = Partition { topic: topic.clone(), number: 0 };
    match source.bounds(&first, TIMEOUT) {
        Ok(_) => report.good(format!("topic `{topic}`: {count} partitions, readable")),
        Err(error) => return report.bad(format!("topic `{topic}` cannot be read: {error}")),
    }
    // Asking for offsets needs the same right to the group as joining it.
    match source.committed(std::slice::from_ref(&first), TIMEOUT) {
        Ok(_) => {}
        Err(error) => report.bad(format!("the consumer group cannot be used: {error}")),
    }
}

fn check_table_topics(report: &mut Report, source: &KafkaSource, program: &Program) {
    for (table, topic) in tables::topics(program) {
        let first = Partition { topic: topic.to_owned(), number: 0 };
        let found = source.partition_counts(&[topic], TIMEOUT).map(|counts| counts.first().copied().flatten());
        match found.and_then(|count| count.map(|count| source.bounds(&first, TIMEOUT).map(|_| count)).transpose()) {
            Ok(Some(count)) => report.good(format!("table {table}: topic `{topic}`, {count} partitions, readable")),
            Ok(None) => report.bad(format!("topic `{topic}` of the table {table} does not exist")),
            Err(error) => report.bad(format!("topic `{topic}` of the table {table} cannot be read: {error}")),
        }
    }
}

fn check_own(report: &mut Report, settings: &Settings, kafka: &KafkaSettings, own: &[&str], counts: &[Option<usize>]) {
    let what = |topic: &str| match (&settings.alerts, &settings.dead_letters) {
        (AlertsTo::Topic(alerts), _) if alerts == topic => "alerts",
        (_, DeadLettersTo::Topic(_)) => "dead letters",
        _ => "records",
    };
    for (topic, count) in own.iter().zip(counts) {
        match (count, kafka.internal_topics) {
            (Some(count), _) => report.good(format!("topic `{topic}` for {}: {count} partitions", what(topic))),
            (None, InternalTopics::Create) => {
                report.good(format!("topic `{topic}` for {} does not exist yet and will be created", what(topic)));
            }
            (None, InternalTopics::Expect) => report.bad(format!(
                "topic `{topic}` for {} does not exist, and internal_topics = \"expect\": `tripline topics` prints \
                     what makes it",
                what(topic)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn delivery_is_told_with_its_reason() {
        let told = |text: &str| delivery(&crate::config::parse(Path::new("t.toml"), text).expect("it is right"));
        let topics = "name = \"t\"\nrules = [\".\"]\n[kafka]\nbrokers = \"a:1\"\n[[source]]\ntopic = \"e\"\n[alerts]\n\
                      topic = \"x\"\n";
        let once = told(topics);
        assert!(
            once.contains("exactly once: alerts, dead letters and positions") && once.contains("every 100 ms"),
            "{once}"
        );
        for (from, to, why) in [
            ("a:1\"", "a:1\"\ndelivery = \"at-least-once\"", "delivery = \"at-least-once\" is configured"),
            ("topic = \"x\"", "stdout = true", "standard output knows no transactions"),
            ("topic = \"x\"", "file = \"x\"", "a file knows no transactions"),
            ("topic = \"e\"", "stdin = true", "files are read from their start"),
        ] {
            let told = told(&topics.replace(from, to));
            assert!(told.contains("at least once") && told.contains(why), "{told}");
        }
    }
}
