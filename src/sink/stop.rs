//! The wish to stop, as a sink's loop sees it: asked for from outside, then a grace in which the last attempt may end.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long the last attempts may take after a stop is asked for.
const GRACE: Duration = Duration::from_secs(3);

/// The wish to stop, and the time that is left from then on.
pub(super) struct Stop {
    shutdown: watch::Receiver<bool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// A stop is asked for when `shutdown` becomes true, or when nobody is left who could ask.
    pub(super) fn new(shutdown: watch::Receiver<bool>) -> Stop {
        Stop { shutdown, deadline: None }
    }

    pub(super) fn is_asked(&mut self) -> bool {
        if self.deadline.is_none() && (*self.shutdown.borrow() || self.shutdown.has_changed().is_err()) {
            self.deadline = Some(Instant::now() + GRACE);
        }
        self.deadline.is_some()
    }

    /// Whether the grace after a stop is over.
    pub(super) fn is_over(&mut self) -> bool {
        self.is_asked() && self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Ready when a stop is asked for.
    pub(super) async fn asked(&mut self) {
        if self.deadline.is_none() {
            // An error means that nobody is left who could ask: that is a stop too.
            let stop = self.shutdown.wait_for(|stop| *stop).await;
            drop(stop);
            self.deadline = Some(Instant::now() + GRACE);
        }
    }

    /// Ready when the grace after a stop is over.
    pub(super) async fn over(&mut self) {
        self.asked().await;
        at(self.deadline).await;
    }
}

/// Ready at that time; never where there is none.
pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
