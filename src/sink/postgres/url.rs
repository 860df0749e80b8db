//! Which server and database: an address whose password, and whatever might be a piece of one, is never shown.

use std::fmt;
use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::secret::Secret;
use crate::sink::setting_error::SettingError;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
const PORT: u16 = 5432;

/// A database of a server, and as whom.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) user: String,
    /// Percent-encoding is undone.
    pub(super) password: Option<Secret>,
}

impl fmt::Display for Address {
    /// Without the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port, database, .. } = self;
        if host.contains(':') {
            return write!(f, "postgres://[{host}]:{port}/{database}");
        }
        write!(f, "postgres://{host}:{port}/{database}")
    }
}

impl Address {
    /// Reads an address. The client reads more than is wanted here, so that what it found is looked at again, and its errors,
    /// which repeat pieces of the text, are not passed on.
    pub(super) fn parse(url: &str) -> Result<Address, SettingError> {
        let fix = "write postgres://user@db.example.com:5432/database";
        let wrong = |problem: &str| SettingError::new("url", problem, fix);
        let rest = without_scheme(url).ok_or_else(|| wrong("is no postgres:// address"))?;
        if rest.matches('@').count() > 1 {
            return Err(wrong("has more than one @, of which all but the last are written %40"));
        }
        if rest.rsplit_once('@').map_or(rest, |(_, place)| place).contains(['?', '#']) {
            return Err(wrong("has options, which it cannot have"));
        }
        let config: Config = url.parse().map_err(|_| wrong("is no address of a database"))?;
        let [Host::Tcp(host)] = config.get_hosts() else { return Err(wrong("has not one host")) };
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if host.is_empty() || !(host.bytes().all(usable) || host.parse::<IpAddr>().is_ok()) {
            return Err(wrong("has no usable host"));
        }
        let port = config.get_ports().first().copied().unwrap_or(PORT);
        if port == 0 {
            return Err(wrong("has a port that is not 1 to 65535"));
        }
        let is_name = |name: &&str| !name.is_empty() && !name.contains(char::is_control);
        let user = config.get_user().filter(is_name).ok_or_else(|| wrong("names no user"))?;
        let database = config.get_dbname().filter(is_name).filter(|name| !name.contains('/'));
        let database = database.ok_or_else(|| wrong("names no database"))?;
        let password =
            config.get_password().map(|bytes| String::from_utf8(bytes.to_vec()).map(Secret::new)).transpose();
        let password = password.map_err(|_| wrong("has a password that is not UTF-8"))?;
        Ok(Address { host: host.clone(), port, database: database.to_owned(), user: user.to_owned(), password })
    }

    /// Whether the name or address is that of this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Whether there is a password in an address, even in one that is none.
pub(super) fn holds_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

fn without_scheme(url: &str) -> Option<&str> {
    SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_a_database_and_a_user() {
        let parsed = |url: &str| {
            let address = Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            let password = address.password.as_ref().map(|password| password.expose().to_owned());
            (address.to_string(), address.user, password)
        };
        let made = |shown: &str, user: &str, password: Option<&str>| {
            (shown.to_owned(), user.to_owned(), password.map(str::to_owned))
        };
        assert_eq!(parsed("postgres://t@db.example/a"), made("postgres://db.example:5432/a", "t", None));
        assert_eq!(
            parsed("postgresql://t:hunter%402@127.0.0.1:6000/a"),
            made("postgres://127.0.0.1:6000/a", "t", Some("hunter@2"))
        );
        assert_eq!(parsed("postgres://t:a?b#/c@a/b"), made("postgres://a:5432/b", "t", Some("a?b#/c")));
        assert_eq!(parsed("postgres://t@[::1]:81/a%20b"), made("postgres://[::1]:81/a b", "t", None));
        let loopback = |url: &str| Address::parse(url).expect("it is right").is_loopback();
        assert!(
            ["t@localhost/a", "t@127.1.2.3/a", "t@[::1]/a"].iter().all(|rest| loopback(&format!("postgres://{rest}")))
        );
        assert!(!loopback("postgres://t@localhost.example/a") && !loopback("postgres://t@10.0.0.1/a"));
    }

    #[test]
    fn what_is_no_address_is_refused_and_nothing_of_it_is_repeated() {
        for wrong in [
            "",
            "hunter2",
            "host=a user=t password=hunter2",
            "https://t:hunter2@a/b",
            "postgres://",
            "postgres://a/b",
            "postgres://t:hunter2@a",
            "postgres://t:hunter2@/b",
            "postgres://t:hunter2@a,b/c",
            "postgres://t:hunter2@%2Frun%2Fpostgresql/b",
            "postgres://t:p@hunter2@a/b",
            "postgres://t:p@hunter2/x/y",
            "postgres://t:hunter2@a/b?sslmode=disable",
            "postgres://t:hunter2@a:0/b",
            "postgres://t:hunter2@a:99999/b",
            "postgres://t:hunter2@a:x/b",
            "postgres://t:hunter2@a b/c",
            "postgres://:hunter2@a/b",
            "postgres://t:hunter2%FF@a/b",
            "postgres://t:hunter2@[::1/b",
        ] {
            let error = Address::parse(wrong).map(|_| ()).expect_err(wrong).to_string();
            assert!(!error.contains("hunter2") && error.starts_with("url "), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_password_is_seen_in_whatever_holds_one() {
        for url in ["postgres://t:hunter2@a/b", "t:hunter2@a", "postgres://t:@a/b", "postgres://t:p@p@a/b"] {
            assert!(holds_password(url), "{url}");
        }
        for url in ["postgres://t@a:5432/b", "postgres://a:5432/b", "postgres://t@[::1]/b", ""] {
            assert!(!holds_password(url), "{url}");
        }
    }
}
