//! Mails over SMTP: one connection, kept between mails. The only file that speaks through lettre.
//!
//! It talks to a connection itself rather than to lettre's pool: so each recipient is accepted or refused by itself,
//! each stage says what kind of failure it is, and a connection that the server closed meanwhile is replaced at once.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::{Instant, timeout};

use crate::sink::email::clean::one_line;
use crate::sink::email::mail::Mail;
use crate::sink::email::mailer::{Mailer, Refusal, SendError};
use crate::sink::email::settings::{EmailSettings, Host, Server};

/// A connection that was idle for longer is not tried again. Servers close after a minute or more.
const IDLE_MAX: Duration = Duration::from_secs(45);
/// The longest reason that is kept of a server's reply.
const REASON_CHARS_MAX: usize = 300;

/// Speaks to one server.
pub(super) struct Smtp {
    host: Host,
    security: Security,
    login: Option<Credentials>,
    from: Address,
    hello: ClientId,
    timeout: Duration,
    kept: Option<Kept>,
}

enum Security {
    Tls(TlsParameters),
    StartTls(TlsParameters),
    None,
}

struct Kept {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// How an attempt on one connection ended.
enum Outcome {
    /// The server judged the mail; the connection can be used again.
    Judged(Vec<Refusal>),
    /// The connection is of no more use.
    Broken(SendError),
}

impl Smtp {
    /// A client of `host`; `None` where the server is a folder. Fails where the certificates cannot be read.
    pub(super) fn new(settings: &EmailSettings, server: &Server, from: Address) -> Result<Option<Smtp>, String> {
        let (host, security) = match server {
            Server::Folder(_) => return Ok(None),
            Server::Tls(host) => (host, Security::Tls(tls(host, settings.ca_file.as_deref())?)),
            Server::StartTls(host) if settings.insecure_plaintext => (host, Security::None),
            Server::StartTls(host) => (host, Security::StartTls(tls(host, settings.ca_file.as_deref())?)),
        };
        let login = match (&settings.user, &settings.password) {
            (Some(user), Some(password)) if !user.is_empty() => {
                Some(Credentials::new(user.clone(), password.expose().to_owned()))
            }
            _ => None,
        };
        Ok(Some(Smtp {
            host: host.clone(),
            security,
            login,
            from,
            hello: ClientId::default(),
            timeout: settings.timeout,
            kept: None,
        }))
    }

    async fn attempt(
        &mut self,
        mut connection: AsyncSmtpConnection,
        mail: &Mail,
        to: &[Address],
    ) -> Result<Vec<Refusal>, SendError> {
        match self.converse(&mut connection, mail, to).await {
            Outcome::Judged(refusals) => {
                self.kept = Some(Kept { connection, since: Instant::now() });
                Ok(refusals)
            }
            Outcome::Broken(error) => Err(error),
        }
    }

    /// A connection that is greeted, encrypted as demanded, and logged in.
    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let implicit = match &self.security {
            Security::Tls(tls) => Some(tls.clone()),
            Security::StartTls(_) | Security::None => None,
        };
        let address = (self.host.name.as_str(), self.host.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(address, Some(self.timeout), &self.hello, implicit, None);
        let mut connection = self.answer(connecting).await.map_err(Trouble::before_login)?;
        if let Security::StartTls(tls) = &self.security {
            // lettre refuses a server that does not offer STARTTLS; nothing was said yet that matters.
            self.answer(connection.starttls(tls.clone(), &self.hello)).await.map_err(Trouble::before_login)?;
        }
        if let Some(login) = &self.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            self.answer(connection.auth(&mechanisms, login)).await.map_err(Trouble::before_login)?;
        }
        Ok(connection)
    }

    async fn converse(&self, connection: &mut AsyncSmtpConnection, mail: &Mail, to: &[Address]) -> Outcome {
        let from = MailFrom::new(Some(self.from.clone()), Vec::new());
        if let Err(trouble) = self.answer(connection.command(from)).await {
            return self.judge(connection, trouble, to.to_vec(), Vec::new()).await;
        }
        let (mut accepted, mut refusals) = (Vec::new(), Vec::new());
        for recipient in to {
            let rcpt = Rcpt::new(recipient.clone(), Vec::new());
            match self.answer(connection.command(rcpt)).await {
                Ok(_) => accepted.push(recipient.clone()),
                Err(trouble) => match trouble.refusal(recipient) {
                    Ok(refusal) => refusals.push(refusal),
                    Err(error) => return Outcome::Broken(error),
                },
            }
        }
        if accepted.is_empty() {
            return self.reset(connection, refusals).await;
        }
        if let Err(trouble) = self.deliver(connection, mail).await {
            return self.judge(connection, trouble, accepted, refusals).await;
        }
        Outcome::Judged(refusals)
    }

    async fn deliver(&self, connection: &mut AsyncSmtpConnection, mail: &Mail) -> Result<(), Trouble> {
        // Any 2xx or 3xx counts as fine for lettre. Only 354 here shows that questions and answers are in step, which
        // a reply smuggled in before STARTTLS would undo.
        let reply = self.answer(connection.command(Data)).await?;
        if !reply.has_code(354) {
            return Err(Trouble::Lost(format!("reply {} to DATA", reply.code())));
        }
        self.answer(connection.message(&mail.bytes)).await?;
        Ok(())
    }

    /// A failure that concerns all of `to`, beside the refusals so far.
    async fn judge(
        &self,
        connection: &mut AsyncSmtpConnection,
        trouble: Trouble,
        to: Vec<Address>,
        mut refusals: Vec<Refusal>,
    ) -> Outcome {
        for recipient in &to {
            match trouble.clone().refusal(recipient) {
                Ok(refusal) => refusals.push(refusal),
                Err(error) => return Outcome::Broken(error),
            }
        }
        self.reset(connection, refusals).await
    }

    /// Ends a refused conversation. Where even that fails the verdict stands, and the next mail finds out.
    async fn reset(&self, connection: &mut AsyncSmtpConnection, refusals: Vec<Refusal>) -> Outcome {
        match self.answer(connection.command(Rset)).await {
            Ok(_) | Err(_) => Outcome::Judged(refusals),
        }
    }

    /// Waits for one answer, but not for ever: lettre itself bounds only the connecting.
    async fn answer<T>(&self, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
        match timeout(self.timeout, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Trouble::new(&error)),
            Err(_) => Err(Trouble::Lost(format!("no answer within {:?}", self.timeout))),
        }
    }
}

impl Mailer for Smtp {
    async fn send(&mut self, mail: &Mail, to: &[Address]) -> Result<Vec<Refusal>, SendError> {
        if let Some(kept) = self.kept.take()
            && kept.since.elapsed() < IDLE_MAX
        {
            match self.attempt(kept.connection, mail, to).await {
                // Most likely closed by the server while it was idle: that says nothing about the server now.
                Err(SendError::Unreachable(_)) => {}
                verdict => return verdict,
            }
        }
        let connection = self.connect().await.map_err(|error| at_host(error, &self.host))?;
        self.attempt(connection, mail, to).await.map_err(|error| at_host(error, &self.host))
    }
}

/// What went wrong with one question.
#[derive(Clone, Debug)]
enum Trouble {
    /// A negative reply: its code and words.
    Reply { code: u16, reason: String },
    /// The connection failed or the server said nothing.
    Lost(String),
    /// Our side will not go on: no STARTTLS, no common way to log in, a certificate that is not trusted.
    Unusable(String),
}

impl Trouble {
    fn new(error: &Error) -> Trouble {
        let reason = one_line(&error.to_string(), REASON_CHARS_MAX);
        match error.status() {
            Some(code) => Trouble::Reply { code: u16::from(code), reason },
            // rustls' verdict is inside an I/O error; its type is not ours to name, its words are stable.
            None if error.is_client() || reason.contains("certificate") => Trouble::Unusable(reason),
            None => Trouble::Lost(reason),
        }
    }

    /// Greeting, STARTTLS and login: a 5xx here is about us or the server, not about a mail.
    fn before_login(self) -> SendError {
        match self {
            Trouble::Reply { code, reason } if code >= 500 => SendError::Unusable(reason),
            Trouble::Reply { reason, .. } | Trouble::Lost(reason) => SendError::Unreachable(reason),
            Trouble::Unusable(reason) => SendError::Unusable(reason),
        }
    }

    /// A reply about a mail or a recipient; an error where it is about the connection or the login.
    fn refusal(self, recipient: &Address) -> Result<Refusal, SendError> {
        match self {
            // 421: the server is closing. 530, 534, 535, 538: it wants us to log in, or otherwise.
            Trouble::Reply { code: 421, reason } | Trouble::Lost(reason) => Err(SendError::Unreachable(reason)),
            Trouble::Reply { code: 530 | 534 | 535 | 538, reason } | Trouble::Unusable(reason) => {
                Err(SendError::Unusable(reason))
            }
            Trouble::Reply { code, reason } => {
                Ok(Refusal { recipient: recipient.clone(), permanent: code >= 500, reason })
            }
        }
    }
}

fn at_host(error: SendError, host: &Host) -> SendError {
    match error {
        SendError::Unreachable(reason) => SendError::Unreachable(format!("{host}: {reason}")),
        SendError::Unusable(reason) => SendError::Unusable(format!("{host}: {reason}")),
    }
}

/// Trust in the server: by the given authorities alone, or by those of the system.
fn tls(host: &Host, ca_file: Option<&Path>) -> Result<TlsParameters, String> {
    let mut tls = TlsParameters::builder(host.name.clone());
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if !pem.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
            return Err(format!("{} holds no PEM certificate", path.display()));
        }
        let authorities =
            Certificate::from_pem(&pem).map_err(|error| format!("cannot use {}: {error}", path.display()))?;
        tls = tls.certificate_store(CertificateStore::None).add_root_certificate(authorities);
    }
    tls.build_rustls().map_err(|error| format!("cannot set up TLS for {host}: {error}"))
}
