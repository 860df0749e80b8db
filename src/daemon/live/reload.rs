//! Other rules between two batches: the state of each shard is written down, and taken up by a shard of the new rules, as
//! after a restart. No partition is given up and no message is read again.

use std::sync::Arc;
use std::time::Instant;

use super::start::{find_tables, read_tables};
use super::{Ended, Session};
use crate::daemon::feed::Entry;
use crate::daemon::repartition::{self, Repartition};
use crate::daemon::rulebook::{Active, Swapped, Wish};
use crate::daemon::shard::{Begin, Saved, Shard};
use crate::daemon::tables::Tables;
use crate::daemon::topology::Topology;
use crate::engine::{Carried, Damaged};
use crate::intake::input_settings;
use crate::program::Program;

impl Session<'_> {
    /// Takes up the rules that somebody wishes for. It waits until all partitions are read back: what is muted was
    /// judged by the rules of then.
    pub(super) fn reload_if_wished(&mut self) -> Result<(), Ended> {
        if !self.assigned || self.feeds.to_read_back().is_some() {
            return Ok(());
        }
        let Some(wish) = self.plan.rules.take_wish() else { return Ok(()) };
        let topology = match self.topology_of(&wish.active.program) {
            Ok(topology) => topology,
            Err(reason) => {
                wish.refuse(reason);
                return Ok(());
            }
        };
        let tables = read_tables(self.plan, &wish.active)?;
        // What the old rules have found is theirs, and committed as such.
        self.commit(false)?;
        self.feeds.measure();
        let began = self.plan.clock.now();
        self.topology = topology;
        self.here = self.topology.apart.here(&wish.active.program);
        self.repartition = self.repartition_of(&wish.active.program);
        let swapped = self.swap(&wish, &tables, began)?;
        self.tables = tables;
        self.tables.give(self.feeds.entries());
        self.plan.rules.grant(wish, swapped);
        Ok(())
    }

    /// How the partitions make shards for these rules; what keeps them from running here otherwise.
    fn topology_of(&self, program: &Program) -> Result<Topology, String> {
        find_tables(self.plan, program, &*self.source).map_err(|error| format!("{error:#}"))?;
        let mut topology = Topology::new(self.plan.sources, &self.counts, program).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })?;
        match &self.repartition {
            Some(repartition) => topology.add_repartition(self.plan.sources.len(), repartition.partitions),
            None if topology.apart.is_empty() => {}
            None => {
                return Err(format!(
                    "rules {} have keys that lie in several partitions, and need the topic `{}`, which the daemon \
                     reads from its next start on",
                    topology.apart.names(program).join(", "),
                    repartition::topic_of(self.plan.settings)
                ));
            }
        }
        Ok(topology)
    }

    /// What other rules have judged behind the same topic.
    fn repartition_of(&self, program: &Program) -> Option<Arc<Repartition>> {
        let Repartition { topic, partitions, .. } = &**self.repartition.as_ref()?;
        let judged = (&self.topology.apart, program);
        let kept = (self.plan.settings.limits, self.plan.kafka.delivery);
        let sources = (self.plan.sources, &self.counts[..]);
        Some(Arc::new(Repartition::new((topic.clone(), *partitions), judged, sources, kept)))
    }

    fn swap(&mut self, wish: &Wish, tables: &Tables, began: Instant) -> Result<Swapped, Ended> {
        let Active { program, .. } = &wish.active;
        let mut swapped = Swapped::default();
        let mut shards = Vec::new();
        for entry in self.feeds.at_home() {
            let restored = self.with_rules(entry, tables);
            let (shard, Carried { kept, left_out }) = restored
                .map_err(|error| Ended::Rebuild(format!("the state could not be carried to other rules: {error}")))?;
            swapped.kept += kept;
            for (name, open) in left_out {
                *swapped.dropped.entry(name).or_default() += open;
            }
            shards.push(shard);
        }
        swapped.dropped.retain(|_, open| *open > 0);
        self.feeds
            .change_rules(self.plan.settings, &self.sources, program, self.repartition.clone(), shards)
            .map_err(|error| Ended::Failed(anyhow::Error::new(error).context("no threads to judge with")))?;
        self.program = Arc::clone(program);
        swapped.pause = self.plan.clock.since(began);
        Ok(swapped)
    }

    /// A shard of other rules with the state of one that stands where its last commit does.
    fn with_rules(&self, entry: &Entry, tables: &Tables) -> Result<(Shard, Carried), Damaged> {
        let Entry { shard, feeds, .. } = entry;
        let mut state = Vec::new();
        shard.save(&mut state);
        let begin = feeds.iter().enumerate().map(|(input, feed)| {
            let source = &self.sources[feed.source];
            let settings = input_settings(source.time, self.plan.settings.limits);
            Begin { from: shard.next(input), until: shard.next(input), mark: shard.mark(input), settings }
        });
        let begin: Vec<Begin> = begin.collect();
        let inputs: Vec<_> = (0..feeds.len()).map(|input| (shard.high_ms(input), shard.is_idle(input))).collect();
        let saved = Saved { inputs: &inputs, state: &state, tables: tables.rows() };
        Shard::restored(self.rules_of(entry.id), &begin, saved)
    }
}
