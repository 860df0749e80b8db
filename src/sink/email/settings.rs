//! What a mail sink is told: plain resolved values, and the one check that says all that is wrong with them.
//!
//! The configuration fills [`EmailSettings`]; reading TOML and environment variables is not done here.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;

use crate::program::Severity;
use crate::secret::Secret;
use crate::sink::email::clean;
use crate::sink::setting_error::SettingError;

/// The most recipients of one sink: servers refuse more than a hundred in one conversation.
const RECIPIENTS_MAX: usize = 100;
/// The most mails per rule and minute before digests begin.
const DIGEST_AFTER_MAX: usize = 1_000;
/// The most mails an hour that can be asked for.
const PER_HOUR_MAX: usize = 100_000;

/// A mail sink as the configuration resolved it.
#[derive(Clone, Debug)]
pub struct EmailSettings {
    /// `smtps://host[:port]`, `smtp://host[:port]` (STARTTLS is required), or `file:FOLDER` to write `.eml` files.
    pub server: String,
    /// Speaks `smtp://` without TLS: everything, the password included, can be read on the way.
    pub insecure_plaintext: bool,
    /// PEM file of the authorities that may vouch for the server, in place of those of the system.
    pub ca_file: Option<PathBuf>,
    /// The name to log in with; needs a password.
    pub user: Option<String>,
    /// The password to log in with.
    pub password: Option<Secret>,
    /// The sender: `desk@example.com` or `Fraud desk <desk@example.com>`.
    pub from: String,
    /// The recipients, in the same form.
    pub to: Vec<String>,
    /// The longest wait for one answer of the server.
    pub timeout: Duration,
    /// Mails of one rule within a minute before its alerts are gathered into digests.
    pub digest_after: usize,
    /// Mails an hour, digests included. A tenth of them (at least one) is kept for digests, so that there is always
    /// room to say that the limit is reached.
    pub max_per_hour: usize,
    /// Alerts below it are left to other sinks.
    pub min_severity: Option<Severity>,
}

impl EmailSettings {
    /// Settings with every default.
    pub fn new(server: impl Into<String>, from: impl Into<String>, to: Vec<String>) -> EmailSettings {
        EmailSettings {
            server: server.into(),
            insecure_plaintext: false,
            ca_file: None,
            user: None,
            password: None,
            from: from.into(),
            to,
            timeout: Duration::from_secs(30),
            digest_after: 5,
            max_per_hour: 60,
            min_severity: None,
        }
    }

    /// Everything that is wrong, each with its field and the fix.
    pub fn validate(&self) -> Result<(), Vec<SettingError>> {
        self.resolve().map(|_| ())
    }

    /// The checked form that the sink works with.
    pub(super) fn resolve(&self) -> Result<Resolved, Vec<SettingError>> {
        let mut errors = Vec::new();
        let server = Server::parse(&self.server).map_err(|error| errors.push(error)).ok();
        if let Some(server) = &server {
            self.check_transport(server, &mut errors);
        }
        let from = mailbox("from", &self.from).map_err(|error| errors.push(error)).ok();
        let to: Vec<Mailbox> =
            self.to.iter().filter_map(|to| mailbox("to", to).map_err(|error| errors.push(error)).ok()).collect();
        self.check_login(&mut errors);
        self.check_limits(&mut errors);
        match (server, from) {
            (Some(server), Some(from)) if errors.is_empty() => Ok(Resolved { server, from, to }),
            _ => Err(errors),
        }
    }

    fn check_transport(&self, server: &Server, errors: &mut Vec<SettingError>) {
        let encrypted =
            matches!(server, Server::Tls(_)) || matches!(server, Server::StartTls(_)) && !self.insecure_plaintext;
        if self.insecure_plaintext && !matches!(server, Server::StartTls(_)) {
            errors.push(SettingError::new(
                "insecure_plaintext",
                "has no meaning with this server",
                "remove it; only smtp:// can be spoken without TLS",
            ));
        }
        if self.ca_file.is_some() && !encrypted {
            errors.push(SettingError::new(
                "ca_file",
                "is given, but the server is not spoken to with TLS",
                "remove it, or use smtps://",
            ));
        }
    }

    fn check_login(&self, errors: &mut Vec<SettingError>) {
        let user = self.user.as_ref().is_some_and(|user| !user.is_empty());
        let password = self.password.as_ref().is_some_and(|password| !password.is_empty());
        match (user, password) {
            (true, false) => errors.push(SettingError::new(
                "password",
                "is missing although user is given",
                "set it to ${env:NAME} or ${file:PATH}, or remove user",
            )),
            (false, true) => errors.push(SettingError::new(
                "user",
                "is missing although password is given",
                "set it to the name to log in with, or remove password",
            )),
            (true, true) | (false, false) => {}
        }
    }

    fn check_limits(&self, errors: &mut Vec<SettingError>) {
        if self.to.is_empty() {
            errors.push(SettingError::new("to", "is empty", "name at least one recipient"));
        }
        if self.to.len() > RECIPIENTS_MAX {
            errors.push(SettingError::new(
                "to",
                format!("has {} recipients, more than {RECIPIENTS_MAX}", self.to.len()),
                "use the address of a mailing list",
            ));
        }
        if self.timeout < Duration::from_millis(100) || self.timeout > Duration::from_mins(10) {
            errors.push(SettingError::new(
                "timeout",
                format!("is {:?}", self.timeout),
                "use 100 ms to 10 minutes; 30s is usual",
            ));
        }
        if self.digest_after > DIGEST_AFTER_MAX {
            errors.push(SettingError::new(
                "digest_after",
                format!("is {}, more than {DIGEST_AFTER_MAX}", self.digest_after),
                "use a number that a person can read in a minute; 5 is usual",
            ));
        }
        if self.max_per_hour == 0 || self.max_per_hour > PER_HOUR_MAX {
            errors.push(SettingError::new(
                "max_per_hour",
                format!("is {}", self.max_per_hour),
                format!("use 1 to {PER_HOUR_MAX}; 60 is usual"),
            ));
        }
    }
}

/// Checked settings: what remains to be known beside the plain numbers.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) server: Server,
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
}

/// Where mails go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// TLS from the first byte.
    Tls(Host),
    /// Plain first, TLS before anything is said; never without, unless `insecure_plaintext` is set.
    StartTls(Host),
    /// `.eml` files.
    Folder(PathBuf),
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

impl Server {
    fn parse(url: &str) -> Result<Server, SettingError> {
        if let Some(host) = url.strip_prefix("smtps://") {
            Host::parse(host, 465).map(Server::Tls)
        } else if let Some(host) = url.strip_prefix("smtp://") {
            Host::parse(host, 587).map(Server::StartTls)
        } else {
            match url.strip_prefix("file:").filter(|folder| !folder.is_empty()) {
                Some(folder) => Ok(Server::Folder(PathBuf::from(folder))),
                None => Err(server_error("is no mail server")),
            }
        }
    }
}

impl Host {
    fn parse(text: &str, usual_port: u16) -> Result<Host, SettingError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.contains('@') {
            // The text is not repeated: it may hold a password.
            return Err(SettingError::new(
                "server",
                "holds a user name",
                "write user and password into their own fields",
            ));
        }
        let (name, port) = split_port(text).ok_or_else(|| server_error("has no usable host and port"))?;
        let port = match port {
            None => usual_port,
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(server_error("has a port that is not 1 to 65535")),
            },
        };
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if name.is_empty() || !name.chars().all(usable) {
            return Err(server_error("has no usable host"));
        }
        Ok(Host { name: name.to_owned(), port })
    }
}

/// Host and port; an IPv6 address stands in brackets.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (name, rest) = rest.split_once(']')?;
        return match rest {
            "" => Some((name, None)),
            _ => rest.strip_prefix(':').map(|port| (name, Some(port))),
        };
    }
    match text.split_once(':') {
        None => Some((text, None)),
        Some((_, port)) if port.contains(':') => None,
        Some((name, port)) => Some((name, Some(port))),
    }
}

fn server_error(problem: &str) -> SettingError {
    SettingError::new("server", problem, "write smtps://mail.example.com, smtp://mail.example.com:587, or file:./mails")
}

fn mailbox(field: &'static str, text: &str) -> Result<Mailbox, SettingError> {
    let shown = clean::one_line(text, 100);
    let mailbox: Mailbox = clean::address(text).parse().map_err(|_| {
        SettingError::new(
            field,
            format!("holds '{shown}', which is no address"),
            "write desk@example.com or Desk <desk@example.com>",
        )
    })?;
    if mailbox.email.to_string().is_ascii() {
        Ok(mailbox)
    } else {
        // Addresses with other letters need SMTPUTF8 at every server on the way.
        Err(SettingError::new(
            field,
            format!("holds '{shown}' with letters that not every server takes"),
            "write the domain in its xn-- form, and the part before the @ in ASCII",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: &str) -> EmailSettings {
        EmailSettings::new(server, "Tripline <tripline@example.com>", vec!["desk@example.com".to_owned()])
    }

    fn fields(settings: &EmailSettings) -> Vec<&'static str> {
        settings.validate().err().unwrap_or_default().iter().map(|error| error.field).collect()
    }

    #[test]
    fn servers_and_their_usual_ports() {
        let host = |name: &str, port| Host { name: name.to_owned(), port };
        assert_eq!(Server::parse("smtps://mail.example.com"), Ok(Server::Tls(host("mail.example.com", 465))));
        assert_eq!(Server::parse("smtp://mail.example.com"), Ok(Server::StartTls(host("mail.example.com", 587))));
        assert_eq!(Server::parse("smtp://[::1]:2525/"), Ok(Server::StartTls(host("::1", 2525))));
        assert_eq!(Server::parse("file:./mails"), Ok(Server::Folder(PathBuf::from("./mails"))));
        for wrong in ["", "mail.example.com", "http://a", "smtp://", "smtp://a:0", "smtp://a:b", "smtp://a b", "file:"]
        {
            assert!(Server::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let error = Server::parse("smtps://me:hunter2@mail.example.com").expect_err("refused");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn all_errors_come_at_once_with_field_and_fix() {
        let mut wrong = settings("mail.example.com");
        wrong.from = "nobody".to_owned();
        wrong.to = vec!["a@b.c".to_owned(), "a@@b".to_owned(), "ü@example.com".to_owned()];
        wrong.user = Some("me".to_owned());
        wrong.max_per_hour = 0;
        wrong.digest_after = 1_000_000;
        wrong.timeout = Duration::ZERO;
        assert_eq!(
            fields(&wrong),
            ["server", "from", "to", "to", "password", "timeout", "digest_after", "max_per_hour"]
        );
    }

    #[test]
    fn plaintext_must_be_asked_for_and_makes_sense_once() {
        let mut settings = settings("smtps://mail.example.com");
        assert_eq!(fields(&settings), [""; 0]);
        settings.insecure_plaintext = true;
        assert_eq!(fields(&settings), ["insecure_plaintext"]);
        settings.server = "smtp://mail.example.com".to_owned();
        assert_eq!(fields(&settings), [""; 0]);
        settings.ca_file = Some(PathBuf::from("ca.pem"));
        assert_eq!(fields(&settings), ["ca_file"]);
    }

    #[test]
    fn a_password_is_not_printed() {
        let mut settings = settings("smtps://mail.example.com");
        settings.password = Some(Secret::new("hunter2"));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
