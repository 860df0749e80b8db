//! Whether the daemon is well, as the detection loop last said.

use std::collections::BTreeMap;
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
    /// Why there are no snapshots; detection goes on.
    snapshots: Option<String>,
    /// Why a sink waits for a person, by its name. Detection goes on, so the daemon is ready all the same.
    held: BTreeMap<String, String>,
}

impl Default for Health {
    fn default() -> Self {
        let reasons = vec!["starting".to_owned()];
        let state = State { beat: Instant::now(), reasons, sinks: Vec::new(), snapshots: None, held: BTreeMap::new() };
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

    /// Why there are no snapshots, if there is trouble with them.
    pub(super) fn snapshots(&self, trouble: Option<&str>) {
        let mut state = self.lock();
        if state.snapshots.as_deref() != trouble {
            state.snapshots = trouble.map(ToOwned::to_owned);
        }
    }

    /// A sink has ended.
    pub(super) fn sink_ended(&self, reason: String) {
        self.lock().sinks.push(reason);
    }

    /// A sink waits for a person, or does so no longer.
    pub(super) fn sink_held(&self, sink: &str, reason: Option<String>) {
        let held = &mut self.lock().held;
        match reason {
            Some(reason) => drop(held.insert(sink.to_owned(), reason)),
            None => drop(held.remove(sink)),
        }
    }

    /// What a person has to see to.
    pub(super) fn notes(&self) -> Vec<String> {
        let state = self.lock();
        let held = state.held.iter().map(|(sink, reason)| format!("sink {sink} holds its alerts: {reason}"));
        held.chain(state.snapshots.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_that_waits_for_a_person_is_told_and_does_not_make_the_daemon_unready() {
        let health = Health::default();
        health.beat(Vec::new());
        health.sink_held("soc", Some("it answers 401".to_owned()));
        assert_eq!(
            (health.not_ready(), health.notes()),
            (vec![], vec!["sink soc holds its alerts: it answers 401".to_owned()])
        );
        health.sink_held("soc", None);
        assert_eq!(health.notes(), [""; 0]);
    }
}
