//! Alerts as rows of a Postgres table, each id once. The way of an alert:
//!
//! - `settings` where it goes and with what, checked at once: `url` which server, `table` which columns;
//! - `rows`     many alerts as the columns of one statement, without what Postgres cannot keep;
//! - `client`   a connection, and one statement at a time;
//! - `error`    what the server's answers mean: for a row, for now, or for a person;
//! - `insert`   takes the alerts, and finds the row that a statement fails for.
//!
//! Values are parameters, never a part of a statement. Nothing is updated, deleted or read back.

mod client;
mod error;
mod insert;
mod rows;
mod settings;
mod table;
mod url;

pub(super) use insert::Postgres;
pub use settings::PostgresSettings;
