//! What a sink counts, and what it says of itself while it runs. Telemetry reads it; nothing here exports.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters that only grow, and their values at one moment.
macro_rules! counters {
    ($counters:ident, $figures:ident: $($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters that only grow, shared with whoever exports them.
        #[derive(Debug, Default)]
        pub struct $counters {
            $($(#[doc = $doc])+ pub $name: std::sync::atomic::AtomicU64,)+
        }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $figures {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl $counters {
            /// The counters now.
            pub fn figures(&self) -> $figures {
                $figures { $($name: self.$name.load(std::sync::atomic::Ordering::Relaxed),)+ }
            }
        }

        impl $figures {
            /// Each with its name.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}
pub(super) use counters;

counters! {
    SinkCounters, SinkFigures:
    /// Records read.
    read,
    /// Records for other sinks or below the least severity.
    skipped,
    /// Records dropped because their alert was delivered before.
    repeats,
    /// Alerts that the receiver took.
    delivered,
    /// Attempts that failed and will be repeated.
    retried,
    /// Alerts dead-lettered.
    failed,
    /// Attempts that a person must look at: the receiver refuses the credentials, or cannot be trusted or written to.
    refused,
}

/// A sink as the outside sees it.
#[derive(Debug, Default)]
pub struct SinkStatus {
    /// What happened so far.
    pub counters: SinkCounters,
    /// Alerts that were read and are not delivered yet.
    pub waiting: AtomicU64,
    held: Mutex<Option<String>>,
}

impl SinkStatus {
    /// Why nothing is delivered until a person changes something; nothing while it works.
    pub fn held(&self) -> Option<String> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says so, or that it is over.
    pub(super) fn hold(&self, reason: Option<String>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
