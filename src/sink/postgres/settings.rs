//! What a Postgres sink is told: plain resolved values, and the one check that says all that is wrong with them.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::program::Severity;
use crate::secret::Secret;
use crate::sink::postgres::table::Table;
use crate::sink::postgres::url::{Address, holds_password};
use crate::sink::setting_error::SettingError;

/// The most rows of a statement: so many alerts are in memory, too.
const BATCH_MAX: usize = 1_000;

/// What the server knows this client as.
const APPLICATION: &str = "tripline";

/// A Postgres sink as the configuration resolved it.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// `postgres://user[:password]@host[:port]/database`.
    pub url: Secret,
    /// The password, where the address has none.
    pub password: Option<Secret>,
    /// The table, `name` or `schema.name`.
    pub table: String,
    /// Makes the table where there is none.
    pub create: bool,
    /// The most rows of a statement.
    pub batch: usize,
    /// Speaks without TLS to another machine: everything, the password perhaps included, can be read on the way.
    pub insecure_plaintext: bool,
    /// PEM file of the authorities that may vouch for the server, in place of those of the system.
    pub ca_file: Option<PathBuf>,
    /// The longest time of connecting, and of one statement.
    pub timeout: Duration,
    /// Alerts below it are left to other sinks.
    pub min_severity: Option<Severity>,
}

/// Whether the conversation is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tls,
    /// In plain text, to this machine.
    Loopback,
    /// In plain text, to anywhere.
    Plain,
}

/// Checked settings.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) address: Address,
    pub(super) table: Table,
    pub(super) transport: Transport,
    pub(super) login: Config,
}

impl PostgresSettings {
    /// Settings with every default.
    pub fn new(url: impl Into<String>, table: impl Into<String>) -> PostgresSettings {
        PostgresSettings {
            url: Secret::new(url),
            password: None,
            table: table.into(),
            create: false,
            batch: 500,
            insecure_plaintext: false,
            ca_file: None,
            timeout: Duration::from_secs(10),
            min_severity: None,
        }
    }

    /// Whether there is a password in an address, even in one that is wrong.
    pub fn url_holds_password(url: &str) -> bool {
        holds_password(url)
    }

    /// Everything that is wrong, each with its field and the fix.
    pub fn validate(&self) -> Result<(), Vec<SettingError>> {
        self.resolve().map(|_| ())
    }

    /// The checked form that the sink works with.
    pub(super) fn resolve(&self) -> Result<Resolved, Vec<SettingError>> {
        let mut errors = Vec::new();
        let address = Address::parse(self.url.expose()).map_err(|error| errors.push(error)).ok();
        let transport = address.as_ref().map(|address| self.transport(address, &mut errors));
        let table = Table::parse(&self.table).map_err(|error| errors.push(error)).ok();
        if self.password.is_some() && address.as_ref().is_some_and(|address| address.password.is_some()) {
            errors.push(SettingError::new("password", "is given, but the url has one", "keep one of the two"));
        }
        if self.batch == 0 || self.batch > BATCH_MAX {
            let fix = format!("use 1 to {BATCH_MAX}; 500 is usual");
            errors.push(SettingError::new("batch", format!("is {}", self.batch), fix));
        }
        if self.timeout < Duration::from_millis(100) || self.timeout > Duration::from_mins(2) {
            let fix = "use 100 ms to 2 minutes; 10s is usual";
            errors.push(SettingError::new("timeout", format!("is {:?}", self.timeout), fix));
        }
        match (address, table, transport) {
            (Some(address), Some(table), Some(transport)) if errors.is_empty() => {
                let login = self.login(&address);
                Ok(Resolved { address, table, transport, login })
            }
            _ => Err(errors),
        }
    }

    /// TLS unless it is spoken to this machine, where nobody is on the way; there too where somebody is named who vouches.
    fn transport(&self, address: &Address, errors: &mut Vec<SettingError>) -> Transport {
        match (self.insecure_plaintext, self.ca_file.is_some()) {
            (true, true) => {
                let problem = "is given, but insecure_plaintext = true speaks no TLS";
                errors.push(SettingError::new("ca_file", problem, "remove one of the two"));
                Transport::Plain
            }
            (true, false) => Transport::Plain,
            (false, false) if address.is_loopback() => Transport::Loopback,
            (false, _) => Transport::Tls,
        }
    }

    fn login(&self, address: &Address) -> Config {
        let mut login = Config::new();
        // TLS is there before the client begins.
        login.user(&address.user).dbname(&address.database).application_name(APPLICATION).ssl_mode(SslMode::Disable);
        if let Some(password) = self.password.as_ref().or(address.password.as_ref()) {
            login.password(password.expose());
        }
        login
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(settings: &PostgresSettings) -> String {
        let errors = settings.validate().err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn transport(settings: &PostgresSettings) -> Transport {
        settings.resolve().expect("it is right").transport
    }

    #[test]
    fn everything_wrong_comes_at_once_and_no_password_with_it() {
        let mut settings = PostgresSettings::new("postgres://t:hunter2@db.example/a", "a b");
        settings.password = Some(Secret::new("hunter2"));
        (settings.batch, settings.timeout) = (0, Duration::ZERO);
        (settings.insecure_plaintext, settings.ca_file) = (true, Some(PathBuf::from("ca.pem")));
        insta::assert_snapshot!(problems(&settings));
        assert!(!format!("{} {settings:?}", problems(&settings)).contains("hunter2"));
        settings.batch = BATCH_MAX + 1;
        assert!(problems(&settings).contains("batch is 1001: use 1 to 1000"), "{}", problems(&settings));
    }

    #[test]
    fn another_machine_is_spoken_to_over_tls() {
        let mut settings = PostgresSettings::new("postgres://t@db.example/a", "alerts");
        assert_eq!(transport(&settings), Transport::Tls);
        settings.insecure_plaintext = true;
        assert_eq!(transport(&settings), Transport::Plain);
        let mut settings = PostgresSettings::new("postgres://t@localhost/a", "alerts");
        assert_eq!(transport(&settings), Transport::Loopback);
        settings.ca_file = Some(PathBuf::from("ca.pem"));
        assert_eq!(transport(&settings), Transport::Tls);
    }

    #[test]
    fn a_login_can_be_printed() {
        let mut settings = PostgresSettings::new("postgres://t:hunter2@db.example/a", "alerts");
        let resolved = settings.resolve().expect("it is right");
        assert_eq!(resolved.login.get_password(), Some(&b"hunter2"[..]));
        assert!(!format!("{} {:?}", resolved.address, resolved.login).contains("hunter2"));
        settings.url = Secret::new("postgres://t@db.example/a");
        settings.password = Some(Secret::new("hunter2"));
        let resolved = settings.resolve().expect("it is right");
        assert_eq!(resolved.login.get_password(), Some(&b"hunter2"[..]));
    }
}
