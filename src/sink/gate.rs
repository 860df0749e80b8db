//! Whether the receiver behind a sink may be tried now: a circuit breaker, and what it says in the log.
//!
//! It has no clock of its own and decides no delay: the loop that owns it does.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

/// Trouble with a receiver is said once in this time.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// Open, or closed until some time after a failure.
#[derive(Debug, Default)]
pub(super) struct Gate {
    failures: u32,
    closed_until: Option<Instant>,
    said: Option<Instant>,
}

impl Gate {
    pub(super) fn is_open(&self) -> bool {
        self.closed_until.is_none_or(|until| until <= Instant::now())
    }

    /// When it opens; `now` where it is open.
    pub(super) fn opens(&self, now: Instant) -> Instant {
        self.closed_until.unwrap_or(now)
    }

    /// The failures since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Closes it. A receiver that cannot be used stays so until a person changes something.
    pub(super) fn failed(
        &mut self,
        sink: &str,
        error: &impl Display,
        needs_person: bool,
        now: Instant,
        delay: Duration,
    ) {
        self.failures = self.failures.saturating_add(1);
        self.closed_until = Some(now + delay);
        if !self.may_say(now) {
            return;
        }
        if needs_person {
            tracing::error!(sink, %error, "alerts wait until somebody changes this");
        } else {
            tracing::warn!(sink, %error, "alerts wait");
        }
    }

    /// Says that an alert waits while others go on. It stays open.
    pub(super) fn mention(&mut self, sink: &str, error: &impl Display, now: Instant) {
        if self.may_say(now) {
            tracing::warn!(sink, %error, "an alert waits, others go on");
        }
    }

    /// Whether a minute has passed since the last word about the receiver.
    fn may_say(&mut self, now: Instant) -> bool {
        let may = self.said.is_none_or(|said| now >= said + SAY_EVERY);
        if may {
            self.said = Some(now);
        }
        may
    }

    /// Opens it.
    pub(super) fn succeeded(&mut self, sink: &str) {
        if self.failures > 0 {
            tracing::info!(sink, failures = self.failures, "alerts are delivered again");
            *self = Gate::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_once_a_minute() {
        let mut gate = Gate::default();
        let start = Instant::now();
        let said = (0..300).filter(|second| gate.may_say(start + Duration::from_secs(*second))).count();
        assert_eq!(said, 5);
    }
}
