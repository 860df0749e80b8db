//! The life of a simulated process as its outside sees it: whether it lives, and when it is killed. A process is killed
//! right before or right after an effect; whatever it does then reaches nobody.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// So many of the last effects are told, and so many of those that follow when all is well again.
const TOLD: usize = 600;
const TOLD_THEN: usize = 40;

/// A life.
#[derive(Debug)]
pub(super) struct Pulse {
    copy: usize,
    dead: AtomicBool,
    frozen: AtomicBool,
    /// How many halves of effects are left: before one, and after it.
    left: AtomicU64,
    trace: Arc<Trace>,
}

impl Pulse {
    /// A life of a copy, with so many halves of effects.
    pub(super) fn new(copy: usize, left: u64, trace: &Arc<Trace>) -> Arc<Pulse> {
        let (dead, frozen, left) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(left));
        Arc::new(Pulse { copy, dead, frozen, left, trace: Arc::clone(trace) })
    }

    /// Has an effect, or dies of it. Nothing comes back to one who is dead.
    pub(super) fn effect<T>(&self, what: &'static str, about: i64, act: impl FnOnce() -> T) -> Option<T> {
        if self.is_dead() {
            return None;
        }
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            self.trace.tell(self.copy, "is killed before", 0);
            self.trace.tell(self.copy, what, about);
            self.kill();
            return None;
        }
        self.trace.tell(self.copy, what, about);
        let done = act();
        if left == 1 {
            self.trace.tell(self.copy, "is killed", 0);
            self.kill();
            return None;
        }
        self.left.store(left - 2, Ordering::Relaxed);
        Some(done)
    }

    /// Tells something that is no effect.
    pub(super) fn tell(&self, what: &'static str, about: i64) {
        self.trace.tell(self.copy, what, about);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// Whether the group hears nothing of it.
    pub(super) fn is_silent(&self) -> bool {
        self.is_dead() || self.frozen.load(Ordering::Relaxed)
    }

    pub(super) fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }

    /// It is not killed any more.
    pub(super) fn spare(&self) {
        self.left.store(u64::MAX, Ordering::Relaxed);
    }
}

/// What was done last, for people.
#[derive(Debug)]
pub(super) struct Trace {
    now_ms: AtomicU64,
    last: Mutex<VecDeque<(u64, usize, &'static str, i64)>>,
    /// How many more are told.
    left: AtomicUsize,
}

impl Default for Trace {
    fn default() -> Self {
        Trace { now_ms: AtomicU64::new(0), last: Mutex::default(), left: AtomicUsize::new(usize::MAX) }
    }
}

impl Trace {
    /// From now on it is so late.
    pub(super) fn at(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    /// What follows is of less interest.
    pub(super) fn calm(&self) {
        self.left.store(TOLD_THEN, Ordering::Relaxed);
    }

    pub(super) fn tell(&self, copy: usize, what: &'static str, about: i64) {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return;
        }
        self.left.store(left - 1, Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == TOLD {
            last.pop_front();
        }
        last.push_back((self.now_ms.load(Ordering::Relaxed), copy, what, about));
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().try_for_each(|(ms, copy, what, about)| writeln!(f, "{ms:>9} ms  copy {copy}  {what} {about}"))
    }
}
