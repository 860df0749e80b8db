//! What all copies of a simulation share: the clock, the broker, chance, and which faults there are.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::broker::Broker;
use super::bug::Bug;
use super::chance::Chance;
use super::pulse::Trace;
use crate::daemon::Clock;

/// When a simulation begins, in ms.
pub(super) const BEGIN_MS: i64 = 1_700_000_000_000;

/// Time goes on where it is told to.
#[derive(Debug)]
pub(super) struct SimClock {
    base: Instant,
    now_ms: Cell<u64>,
    trace: Arc<Trace>,
}

impl SimClock {
    pub(super) fn new(trace: &Arc<Trace>) -> Rc<SimClock> {
        Rc::new(SimClock { base: Instant::now(), now_ms: Cell::new(0), trace: Arc::clone(trace) })
    }

    /// Since the beginning, in ms.
    pub(super) fn ms(&self) -> u64 {
        self.now_ms.get()
    }

    pub(super) fn go_on(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
        self.trace.at(self.now_ms.get());
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        self.base + Duration::from_millis(self.ms())
    }

    fn wall_ms(&self) -> i64 {
        BEGIN_MS + i64::try_from(self.ms()).expect("a short time")
    }

    fn sleep(&self, time: Duration) {
        self.go_on(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1));
    }
}

/// How often things go wrong; each simulation draws its own. Where a number is 0 that fault does not happen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// A life ends after up to so many effects.
    pub(super) effects_max: u64,
    /// One in so many kills takes the machine's power as well.
    pub(super) power: u64,
    /// The broker is away once in so many rounds.
    pub(super) away: u64,
    /// The answer to one in so many commits is lost.
    pub(super) lost_answer: u64,
    /// One in so many commits is done some time after it is answered.
    pub(super) late_commit: u64,
    /// A copy stands still once in so many rounds.
    pub(super) freeze: u64,
    /// One in so many that stand still is replaced, and wakes beside its successor.
    pub(super) replace: u64,
    /// A copy is asked to stop once in so many rounds.
    pub(super) stop: u64,
    /// One in so many partitions is read late.
    pub(super) slow: u64,
    /// One in so many writes finds the disk full.
    pub(super) full_disk: u64,
    /// One in so many snapshots has rotted after a kill.
    pub(super) rot: u64,
    /// One in so many portions of events is written in a transaction that is taken back.
    pub(super) taken_back: u64,
}

impl Faults {
    /// Each happens in half of the simulations; in all of them where it is to be `harsh`.
    pub(super) fn draw(chance: &Chance, harsh: bool) -> Faults {
        let maybe = |low, high| if chance.one_in(2) || harsh { chance.between(low, high) } else { 0 };
        Faults {
            effects_max: maybe(20, 600),
            power: maybe(1, 3),
            away: maybe(60, 300),
            lost_answer: maybe(8, 60),
            late_commit: maybe(2, 20),
            freeze: maybe(60, 300),
            replace: maybe(1, 3),
            stop: maybe(100, 400),
            slow: maybe(1, 4),
            full_disk: maybe(10, 40),
            rot: if chance.one_in(6) && !harsh { 3 } else { 0 },
            taken_back: maybe(3, 10),
        }
    }
}

/// What all copies share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Rc<SimClock>,
    pub(super) chance: Chance,
    pub(super) faults: Faults,
    pub(super) bug: Option<Bug>,
    /// Whether faults still happen.
    pub(super) is_rough: Cell<bool>,
    broker: RefCell<Broker>,
}

impl World {
    pub(super) fn new(clock: Rc<SimClock>, chance: Chance, faults: Faults, broker: Broker, bug: Option<Bug>) -> World {
        World { clock, chance, faults, bug, is_rough: Cell::new(true), broker: RefCell::new(broker) }
    }

    /// The broker, as of now.
    pub(super) fn broker(&self) -> RefMut<'_, Broker> {
        let mut broker = self.broker.borrow_mut();
        if broker.now_ms != self.clock.ms() {
            broker.tick(self.clock.ms());
        }
        broker
    }

    /// Whether a fault happens that happens once in so many times.
    pub(super) fn strikes(&self, one_in: u64) -> bool {
        self.is_rough.get() && self.chance.one_in(one_in)
    }

    /// Whether this is the bug, and it shows this time: once in so many times.
    pub(super) fn errs(&self, bug: Bug, one_in: u64) -> bool {
        self.bug == Some(bug) && self.chance.one_in(one_in)
    }
}
