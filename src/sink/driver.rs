//! The loop of every sink that hands alerts on as they are: read, deliver, retry, acknowledge, stop.
//!
//! Nothing is acknowledged before it is delivered or dead-lettered. An alert that the receiver does not take *now* waits
//! by itself and others go on. A receiver that is away or unusable stops the reading, so alerts wait in the inbox and
//! not in memory. What a receiver is, and what its answers mean, is the carrier's to say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::alert::AlertRecord;
use crate::sink::carrier::{Carrier, Refused, Taken, Trouble};
use crate::sink::counters::{SinkFigures, SinkStatus, count};
use crate::sink::filter::Filter;
use crate::sink::gate::Gate;
use crate::sink::ledger::{Held, Ledger};
use crate::sink::seen::Seen;
use crate::sink::stop::{Stop, at};
use crate::sink::{AlertInbox, Backoff, DeadAlert, DeadLetter, Delivery, Random, SinkError};

/// Undelivered alerts at which the inbox is left alone, where a batch is not larger.
const WAITING_MAX: usize = 100;
/// How long an acknowledgement may wait for others.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(1);

/// What a sink consists of beside its carrier.
pub(super) struct Parts {
    pub(super) filter: Filter,
    pub(super) status: Arc<SinkStatus>,
    pub(super) backoff: Backoff,
    pub(super) random: Random,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkSummary {
    /// The counters at the end.
    pub figures: SinkFigures,
    /// Alerts that were read but neither delivered nor dead-lettered. They are not acknowledged and come again.
    pub undelivered: u64,
}

/// A running sink.
pub(super) struct Driver<C, I, D> {
    filter: Filter,
    carrier: C,
    inbox: I,
    dead_letter: D,
    stop: Stop,
    /// In the order in which they were read.
    waiting: Vec<Waiting>,
    ledger: Ledger,
    seen: Seen,
    gate: Gate,
    backoff: Backoff,
    random: Random,
    status: Arc<SinkStatus>,
    /// Whether the inbox has ended.
    ended: bool,
    acknowledge_at: Option<Instant>,
}

/// An alert on its way.
struct Waiting {
    record: AlertRecord,
    held: Held,
    attempts: u32,
    first_attempt: Option<Instant>,
    due: Instant,
}

/// Whether the loop may go on delivering.
enum Attempt {
    Made,
    Interrupted,
}

impl<C: Carrier, I: AlertInbox, D: DeadLetter<DeadAlert>> Driver<C, I, D> {
    pub(super) fn new(parts: Parts, carrier: C, inbox: I, dead_letter: D, shutdown: watch::Receiver<bool>) -> Self {
        let Parts { filter, status, backoff, random } = parts;
        Driver {
            filter,
            carrier,
            inbox,
            dead_letter,
            stop: Stop::new(shutdown),
            waiting: Vec::new(),
            ledger: Ledger::default(),
            seen: Seen::default(),
            gate: Gate::default(),
            backoff,
            random,
            status,
            ended: false,
            acknowledge_at: None,
        }
    }

    /// Delivers what comes, until the inbox ends and everything is dealt with, or until a stop is asked for: then the
    /// attempt in flight gets three seconds, and the rest stays unacknowledged.
    pub(super) async fn run(mut self) -> Result<SinkSummary, SinkError> {
        while !self.stop.is_asked() && !self.is_finished() {
            self.wait().await;
            self.deliver_due().await?;
            self.acknowledge_in_time().await;
        }
        self.acknowledge().await;
        Ok(self.summary())
    }

    /// Waits for whatever comes first: a stop, the next thing to do, or alerts.
    async fn wait(&mut self) {
        let wake = self.next_wake();
        let reading = !self.ended && self.gate.is_open() && self.waiting.len() < self.waiting_max();
        let delivery = tokio::select! {
            biased;
            () = self.stop.asked() => return,
            () = at(wake) => return,
            delivery = self.inbox.next(), if reading => delivery,
        };
        self.received(delivery);
        if self.carrier.batch_max() > 1 {
            self.read_what_is_there().await;
        }
    }

    /// More of what can be had without waiting, so that many alerts cost one write.
    async fn read_what_is_there(&mut self) {
        while !self.ended && self.waiting.len() < self.waiting_max() {
            let delivery = tokio::select! {
                biased;
                delivery = self.inbox.next() => delivery,
                () = std::future::ready(()) => return,
            };
            self.received(delivery);
        }
    }

    fn waiting_max(&self) -> usize {
        self.carrier.batch_max().max(WAITING_MAX)
    }

    fn next_wake(&self) -> Option<Instant> {
        let now = Instant::now();
        let alert = self.waiting.iter().map(|waiting| waiting.due.max(self.gate.opens(now))).min();
        let gate = (!self.gate.is_open()).then(|| self.gate.opens(now));
        [alert, gate, self.acknowledge_at].into_iter().flatten().min()
    }

    fn received(&mut self, delivery: Option<Delivery>) {
        let Some(Delivery { record, position }) = delivery else {
            self.ended = true;
            return;
        };
        let counters = &self.status.counters;
        count(&counters.read);
        self.ledger.read(position);
        let now = Instant::now();
        self.acknowledge_at.get_or_insert(now + ACKNOWLEDGE_EVERY);
        if !self.filter.takes(&record) {
            count(&counters.skipped);
        } else if !self.seen.insert(&record.alert_id) {
            count(&counters.repeats);
        } else {
            let mut held = Held::default();
            held.add(position);
            self.waiting.push(Waiting { record, held, attempts: 0, first_attempt: None, due: now });
        }
    }

    /// Delivers what is due, the oldest first, as long as the receiver goes along.
    async fn deliver_due(&mut self) -> Result<(), SinkError> {
        while self.gate.is_open() && !self.stop.is_over() {
            let now = Instant::now();
            let due = |(index, waiting): (usize, &Waiting)| (waiting.due <= now).then_some(index);
            let batch_max = self.carrier.batch_max();
            let batch: Vec<usize> = self.waiting.iter().enumerate().filter_map(due).take(batch_max).collect();
            if batch.is_empty() {
                break;
            }
            match self.attempt(&batch).await? {
                Attempt::Made => self.acknowledge().await,
                Attempt::Interrupted => break,
            }
        }
        self.status.waiting.store(self.undelivered(), Ordering::Relaxed);
        Ok(())
    }

    /// One attempt. What is not delivered stays where it is, so it is never out of the ledger.
    async fn attempt(&mut self, batch: &[usize]) -> Result<Attempt, SinkError> {
        let now = Instant::now();
        for &index in batch {
            self.waiting[index].first_attempt.get_or_insert(now);
        }
        let alerts: Vec<&AlertRecord> = batch.iter().map(|&index| &self.waiting[index].record).collect();
        let delivered = tokio::select! {
            biased;
            delivered = self.carrier.deliver(&alerts) => delivered,
            () = self.stop.over() => return Ok(Attempt::Interrupted),
        };
        match delivered {
            Ok(taken) => self.settle(batch, taken).await?,
            Err(trouble) => self.postpone(batch, &trouble).await?,
        }
        Ok(Attempt::Made)
    }

    /// The receiver has judged these.
    async fn settle(&mut self, batch: &[usize], taken: Taken) -> Result<(), SinkError> {
        self.gate.succeeded(&self.filter.sink);
        self.status.hold(None);
        let counters = &self.status.counters;
        let delivered = (batch.len() - taken.refused.len()) as u64 - taken.repeats;
        counters.delivered.fetch_add(delivered, Ordering::Relaxed);
        counters.repeats.fetch_add(taken.repeats, Ordering::Relaxed);
        for Refused { index, reason } in taken.refused {
            self.bury(batch[index], reason).await?;
        }
        self.forget(&batch.iter().copied().collect());
        Ok(())
    }

    /// The receiver has not taken these. What it has not taken for a day is given up, but for a person nobody waits in
    /// vain: that time does not count.
    async fn postpone(&mut self, batch: &[usize], trouble: &Trouble) -> Result<(), SinkError> {
        let now = Instant::now();
        let sink = &self.filter.sink;
        let delay = self.backoff.delay(self.gate.failures(), &mut self.random).max(trouble.after());
        match trouble {
            Trouble::Later(_) => self.gate.mention(sink, trouble, now),
            Trouble::Away(_) => self.gate.failed(sink, trouble, false, now, delay),
            Trouble::Unusable(reason) => {
                self.gate.failed(sink, trouble, true, now, delay);
                self.status.hold(Some(reason.clone()));
                count(&self.status.counters.refused);
            }
        }
        // What was tried together is tried together again.
        let attempts = batch.first().map_or(0, |&index| self.waiting[index].attempts);
        let due = now + self.backoff.delay(attempts, &mut self.random).max(trouble.after());
        let mut given_up = BTreeSet::new();
        for &index in batch {
            let waiting = &mut self.waiting[index];
            if matches!(trouble, Trouble::Unusable(_)) {
                waiting.first_attempt = None;
                continue;
            }
            waiting.due = due;
            waiting.attempts = waiting.attempts.saturating_add(1);
            if waiting.first_attempt.is_some_and(|first| now.duration_since(first) >= self.backoff.give_up_after) {
                given_up.insert(index);
            }
        }
        if given_up.len() < batch.len() {
            count(&self.status.counters.retried);
        }
        for &index in &given_up {
            self.bury(index, format!("given up after retries: {trouble}")).await?;
        }
        self.forget(&given_up);
        Ok(())
    }

    /// Keeps an alert that nobody will take.
    async fn bury(&mut self, index: usize, reason: String) -> Result<(), SinkError> {
        count(&self.status.counters.failed);
        let sink = self.filter.sink.clone();
        let alert = self.waiting[index].record.clone();
        tracing::error!(
            sink, alert_id = ?alert.alert_id, reason, "an alert cannot be delivered and goes to the dead letters"
        );
        let letter = DeadAlert { sink: sink.clone(), reason, alert };
        self.dead_letter.keep(letter).await.map_err(|source| SinkError::DeadLetter { sink, source })
    }

    fn forget(&mut self, indices: &BTreeSet<usize>) {
        let mut index = 0;
        self.waiting.retain(|_| {
            index += 1;
            !indices.contains(&(index - 1))
        });
    }

    async fn acknowledge_in_time(&mut self) {
        if self.acknowledge_at.is_some_and(|at| at <= Instant::now()) {
            self.acknowledge().await;
        }
    }

    async fn acknowledge(&mut self) {
        self.acknowledge_at = None;
        for position in self.ledger.due(self.waiting.iter().map(|waiting| &waiting.held)) {
            self.inbox.acknowledge(position).await;
        }
    }

    fn is_finished(&self) -> bool {
        self.ended && self.waiting.is_empty()
    }

    fn undelivered(&self) -> u64 {
        self.waiting.len() as u64
    }

    fn summary(&self) -> SinkSummary {
        let summary = SinkSummary { figures: self.status.counters.figures(), undelivered: self.undelivered() };
        tracing::info!(
            sink = self.filter.sink,
            delivered = summary.figures.delivered,
            failed = summary.figures.failed,
            undelivered = summary.undelivered,
            "sink stopped"
        );
        summary
    }
}
