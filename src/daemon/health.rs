//! Whether the daemon is well, as the detection loop last said.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A loop that says nothing for so long does not live.
const SILENT_MAX: Duration = Duration::from_secs(30);

/// Shared by the loop, the sinks and the HTTP server.
#[derive(Clone, Debug)]
pub(super) struct Health(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    beat: Instant,
    /// Why it is not ready; empty when it is.
    reasons: Vec<String>,
    /// Why a sink is not.
    sinks: Vec<String>,
}

impl Default for Health {
    fn default() -> Self {
        let state = State { beat: Instant::now(), reasons: vec!["starting".to_owned()], sinks: Vec::new() };
        Health(Arc::new(Mutex::new(state)))
    }
}

impl Health {
    /// The loop lives, and this is why it is not ready.
    pub(super) fn beat(&self, reasons: Vec<String>) {
        let mut state = self.lock();
        state.beat = Instant::now();
        state.reasons = reasons;
    }

    /// A sink has ended.
    pub(super) fn sink_ended(&self, reason: String) {
        self.lock().sinks.push(reason);
    }

    /// Why it is not alive.
    pub(super) fn dead(&self) -> Option<String> {
        let silent = self.lock().beat.elapsed();
        (silent > SILENT_MAX).then(|| format!("the detection loop has been silent for {} s", silent.as_secs()))
    }

    /// Why it is not ready; nothing where it is.
    pub(super) fn not_ready(&self) -> Vec<String> {
        let dead = self.dead();
        let state = self.lock();
        state.reasons.iter().chain(&state.sinks).cloned().chain(dead).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
