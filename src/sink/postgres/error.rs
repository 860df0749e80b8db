//! What goes wrong between us and the server, and what that means for the alerts.

use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::error::DbError;
use tokio_rustls::rustls;

use crate::net::dial::DialError;
use crate::sink::postgres::table::Table;

/// The longest text of a server that is passed on.
const SAID_CHARS_MAX: usize = 300;

/// Why a statement did not succeed, or could not be sent. Holds neither a password nor the values of a row, but where the
/// server itself repeats one.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The host cannot be looked up, or no address takes a connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// A name of this machine leads to another one.
    #[error("the host leads to {0}, which is not this machine; without TLS nothing is sent there")]
    NotLoopback(IpAddr),
    /// The server has no TLS.
    #[error("the server speaks no TLS; insecure_plaintext = true would do without")]
    NoTls,
    /// The server is not the one that it should be, or speaks no TLS that is safe.
    #[error("the server cannot be trusted: {0}")]
    Untrusted(rustls::Error),
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// The server wants a login that we do not have, or does not prove that it knows ours.
    #[error("cannot log in: {0}")]
    Login(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server's own words.
    #[error("{code}: {said}")]
    Server {
        /// SQLSTATE.
        code: String,
        /// In one line.
        said: String,
    },
    /// The table does not exist.
    #[error("table {0} does not exist; create = true would make it by: {create}", create = .0.create())]
    NoTable(Table),
    /// The table does not exist, and we may not make it.
    #[error("table {0} does not exist and cannot be made by this user; let another one do: {create}", create = .0.create())]
    MayNotCreate(Table),
    /// The table is not the one that is meant.
    #[error("table {0} has no column {missing}; it should be as by: {create}", missing = .1.join(", "), create = .0.create())]
    NoColumn(Table, Vec<&'static str>),
}

/// What an error means for the alerts of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// One of them cannot be stored, ever.
    Row,
    /// These cannot be stored now.
    Later,
    /// Nothing can be stored now.
    Away,
    /// Nothing can be stored before a person changes something.
    Person,
}

impl ClientError {
    pub(super) fn meaning(&self) -> Meaning {
        match self {
            ClientError::Dial(_) | ClientError::Broken(_) | ClientError::Timeout(_) => Meaning::Away,
            ClientError::NotLoopback(_)
            | ClientError::NoTls
            | ClientError::Untrusted(_)
            | ClientError::Login(_)
            | ClientError::NoTable(_)
            | ClientError::MayNotCreate(_)
            | ClientError::NoColumn(..) => Meaning::Person,
            ClientError::Server { code, .. } => of_sqlstate(code),
        }
    }

    /// Whether fewer rows might have been stored in time.
    pub(super) fn is_slowness(&self) -> bool {
        match self {
            ClientError::Timeout(_) => true,
            // The server's own time-out, which is the same.
            ClientError::Server { code, .. } => code == "57014",
            _ => false,
        }
    }
}

/// An error of a statement.
impl From<tokio_postgres::Error> for ClientError {
    fn from(error: tokio_postgres::Error) -> ClientError {
        match error.as_db_error() {
            Some(error) => said_by_server(error),
            None => ClientError::Broken(chain(&error)),
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> ClientError {
        ClientError::Broken(error.to_string())
    }
}

/// An error before the first statement: what is neither the server's nor the connection's is about the login.
pub(super) fn of_login(error: tokio_postgres::Error) -> ClientError {
    let broken = error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>);
    if broken || error.as_db_error().is_some() { error.into() } else { ClientError::Login(chain(&error)) }
}

/// The message alone: the details repeat values.
fn said_by_server(error: &DbError) -> ClientError {
    ClientError::Server { code: error.code().code().to_owned(), said: one_line(error.message()) }
}

fn chain(error: &tokio_postgres::Error) -> String {
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    one_line(&format!("{error}{source}"))
}

/// Whatever answers on the port may say anything.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    plain.take(SAID_CHARS_MAX).collect()
}

/// What is not known here is a person's: it holds the alerts and is tried again, so that none is lost by it.
fn of_sqlstate(code: &str) -> Meaning {
    match code {
        // The database was dropped.
        "57P04" => return Meaning::Person,
        // A lock that somebody holds; a table that somebody uses.
        "55P03" | "55006" => return Meaning::Later,
        // A trigger of somebody's own raises it.
        "P0001" => return Meaning::Row,
        _ => {}
    }
    match code.get(..2).unwrap_or_default() {
        // The connection; resources; shutting down, starting, or too slow; the server's own disk.
        "08" | "53" | "57" | "58" => Meaning::Away,
        // Serialization and deadlocks.
        "40" => Meaning::Later,
        // The value, or what a table asks of one: null, other unique columns, checks; a limit of the program; a view's check.
        "22" | "23" | "54" | "44" => Meaning::Row,
        _ => Meaning::Person,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlstate_is_of_a_row_of_now_or_for_a_person() {
        let states = |meaning: Meaning| {
            let all = [
                "08000", "08006", "0A000", "22001", "22003", "22007", "22021", "22P02", "22P05", "23502", "23505",
                "23514", "25006", "28000", "28P01", "3D000", "3F000", "40001", "40P01", "42501", "42703", "42804",
                "42P01", "42P10", "44000", "53100", "53200", "53300", "54000", "55006", "55P03", "57014", "57P01",
                "57P02", "57P03", "57P04", "58030", "P0001", "XX000", "", "é1",
            ];
            all.into_iter().filter(|code| of_sqlstate(code) == meaning).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(states(Meaning::Row), "22001 22003 22007 22021 22P02 22P05 23502 23505 23514 44000 54000 P0001");
        assert_eq!(states(Meaning::Later), "40001 40P01 55006 55P03");
        assert_eq!(states(Meaning::Away), "08000 08006 53100 53200 53300 57014 57P01 57P02 57P03 58030");
        assert_eq!(
            states(Meaning::Person),
            "0A000 25006 28000 28P01 3D000 3F000 42501 42703 42804 42P01 42P10 57P04 XX000  é1"
        );
    }

    #[test]
    fn what_a_server_says_is_one_line() {
        assert_eq!(one_line("a\r\nb\u{1b}[31m"), "a  b [31m");
        assert_eq!(one_line(&"ä".repeat(1_000)).chars().count(), SAID_CHARS_MAX);
    }

    #[test]
    fn errors_are_told_so() {
        let table = || Table::parse("fraud.alerts").expect("it is right");
        let errors = [
            ClientError::NotLoopback("10.0.0.1".parse().expect("an address")),
            ClientError::NoTls,
            ClientError::Timeout(Duration::from_secs(10)),
            ClientError::Server { code: "42501".to_owned(), said: "permission denied for table alerts".to_owned() },
            ClientError::NoTable(table()),
            ClientError::MayNotCreate(table()),
            ClientError::NoColumn(table(), vec!["key", "time"]),
        ];
        insta::assert_snapshot!(errors.map(|error| format!("{:?}: {error}", error.meaning())).join("\n"));
    }
}
