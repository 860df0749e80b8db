//! What a mail sink counts. Telemetry reads it while the sink runs; nothing here exports.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters that only grow, shared with whoever exports them.
        #[derive(Debug, Default)]
        pub struct EmailCounters {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
        }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct EmailFigures {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl EmailCounters {
            /// The counters now.
            pub fn figures(&self) -> EmailFigures {
                EmailFigures { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }
    };
}

counters! {
    /// Records read.
    read,
    /// Records for other sinks or below the least severity.
    skipped,
    /// Records dropped because their alert was taken before.
    repeats,
    /// Mails that the server took, digests among them.
    sent,
    /// Digests among the sent mails.
    digests,
    /// Alerts that went into digests.
    digested,
    /// Attempts that failed and will be repeated.
    retried,
    /// Mails dead-lettered for some or all recipients.
    failed,
    /// Attempts that a person must look at: the server refuses to log in, has no STARTTLS, or cannot be trusted.
    refused,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
