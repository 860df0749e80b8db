//! From the alerts topic to people and systems. Stands behind the alerts topic (or, in file mode, behind the
//! in-process channel) and never in the way of detection.
//!
//! - an [`AlertInbox`] hands out alert records and is told how far they are delivered;
//! - `email` mails them, some of them gathered into digests;
//! - `alert_sink` hands them on as they are, by the loop in `driver`, to a `carrier`: `webhook`, `file`,
//!   `topic`, `postgres`;
//! - what can never be delivered goes to a [`DeadLetter`];
//! - `filter` which alerts a sink takes, `seen` which it had before, `ledger` how far the inbox may be acknowledged;
//! - `gate`, `retry` whether and when the receiver is tried again, `stop` when to end, `counters` what happened;
//! - `kafka` writes alerts and dead letters, and is the inbox over the alerts topic.
//!
//! A sink acknowledges nothing that is not delivered or dead-lettered, so a crash repeats alerts and loses none.
//! Nothing here knows rules, and nothing here decides what is an alert.

mod alert_sink;
mod carrier;
mod counters;
mod driver;
mod email;
mod file;
mod filter;
mod gate;
pub mod kafka;
mod ledger;
mod postgres;
mod retry;
mod seen;
mod setting_error;
mod stop;
mod topic;
mod webhook;

#[cfg(test)]
mod outside;
#[cfg(test)]
mod tests;

pub use alert_sink::{AlertSink, SinkError};
pub use counters::{SinkCounters, SinkFigures, SinkStatus};
pub use driver::SinkSummary;
#[cfg(any(test, feature = "testing"))]
pub(crate) use email::mail_of;
pub use email::{EmailCounters, EmailFigures, EmailSettings, EmailSink, EmailSinkError, EmailSummary};
pub use file::FileSettings;
pub use postgres::PostgresSettings;
pub use retry::{Backoff, Random};
pub use setting_error::SettingError;
pub use topic::TopicSettings;
pub use webhook::WebhookSettings;

use std::error::Error;
use std::future::Future;

use crate::alert::AlertRecord;

/// Where a sink's alerts come from.
///
/// A sink that waits for its server does not call [`next`](AlertInbox::next) for minutes or hours. An inbox over a
/// Kafka consumer therefore has to go on polling (paused) by itself, or it is thrown out of its group.
pub trait AlertInbox: Send {
    /// The next record; `None` when there will never be another. Must be cancel safe: a call that is dropped before
    /// it is ready has taken no record.
    fn next(&mut self) -> impl Future<Output = Option<Delivery>> + Send;

    /// Everything of this partition up to and including this offset is done with. An acknowledgement may lie between
    /// two records. One that cannot be stored may be dropped: a later one covers it, and until then a restart repeats.
    fn acknowledge(&mut self, up_to: InboxPosition) -> impl Future<Output = ()> + Send;
}

/// A record and its place in the inbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The alert.
    pub record: AlertRecord,
    /// Where it stood.
    pub position: InboxPosition,
}

/// A place in an inbox. Offsets of a partition grow; a partition that is assigned anew may start again further back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboxPosition {
    /// The partition of the alerts topic; 0 where there is just one sequence.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
}

/// Where messages go that no retry can deliver: mails, or alerts as they are.
pub trait DeadLetter<L = DeadMail>: Send {
    /// Keeps the message. An error stops the sink with the message unacknowledged: nothing is skipped silently.
    fn keep(&mut self, letter: L) -> impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send;
}

/// A mail that could not be delivered to some or all of its recipients.
#[derive(Clone, Debug)]
pub struct DeadMail {
    /// The sink's name.
    pub sink: String,
    /// Why, in the server's words, with the recipients concerned.
    pub reason: String,
    /// The recipients who do not have it.
    pub recipients: Vec<String>,
    /// The mail's Message-ID.
    pub message_id: String,
    /// The alert's id; the first twenty of a digest.
    pub alert_ids: Vec<String>,
    /// How many alerts the mail tells of.
    pub alerts: u64,
    /// The whole mail as it would have been sent.
    pub mail: Vec<u8>,
}

/// An alert that could not be handed on.
#[derive(Clone, Debug)]
pub struct DeadAlert {
    /// The sink's name.
    pub sink: String,
    /// Why, with the receiver's status where it gave one.
    pub reason: String,
    /// The alert.
    pub alert: AlertRecord,
}
