//! When and how it is stored what was sent and how far the sources are read.
//!
//! - *Exactly once*: both in one transaction, which is open from the first record on. What cannot be committed for good
//!   is not known to be committed or not, so the session ends and the state is read back.
//! - *At least once*: what was sent first, then the offsets. What fails is committed later; until then a crash repeats
//!   alerts (with the same ids).

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::{Ended, LAST_DRAIN, Session};
use crate::config::Delivery;
use crate::daemon::health::Health;
use crate::daemon::output::OutputError;
use crate::daemon::outside::{Clock, Next, Producer};
use crate::daemon::shutdown::Shutdown;
use crate::sink::kafka::OutboxError;
use crate::telemetry::{CommitFailed, Committed, TransactionAborted};

/// At least once: a commit is due at once when so many alerts wait for it, so that few are repeated.
const COMMIT_ALERTS: u64 = 2_000;
/// The longest that a transaction is waited for: the daemon must not be deaf for half a minute.
const COMMIT_MAX: Duration = Duration::from_secs(25);
/// How long an abort may take: a daemon that stops has waited for a commit before.
const ABORT_MAX: Duration = Duration::from_secs(1);
const BEAT: Duration = Duration::from_secs(2);

impl Session<'_> {
    /// Commits where there is something to commit and the last commit is long enough ago.
    pub(super) fn commit_if_due(&mut self) -> Result<(), Ended> {
        let alerts = self.outputs.sent() - self.committed_alerts;
        let hurries = !self.is_exactly_once() && alerts >= COMMIT_ALERTS;
        if self.plan.clock.since(self.committed_at) < self.plan.kafka.commit_interval && !hurries {
            return Ok(());
        }
        self.commit(false)
    }

    /// Commits before the partitions are given up. At least once, what fails now is only read again.
    pub(super) fn commit_last(&mut self) -> Result<(), Ended> {
        match self.commit_all(true) {
            Err(ended) if self.is_exactly_once() => Err(ended),
            Err(ended) => {
                CommitFailed { error: ended.reason() }.emit(&self.plan.metrics);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Sends all that was found, and commits it.
    pub(super) fn commit_all(&mut self, last: bool) -> Result<(), Ended> {
        self.feeds.collect(&*self.source, &mut self.outputs)?;
        self.commit(last)
    }

    /// Takes back what was sent and not committed. A new producer would do so as well; where none comes, readers of the
    /// alerts would have to wait until the broker does.
    pub(super) fn abandon(&self, ended: &Ended) {
        let Some(outbox) = self.outputs.transactions().filter(|outbox| outbox.is_open()) else { return };
        TransactionAborted { reason: &ended.reason() }.emit(&self.plan.metrics);
        if let Err(error) = outbox.abort(ABORT_MAX) {
            tracing::debug!(%error, "the transaction is left to the next producer, or to the broker");
        }
    }

    /// A later member has this one's name. Where that is another process, its producer has shut out this one's as well,
    /// and a commit tells: this process ends. Otherwise it is this copy's own double, as a broker makes one that answers
    /// too late; the copy joins without a name from then on.
    pub(super) fn shut_out(&mut self, reason: String) -> Ended {
        self.plan.joins_by_name.set(false);
        if self.is_exactly_once() {
            let collected = self.feeds.collect(&*self.source, &mut self.outputs).map_err(Ended::from);
            self.feeds.keep_changed();
            if let Err(ended @ Ended::Failed(_)) = collected.and_then(|()| self.commit(true)) {
                return ended;
            }
        }
        Ended::Rebuild(reason)
    }

    pub(super) fn is_exactly_once(&self) -> bool {
        self.plan.kafka.delivery == Delivery::ExactlyOnce
    }

    /// Stores what was sent and how far was read; as the `last` thing it takes no longer than that may take.
    pub(super) fn commit(&mut self, last: bool) -> Result<(), Ended> {
        self.feeds.say_marks(&mut self.outputs)?;
        let changed = self.feeds.changed();
        if changed.is_empty() {
            // All is committed, and after a burst nothing may come for long.
            self.take_snapshot_unless(last);
            return Ok(());
        }
        let clock = &self.plan.clock;
        let began = clock.now();
        self.committed_at = began;
        self.committed_alerts = self.outputs.sent();
        let metadata: Vec<String> = changed.iter().map(|(_, _, mark)| mark.to_metadata()).collect();
        let next = changed.iter().zip(&metadata).map(|((partition, next, _), mark)| (partition, *next, mark.as_str()));
        let next: Vec<Next<'_>> = next.collect();
        let timeout = self.outputs.transactions().and_then(Producer::transaction_timeout);
        let longest = if last { Some(LAST_DRAIN) } else { timeout.map(|timeout| timeout.min(COMMIT_MAX)) };
        let patience = Patience::new(&**clock, &self.plan.shutdown, &self.plan.health, longest);
        let committed = Committed { partitions: changed.len(), took: Duration::ZERO };
        if timeout.is_some() {
            let stored = self.outputs.commit(&next, &*self.source, || patience.is_over());
            stored.map_err(|error| patience.ended(error))?;
        } else {
            if let Err(error) = self.outputs.drain(|| patience.is_over()) {
                self.feeds.keep_changed();
                return Err(error.into());
            }
            // Files are removed by what is stored, so a commit that names a new snapshot is waited for.
            let waits = last || self.feeds.at_home().iter().any(|entry| entry.kept.is_unsaid());
            if let Err(error) = self.source.commit(&next, waits) {
                self.feeds.keep_changed();
                CommitFailed { error: error.to_string() }.emit(&self.plan.metrics);
                return Ok(());
            }
        }
        Committed { took: clock.since(began), ..committed }.emit(&self.plan.metrics);
        if let Some(keeper) = &mut self.keeper {
            keeper.committed(self.feeds.entries());
        }
        self.take_snapshot_unless(last);
        Ok(())
    }

    /// Right after a commit, if one is due. The `last` ones are taken otherwise.
    fn take_snapshot_unless(&mut self, last: bool) {
        if let Some(keeper) = self.keeper.as_mut().filter(|_| !last) {
            keeper.take_due(self.feeds.entries());
        }
    }

    /// When the daemon stops, after the last commit: snapshots of what it covers, so that nothing is read back by the
    /// next start, and one more commit that names them.
    pub(super) fn snapshot_last(&mut self) -> Result<(), Ended> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        if keeper.take_last(self.feeds.entries()) { self.commit(true) } else { Ok(()) }
    }
}

/// How long a commit is waited for.
struct Patience<'a> {
    clock: &'a dyn Clock,
    shutdown: &'a Shutdown,
    health: &'a Health,
    longest: Option<Duration>,
    began: Instant,
    asked: Cell<Option<Instant>>,
    beat: Cell<Instant>,
}

impl<'a> Patience<'a> {
    fn new(
        clock: &'a dyn Clock,
        shutdown: &'a Shutdown,
        health: &'a Health,
        longest: Option<Duration>,
    ) -> Patience<'a> {
        let now = clock.now();
        Patience { clock, shutdown, health, longest, began: now, asked: Cell::new(None), beat: Cell::new(now) }
    }

    /// Whether it is over. The health is told meanwhile that the loop lives.
    fn is_over(&self) -> bool {
        if self.clock.since(self.beat.get()) > BEAT {
            self.beat.set(self.clock.now());
            self.health.beat(vec!["the broker does not acknowledge alerts".to_owned()]);
        }
        if self.shutdown.is_asked() && self.asked.get().is_none() {
            self.asked.set(Some(self.clock.now()));
        }
        self.longest.is_some_and(|longest| self.clock.since(self.began) > longest)
            || self.asked.get().is_some_and(|asked| self.clock.since(asked) > LAST_DRAIN)
    }

    /// How a session ends whose transaction was not committed. One that took too long is decided by a new producer.
    fn ended(&self, error: OutputError) -> Ended {
        match error {
            OutputError::Outbox(OutboxError::Stopped) if !self.shutdown.is_asked() => Ended::Rebuild(format!(
                "the broker took more than {} s for a commit",
                self.clock.since(self.began).as_secs()
            )),
            error => error.into(),
        }
    }
}
