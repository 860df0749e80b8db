//! Says behind the repartition topic how far event time has come in the partitions that this copy reads. All that was
//! written there before a mark has been written there before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{InputMark, Record, Repartition};
use crate::daemon::feed::Entry;
use crate::daemon::output::{OutputError, Outputs};

/// How often it is said where time only goes on by itself.
const QUIET: Duration = Duration::from_secs(1);

/// What was said last.
pub(in crate::daemon) struct Marks {
    repartition: Arc<Repartition>,
    said: Vec<Said>,
    at: Option<Instant>,
    bytes: Vec<u8>,
}

/// How far event time has come in a partition: the place of its shard and of its input there, the highest event time
/// (ms), and whether it is idle.
type Said = (usize, usize, Option<i64>, bool);

impl Marks {
    /// Nothing was said yet.
    pub(in crate::daemon) fn new(repartition: Arc<Repartition>) -> Marks {
        Marks { repartition, said: Vec::new(), at: None, bytes: Vec::new() }
    }

    /// Writes to all partitions of the topic what has changed since the last time, if anything has. The shards have
    /// something to commit then.
    pub(in crate::daemon) fn say(
        &mut self,
        entries: &mut [Entry],
        outputs: &mut Outputs,
        now: Instant,
    ) -> Result<(), OutputError> {
        let known = self.known(entries);
        if !self.is_due(&known, now) {
            return Ok(());
        }
        let mark = |(entry, input, high_ms, idle): &Said| {
            let partition = &entries[*entry].feeds[*input].partition;
            InputMark { topic: &partition.topic, partition: partition.number, high_ms: *high_ms, idle: *idle }
        };
        self.bytes.clear();
        Record::Marks(known.iter().map(mark).collect()).write(&mut self.bytes);
        for partition in self.repartition.all() {
            outputs.forward(&self.repartition.topic, partition, &self.bytes)?;
        }
        for (entry, ..) in &known {
            entries[*entry].shard.keep_changed();
        }
        (self.said, self.at) = (known, Some(now));
        Ok(())
    }

    fn known(&self, entries: &[Entry]) -> Vec<Said> {
        let mut known = Vec::new();
        for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.shard.is_speaking()) {
            for (input, feed) in entry.feeds.iter().enumerate() {
                if self.repartition.input(&feed.partition.topic, feed.partition.number).is_some() {
                    known.push((at, input, entry.shard.high_ms(input), entry.shard.is_idle(input)));
                }
            }
        }
        known
    }

    /// At once where events came or an input fell silent; now and then where all is quiet.
    fn is_due(&self, known: &[Said], now: Instant) -> bool {
        if known.is_empty() || known == self.said {
            return false;
        }
        let is_quiet = |(known, said): (&Said, &Said)| known == said || (known.3 && said.3 && known.0 == said.0);
        let are_quiet = known.len() == self.said.len() && known.iter().zip(&self.said).all(is_quiet);
        !are_quiet || self.at.is_none_or(|at| now.saturating_duration_since(at) >= QUIET)
    }
}
