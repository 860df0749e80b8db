//! A producer of the simulated broker, as the daemon's loop has one: plain, or of transactions.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::broker::{Body, Offsets, Refused, TRANSACTION_MS};
use super::bug::Bug;
use super::consumer::offsets;
use super::pulse::Pulse;
use super::workload::REPARTITION;
use super::world::World;
use crate::daemon::{Clock, Consumer, Next, Producer};
use crate::sink::kafka::{OutRecord, OutboxError};
use crate::source::kafka::Partition;

/// How long the client waits before it tries again.
const STEP: Duration = Duration::from_millis(500);
/// A decided transaction is done after up to so long, in ms.
const LATE_MS: u64 = 4_000;

/// The producer.
pub(super) struct SimProducer {
    world: Rc<World>,
    pulse: Arc<Pulse>,
    member: Rc<Cell<u64>>,
    id: Option<String>,
    epoch: Cell<u32>,
    is_open: Cell<bool>,
    /// What the broker does not have yet.
    waiting: RefCell<VecDeque<(Partition, Body)>>,
    failure: RefCell<Option<OutboxError>>,
}

impl SimProducer {
    pub(super) fn new(world: Rc<World>, pulse: Arc<Pulse>, member: Rc<Cell<u64>>, id: Option<&str>) -> SimProducer {
        SimProducer {
            world,
            pulse,
            member,
            id: id.map(ToOwned::to_owned),
            epoch: Cell::new(0),
            is_open: Cell::new(false),
            waiting: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    fn dead() -> OutboxError {
        OutboxError::Fatal("it is dead".to_owned())
    }

    fn id(&self) -> &str {
        self.id.as_deref().expect("there are transactions")
    }

    fn refused(&self, refused: Refused) -> OutboxError {
        self.pulse.tell(if refused == Refused::NoMember { "is no member" } else { "is shut out" }, 0);
        match refused {
            Refused::Fenced => OutboxError::Fenced { id: self.id().to_owned(), reason: "fenced".to_owned() },
            Refused::Expired => OutboxError::Fatal("the transaction was open for too long".to_owned()),
            Refused::NoMember => OutboxError::Fatal("it is no member of this generation".to_owned()),
        }
    }

    fn check(&self) -> Result<(), OutboxError> {
        if self.pulse.is_dead() {
            return Err(SimProducer::dead());
        }
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Waits until the broker is there.
    fn wait(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        loop {
            self.check()?;
            if !self.world.broker().is_away() {
                return Ok(());
            }
            self.try_again_later(stop)?;
        }
    }

    fn try_again_later(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        self.world.clock.sleep(STEP);
        if stop() { Err(OutboxError::Stopped) } else { self.check() }
    }

    /// The answer never comes.
    fn hang(&self, stop: &dyn Fn() -> bool) -> OutboxError {
        loop {
            if let Err(error) = self.try_again_later(stop) {
                return error;
            }
        }
    }

    /// Has an effect on the broker, which may refuse it.
    fn effect(
        &self,
        what: &'static str,
        about: i64,
        act: impl FnOnce() -> Result<(), Refused>,
    ) -> Result<(), OutboxError> {
        match self.pulse.effect(what, about, act) {
            Some(Ok(())) => Ok(()),
            Some(Err(refused)) => {
                let error = self.refused(refused);
                *self.failure.borrow_mut() = Some(error.clone());
                Err(error)
            }
            None => Err(SimProducer::dead()),
        }
    }

    /// Gives the broker so many records.
    fn flush(&self, count: usize) -> Result<(), OutboxError> {
        for _ in 0..count {
            let Some((mut partition, body)) = self.waiting.borrow_mut().pop_front() else { return Ok(()) };
            if self.world.errs(Bug::LosesRecord, 10) || self.is_lost_on_its_way(&partition, &body) {
                continue;
            }
            if partition.topic == REPARTITION && !is_mark(&body) && self.world.errs(Bug::MisplacesForward, 10) {
                let count = i32::try_from(self.world.broker().count(REPARTITION)).expect("few partitions");
                partition.number = (partition.number + 1) % count;
            }
            let times = if self.world.errs(Bug::RepeatsRecord, 10) { 2 } else { 1 };
            for _ in 0..times {
                self.effect("stores a record", i64::from(partition.number), || {
                    let mut broker = self.world.broker();
                    if self.id.is_some() {
                        return broker.produce(self.id(), self.epoch.get(), &partition, body.clone());
                    }
                    broker.append(&partition, body.clone());
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// Whether a record does not come to the repartition topic, by a bug.
    fn is_lost_on_its_way(&self, partition: &Partition, body: &Body) -> bool {
        if partition.topic != REPARTITION {
            return false;
        }
        match self.world.bug {
            Some(Bug::LosesMarks) => is_mark(body),
            // Not the first epoch of its id: what it sends may have been sent before, and taken back.
            Some(Bug::LosesForward) => !is_mark(body) && self.epoch.get() > 1 && self.world.chance.one_in(5),
            _ => false,
        }
    }

    fn flush_all(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        self.wait(stop)?;
        let count = self.waiting.borrow().len();
        self.flush(count)
    }

    /// Stores offsets outside of transactions.
    fn store(&self, offsets: Offsets) -> Result<(), OutboxError> {
        self.effect("commits offsets by themselves", 0, || {
            let mut broker = self.world.broker();
            if !broker.may_commit(self.member.get()) {
                return Err(Refused::NoMember);
            }
            broker.group.store(offsets);
            Ok(())
        })
    }

    fn send_offsets(&self, offsets: Offsets) -> Result<(), OutboxError> {
        let about = offsets.iter().map(|(_, next, _)| next).sum();
        self.effect("sends offsets", about, || {
            self.world.broker().send_offsets(self.id(), self.epoch.get(), self.member.get(), offsets)
        })
    }

    fn end(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        let late = self.world.strikes(self.world.faults.late_commit);
        let after_ms = if late { self.world.chance.between(1, LATE_MS) } else { 0 };
        let is_lost = self.world.strikes(self.world.faults.lost_answer);
        if is_lost && self.world.chance.one_in(2) {
            self.pulse.tell("asks for a commit that never arrives", 0);
            if self.world.bug == Some(Bug::SwallowsLostCommit) {
                return self.effect("commits nothing", 0, || self.world.broker().abort(self.id(), self.epoch.get()));
            }
            return Err(self.hang(stop));
        }
        self.effect("commits", i64::try_from(after_ms).unwrap_or(i64::MAX), || {
            let mut broker = self.world.broker();
            if is_lost && self.world.bug == Some(Bug::CommitsByHalves) {
                broker.forget_offsets(self.id());
            }
            broker.commit(self.id(), self.epoch.get(), after_ms)
        })?;
        if is_lost {
            self.pulse.tell("is not told that it has committed", 0);
            return Err(self.hang(stop));
        }
        Ok(())
    }
}

/// Whether a record of the repartition topic says how far time has come.
fn is_mark(body: &Body) -> bool {
    body.payload.starts_with(br#"{"v":1,"marks""#)
}

impl Producer for SimProducer {
    fn send(&self, record: OutRecord<'_>, _: &AtomicBool) -> Result<(), OutboxError> {
        self.check()?;
        self.is_open.set(self.id.is_some());
        let payload = record.payload.unwrap_or_default();
        let hash = record
            .key
            .unwrap_or(payload)
            .iter()
            .fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
        let count = u32::try_from(self.world.broker().count(record.topic)).expect("few partitions");
        let number = record.partition.unwrap_or_else(|| i32::try_from(hash % count).expect("few partitions"));
        let partition = Partition { topic: record.topic.to_owned(), number };
        let header = |name: &str| record.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        let origin = header("offset").map(|offset| {
            let (topic, partition) = (header("topic").unwrap_or_default(), header("partition").unwrap_or_default());
            format!("{topic} {partition} {offset}")
        });
        let body = Body {
            key: record.key.map(Into::into),
            payload: payload.into(),
            timestamp_ms: self.world.clock.wall_ms(),
            origin,
        };
        self.waiting.borrow_mut().push_back((partition, body));
        Ok(())
    }

    fn poll(&self) -> Result<(), OutboxError> {
        self.check()?;
        let count = self.waiting.borrow().len();
        if count > 0 && !self.world.broker().is_away() {
            self.flush(self.world.chance.at(count + 1))?;
        }
        Ok(())
    }

    fn drain(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        if self.world.bug == Some(Bug::CommitsBeforeProducing) {
            return self.check();
        }
        self.flush_all(stop)
    }

    fn init(&self, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        self.wait(stop)?;
        let epoch = self.pulse.effect("begins as a producer", 0, || self.world.broker().init(self.id()));
        self.epoch.set(epoch.ok_or_else(SimProducer::dead)?);
        Ok(())
    }

    fn commit(&self, next: &[Next<'_>], _: &dyn Consumer, stop: &dyn Fn() -> bool) -> Result<(), OutboxError> {
        self.is_open.set(true);
        let offsets = offsets(&self.world, next);
        self.wait(stop)?;
        match self.world.bug {
            Some(Bug::CommitsBeforeProducing) => {
                self.store(offsets)?;
                self.flush_all(stop)?;
                self.end(stop)?;
            }
            Some(Bug::CommitsAfterTransaction) => {
                self.flush_all(stop)?;
                self.end(stop)?;
                self.store(offsets)?;
            }
            _ => {
                self.flush_all(stop)?;
                self.send_offsets(offsets)?;
                self.end(stop)?;
            }
        }
        self.is_open.set(false);
        Ok(())
    }

    fn abort(&self, _: Duration) -> Result<(), OutboxError> {
        self.waiting.borrow_mut().clear();
        self.check()?;
        if self.world.broker().is_away() {
            return Err(OutboxError::Stopped);
        }
        self.effect("takes back", 0, || self.world.broker().abort(self.id(), self.epoch.get()))?;
        self.is_open.set(false);
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.is_open.get()
    }

    fn transaction_timeout(&self) -> Option<Duration> {
        self.id.as_ref().map(|_| Duration::from_millis(TRANSACTION_MS))
    }

    fn trouble(&self) -> Option<String> {
        None
    }
}
