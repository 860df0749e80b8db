//! What a broker has of the needs. It is asked with the daemon's own login, and nothing is changed.

use std::time::Duration;

use anyhow::{Context, anyhow};
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crate::config::{KafkaSettings, Settings, SinkKind};
use crate::daemon::needs::{Cluster, Must, Needs, Topic, TopicSetting};
use crate::kafka::{client_config, unreachable};
use crate::source::kafka::KafkaSource;
use crate::telemetry::Metrics;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What was found of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is as it must be, with so many partitions.
    Right(usize),
    /// It is not there, and the daemon makes it.
    ToBeMade,
    /// It is not there.
    Missing,
    /// It is there with other settings, each in words.
    Otherwise(usize, Vec<String>),
    /// It is there; its settings may not be seen.
    Unseen(usize),
}

impl Found {
    /// Whether a person has to do something.
    pub fn is_good(&self) -> bool {
        !matches!(self, Found::Missing | Found::Otherwise(..))
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Found::Right(count) => write!(f, "ok, partitions: {count}"),
            Found::ToBeMade => f.write_str("missing; the daemon will make it"),
            Found::Missing => f.write_str("MISSING"),
            Found::Otherwise(count, wrong) => write!(f, "WRONG, partitions: {count}; {}", wrong.join("; ")),
            Found::Unseen(count) => write!(f, "partitions: {count}; no right to see its settings"),
        }
    }
}

/// What there is of every topic, in the order of the needs. An error where a broker does not answer.
pub fn compare(settings: &Settings, needs: &Needs) -> anyhow::Result<Vec<Vec<Found>>> {
    needs.clusters.iter().map(|cluster| of_cluster(settings, cluster)).collect()
}

fn of_cluster(settings: &Settings, cluster: &Cluster) -> anyhow::Result<Vec<Found>> {
    let kafka = login(settings, &cluster.brokers).context("a cluster of the needs is one of the settings")?;
    let source = KafkaSource::new(kafka, &settings.name, Metrics::default())?;
    let names: Vec<&str> = cluster.topics.iter().map(|topic| topic.name.as_str()).collect();
    let counts = source.partition_counts(&names, TIMEOUT).map_err(|error| {
        let poll = || drop(source.poll(Duration::from_millis(100)));
        anyhow!(unreachable(kafka, source.trouble(), poll, &error))
    })?;
    let admin: AdminClient<DefaultClientContext> = client_config(kafka, &settings.name).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let found = |(topic, count): (&Topic, Option<usize>)| match count {
        None if topic.made_here => Found::ToBeMade,
        None => Found::Missing,
        Some(count) => match runtime.block_on(described(&admin, &topic.name)) {
            None => Found::Unseen(count),
            Some(config) => judged(topic, count, &config),
        },
    };
    Ok(cluster.topics.iter().zip(counts).map(found).collect())
}

/// The properties by which a broker is spoken to.
fn login<'s>(settings: &'s Settings, brokers: &str) -> Option<&'s KafkaSettings> {
    let sinks = settings.sinks.iter().filter_map(|sink| match &sink.kind {
        SinkKind::Topic(topic) => Some(&topic.kafka),
        _ => None,
    });
    settings.kafka.iter().chain(sinks).find(|kafka| kafka.brokers() == brokers)
}

/// The settings of a topic; none where they may not be seen.
async fn described(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Option<ConfigResource> {
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let described = admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options).await.ok()?;
    described.into_iter().next()?.ok()
}

fn judged(topic: &Topic, count: usize, config: &ConfigResource) -> Found {
    let value = |name: &str| config.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
    let differs = |setting: &TopicSetting| (!fits(setting, &value)).then(|| words(setting, &value(setting.name)));
    let wrong: Vec<String> = topic.settings.iter().filter_map(differs).collect();
    if wrong.is_empty() { Found::Right(count) } else { Found::Otherwise(count, wrong) }
}

/// Whether a setting is as it must be, with the values that the topic has.
fn fits(setting: &TopicSetting, value: &impl Fn(&str) -> String) -> bool {
    let found = value(setting.name);
    match setting.must {
        // What is never deleted is as good as compacted for who reads it all.
        Must::Be("compact") => found == "compact" || (found == "delete" && value("retention.ms") == "-1"),
        Must::Be(wanted) => found == wanted,
        // -1 is without end.
        Must::AtLeast(least) => found.parse().is_ok_and(|found: i64| found >= least || found == -1),
    }
}

fn words(setting: &TopicSetting, found: &str) -> String {
    format!("{} is {found}, must be {setting}: {}", setting.name, setting.why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits_with(name: &'static str, must: Must, values: &[(&str, &str)]) -> bool {
        let value = |name: &str| {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()).unwrap_or_default()
        };
        fits(&TopicSetting { name, must, why: String::new() }, &value)
    }

    #[test]
    fn what_lasts_longer_is_right_too() {
        let retention = |found| fits_with("retention.ms", Must::AtLeast(1_000), &[("retention.ms", found)]);
        assert_eq!(["999", "1000", "-1", "", "soon"].map(retention), [false, true, true, false, false]);
    }

    #[test]
    fn a_table_is_compacted_or_never_deleted() {
        let policy = |policy, ms| {
            fits_with("cleanup.policy", Must::Be("compact"), &[("cleanup.policy", policy), ("retention.ms", ms)])
        };
        assert!(policy("compact", "1") && policy("delete", "-1"));
        assert!(!policy("delete", "604800000") && !policy("compact,delete", "604800000"));
    }
}
