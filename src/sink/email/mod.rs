//! Alerts by e-mail. The way of an alert:
//!
//! - `settings` where mails go and how many, checked at once;
//! - `sink`     the loop: reads the inbox, sends, retries, acknowledges, stops;
//! - `throttle` decides: a mail of its own, or into a `digest`;
//! - `page`     what the mail says, rendered by `text` and `html` from `clean` words, made MIME by `mail`;
//! - `mailer`   hands it over: `smtp` to a server, `folder` to a file;
//! - `counters` what happened, in numbers.
//!
//! An alert is acknowledged only when its mail, or the digest that counts it, is delivered or dead-lettered.

mod clean;
mod counters;
mod digest;
mod folder;
mod html;
mod mail;
mod mailer;
mod page;
mod settings;
mod sink;
mod smtp;
mod text;
mod throttle;

#[cfg(test)]
mod tests;

pub use counters::{EmailCounters, EmailFigures};
#[cfg(any(test, feature = "testing"))]
pub(crate) use mail::mail_of;
pub use settings::EmailSettings;
pub use sink::{EmailSink, EmailSinkError, EmailSummary};
