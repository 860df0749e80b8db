//! What a mail sink counts. Telemetry reads it while the sink runs; nothing here exports.

use crate::sink::counters::counters;

counters! {
    EmailCounters, EmailFigures:
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
