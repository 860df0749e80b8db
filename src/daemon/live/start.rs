//! What has to be there before anything is read: the topics, and the rows of tables from topics.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use super::{BROKER_TIMEOUT, Ended, Plan, pause};
use crate::daemon::outside::Consumer;
use crate::daemon::repartition::{self, Repartition};
use crate::daemon::rulebook::Active;
use crate::daemon::tables::{self, Tables};
use crate::daemon::topics;
use crate::daemon::topology::Topology;
use crate::program::Program;
use crate::source::kafka::SourceError;

/// Reads the tables from topics to their ends.
pub(super) fn read_tables(plan: &Plan<'_>, active: &Active) -> Result<Tables, Ended> {
    let Plan { settings, kafka, metrics, .. } = plan;
    let Active { program, tables } = active;
    let mut tables = Tables::open(program, kafka, &settings.name, tables, metrics, BROKER_TIMEOUT)?;
    let is_read = tables.read(|under_way| {
        plan.health.beat(vec![under_way]);
        !plan.shutdown.is_asked()
    })?;
    if is_read { Ok(tables) } else { Err(Ended::Stopped) }
}

/// Sees to it that the repartition topic is there, where rules need it, and adds its shards to those of the sources.
pub(super) fn prepare_repartition(
    plan: &Plan<'_>,
    topology: &mut Topology,
    counts: &[usize],
    program: &Program,
    consumer: &dyn Consumer,
) -> Result<Option<Arc<Repartition>>, Ended> {
    if topology.apart.is_empty() {
        return Ok(None);
    }
    let topic = repartition::topic_of(plan.settings);
    topics::ensure_repartition(plan.settings, plan.kafka, counts, consumer).map_err(Ended::Failed)?;
    let partitions = consumer.partition_counts(&[&topic], BROKER_TIMEOUT)?;
    let Some(partitions) = partitions.into_iter().flatten().next() else {
        return Err(Ended::Rebuild(format!("the topic `{topic}` was made and is not seen yet")));
    };
    topology.add_repartition(plan.sources.len(), partitions);
    let keys = topology.apart.names(program).join("; ");
    tracing::info!(topic, partitions, keys, "events of these rules are brought together by a topic");
    let (judged, kept) = ((&topology.apart, program), (plan.settings.limits, plan.kafka.delivery));
    Ok(Some(Arc::new(Repartition::new((topic, partitions), judged, (plan.sources, counts), kept))))
}

/// Waits until all topics are there, and makes those that are ours. Gives how many partitions each source has.
pub(super) fn wait_for_topics(plan: &Plan<'_>, program: &Program, source: &dyn Consumer) -> Result<Vec<usize>, Ended> {
    let names: Vec<&str> = plan.sources.iter().map(|source| source.topic.as_str()).collect();
    let clock = &plan.clock;
    let mut said = None;
    while !plan.shutdown.is_asked() {
        let reason = match look(plan, program, source, &names) {
            Ok(counts) => return Ok(counts),
            Err(error) if error.is::<topics::Missing>() => return Err(Ended::Failed(error)),
            Err(error) => format!("{error:#}"),
        };
        // The callbacks are served by polling only.
        if let Err(SourceError::Fatal(reason)) = source.poll(Duration::from_millis(200), &mut |_| {}) {
            return Err(Ended::Rebuild(reason));
        }
        if said.as_ref().is_none_or(|(last, at)| *last != reason || clock.since(*at) > Duration::from_secs(30)) {
            tracing::error!(reason, "waiting for kafka");
            said = Some((reason.clone(), clock.now()));
        }
        plan.health.beat(vec![reason]);
        pause(plan, Duration::from_secs(1));
    }
    Err(Ended::Stopped)
}

/// How many partitions each topic has, with our own topics made where they are missing.
fn look(plan: &Plan<'_>, program: &Program, source: &dyn Consumer, names: &[&str]) -> anyhow::Result<Vec<usize>> {
    if !plan.has_begun.get() {
        topics::expect(plan.settings, plan.kafka, program, source)?;
        plan.has_begun.set(true);
    }
    let counts = source.partition_counts(names, BROKER_TIMEOUT).with_context(|| no_answer(plan))?;
    if let Some((topic, _)) = names.iter().zip(&counts).find(|(_, count)| count.is_none()) {
        bail!("the topic `{topic}` does not exist");
    }
    find_tables(plan, program, source)?;
    let counts: Vec<usize> = counts.into_iter().flatten().collect();
    topics::ensure(plan.settings, plan.kafka, &counts, source)?;
    Ok(counts)
}

/// Whether the topics of the tables are there.
pub(super) fn find_tables(plan: &Plan<'_>, program: &Program, source: &dyn Consumer) -> anyhow::Result<()> {
    for (table, topic) in tables::topics(program) {
        if source.partition_counts(&[topic], BROKER_TIMEOUT).with_context(|| no_answer(plan))? == [None] {
            bail!("the topic `{topic}` of the table `{table}` does not exist");
        }
    }
    Ok(())
}

/// The client's callback tells its troubles with the broker in its own words; this is what follows from them.
fn no_answer(plan: &Plan<'_>) -> String {
    format!("no answer from {}", plan.kafka.brokers())
}
