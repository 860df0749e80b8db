//! Alerts as lines of a file that is set aside when it is full or old. The way of an alert:
//!
//! - `settings` which file, and when it is set aside, checked at once;
//! - `write`    hands batches over to a thread that may block;
//! - `log`      appends them, makes them durable, and undoes what could not be written whole;
//! - `tail`     what the end of the file shows at the start: the ids that are in it, and a torn line;
//! - `series`   the files that were set aside, by number.
//!
//! A line is in a file for good before its alert is acknowledged.

mod log;
mod series;
mod settings;
mod tail;
mod write;

#[cfg(test)]
mod tests;

pub use settings::FileSettings;
pub(super) use write::AlertFile;
