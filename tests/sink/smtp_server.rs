//! A small SMTP server that fails as told: enough of RFC 5321 for one client at a time to be checked against.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ServerConfig, pki_types::PrivateKeyDer};

/// How the server takes connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// STARTTLS is offered, and demanded before anything else.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// STARTTLS is not offered.
    Plain,
}

/// What goes wrong. Each fault is used once, at the first place where it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 535 to the login.
    RejectLogin,
    /// This reply to a recipient.
    Recipient(&'static str),
    /// This reply to the whole mail.
    Data(&'static str),
    /// The mail is kept, but the connection ends before it is said.
    DropAfterData,
    /// The connection ends after the reply to a mail, as servers do with idle clients.
    CloseAfterMail,
    /// No answer to the mail, and none ever.
    Hang,
}

/// A mail as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) encrypted: bool,
    pub(crate) user: Option<String>,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: Vec<u8>,
}

/// The server and what it saw.
pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    /// The certificate that clients have to trust.
    pub(crate) certificate: String,
    state: Arc<State>,
}

struct State {
    mode: Mode,
    mechanisms: &'static str,
    tls: TlsAcceptor,
    faults: Mutex<VecDeque<Fault>>,
    received: Mutex<Vec<Received>>,
    /// Every command line of every client, as it came.
    commands: Mutex<Vec<String>>,
    connections: Mutex<usize>,
}

impl SmtpServer {
    /// Listens on a free port; `user` with password `pass:word` may log in.
    pub(crate) async fn start(mode: Mode, faults: &[Fault]) -> SmtpServer {
        SmtpServer::with_login(mode, "PLAIN LOGIN", faults).await
    }

    /// The same with other ways to log in.
    pub(crate) async fn with_login(mode: Mode, mechanisms: &'static str, faults: &[Fault]) -> SmtpServer {
        let (tls, certificate) = identity();
        let state = Arc::new(State {
            mode,
            mechanisms,
            tls,
            faults: Mutex::new(faults.iter().copied().collect()),
            received: Mutex::default(),
            commands: Mutex::default(),
            connections: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *shared.connections.lock().expect("no panic") += 1;
                tokio::spawn(Arc::clone(&shared).serve(stream));
            }
        });
        SmtpServer { port, certificate, state }
    }

    /// The mails that came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.lock().expect("no panic").clone()
    }

    /// The command lines that came so far.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.state.commands.lock().expect("no panic").clone()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        *self.state.connections.lock().expect("no panic")
    }

    /// How many faults are still to come.
    pub(crate) fn faults_left(&self) -> usize {
        self.state.faults.lock().expect("no panic").len()
    }
}

/// A self-signed certificate for this machine.
pub(crate) fn identity() -> (TlsAcceptor, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("the key fits the certificate");
    (TlsAcceptor::from(Arc::new(config)), cert.pem())
}

/// How a conversation goes on.
enum Next {
    StartTls,
    Closed,
}

impl State {
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        if self.mode == Mode::Tls {
            if let Ok(stream) = self.tls.accept(stream).await {
                self.converse(&mut BufReader::new(stream), true, true).await;
            }
            return;
        }
        let mut plain = BufReader::new(stream);
        if let Some(Next::StartTls) = self.converse(&mut plain, false, true).await
            && let Ok(stream) = self.tls.accept(plain.into_inner()).await
        {
            self.converse(&mut BufReader::new(stream), true, false).await;
        }
    }

    /// Takes the next fault if it is one of these.
    fn fault(&self, fits: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut faults = self.faults.lock().expect("no panic");
        let next = *faults.front()?;
        fits(next).then(|| faults.pop_front())?
    }

    /// Speaks until the connection ends (nothing) or changes.
    async fn converse<S>(&self, stream: &mut BufReader<S>, encrypted: bool, greet: bool) -> Option<Next>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if greet {
            say(stream, "220 test server").await?;
        }
        let mut user = None;
        let mut from = String::new();
        let mut to = Vec::new();
        loop {
            let line = self.command(stream).await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => say(stream, &self.capabilities(encrypted)).await?,
                "STARTTLS" if !encrypted && self.mode == Mode::StartTls => {
                    say(stream, "220 go on").await?;
                    return Some(Next::StartTls);
                }
                "NOOP" | "RSET" => {
                    to.clear();
                    say(stream, "250 fine").await?;
                }
                "QUIT" => {
                    say(stream, "221 bye").await?;
                    return Some(Next::Closed);
                }
                _ if !encrypted && self.mode == Mode::StartTls => say(stream, "530 STARTTLS first").await?,
                "AUTH" => user = self.log_in(stream, &line).await?,
                "MAIL" => {
                    from = address(&line);
                    to.clear();
                    say(stream, "250 fine").await?;
                }
                "RCPT" => {
                    let fault = self.fault(|fault| matches!(fault, Fault::Recipient(_)));
                    if let Some(Fault::Recipient(reply)) = fault {
                        say(stream, reply).await?;
                    } else {
                        to.push(address(&line));
                        say(stream, "250 fine").await?;
                    }
                }
                "DATA" => {
                    say(stream, "354 go on").await?;
                    let data = read_data(stream).await?;
                    let mail = Received { encrypted, user: user.clone(), from: from.clone(), to: to.clone(), data };
                    self.take(stream, mail).await?;
                }
                _ => say(stream, "500 what?").await?,
            }
        }
    }

    fn capabilities(&self, encrypted: bool) -> String {
        let mut lines = vec!["test server".to_owned(), "8BITMIME".to_owned()];
        if self.mode == Mode::StartTls && !encrypted {
            lines.push("STARTTLS".to_owned());
        } else {
            lines.push(format!("AUTH {}", self.mechanisms));
        }
        let last = lines.len() - 1;
        let lines = lines.iter().enumerate();
        lines
            .map(|(n, line)| format!("250{}{line}", if n == last { " " } else { "-" }))
            .collect::<Vec<_>>()
            .join("\r\n")
    }

    async fn command<S: AsyncRead + Unpin>(&self, stream: &mut BufReader<S>) -> Option<String> {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let line = line.trim_end().to_owned();
        self.commands.lock().expect("no panic").push(line.clone());
        Some(line)
    }

    /// The user, where name and password are right.
    async fn log_in<S>(&self, stream: &mut BufReader<S>, line: &str) -> Option<Option<String>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // PLAIN comes in one line: base64 of NUL user NUL pass:word. LOGIN is asked twice.
        let right = if line.starts_with("AUTH PLAIN") {
            line == "AUTH PLAIN AHVzZXIAcGFzczp3b3Jk"
        } else {
            say(stream, "334 VXNlcm5hbWU6").await?;
            let name = self.command(stream).await?;
            say(stream, "334 UGFzc3dvcmQ6").await?;
            name == "dXNlcg==" && self.command(stream).await? == "cGFzczp3b3Jk"
        };
        let rejected = self.fault(|fault| fault == Fault::RejectLogin).is_some();
        if right && !rejected {
            say(stream, "235 welcome").await?;
            return Some(Some("user".to_owned()));
        }
        say(stream, "535 5.7.8 wrong password").await?;
        Some(None)
    }

    async fn take<S>(&self, stream: &mut BufReader<S>, mail: Received) -> Option<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.fault(|fault| !matches!(fault, Fault::RejectLogin | Fault::Recipient(_))) {
            Some(Fault::Data(reply)) => say(stream, reply).await,
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::DropAfterData) => {
                self.received.lock().expect("no panic").push(mail);
                None
            }
            Some(Fault::CloseAfterMail) => {
                self.received.lock().expect("no panic").push(mail);
                say(stream, "250 taken").await?;
                None
            }
            Some(Fault::RejectLogin | Fault::Recipient(_)) | None => {
                self.received.lock().expect("no panic").push(mail);
                say(stream, "250 taken").await
            }
        }
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, reply: &str) -> Option<()> {
    stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
    stream.get_mut().flush().await.ok()
}

fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}

/// The mail up to the line with a lone dot, doubled dots undone.
async fn read_data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).await.ok().filter(|read| *read > 0)?;
        match line.as_slice() {
            b".\r\n" => return Some(data),
            [b'.', rest @ ..] => data.extend_from_slice(rest),
            line => data.extend_from_slice(line),
        }
    }
}
