//! One HTTP/1.1 connection at a time, kept between requests. The only file that speaks through hyper.
//!
//! It connects itself rather than through a pooled client: the addresses of the host are looked up once, judged, and
//! connected to as they are, so that no second look-up can lead elsewhere. It knows no redirects and no proxies.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::net::dial::{DialError, dial};
use crate::net::trust;
use crate::sink::webhook::address::is_public;
use crate::sink::webhook::settings::Endpoint;

/// A connection that was idle for longer is not tried again. Servers close after five seconds to a few minutes.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// A connection is not used for longer, so that a change of the host's addresses is seen.
const AGE_MAX: Duration = Duration::from_mins(5);
/// What is read of a body so that the connection can be used again, and how long that may take.
const BODY_BYTES_MAX: usize = 64 << 10;
const BODY_TIME_MAX: Duration = Duration::from_secs(1);
/// The most bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The host cannot be looked up, or no address takes a connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// All addresses of the host are of the inside of a network.
    #[error("the host leads to {0}, which is not of the public Internet; allow_private = true would allow it")]
    Private(IpAddr),
    /// The server is not the one that it should be, or speaks no TLS that is safe.
    #[error("the server cannot be trusted: {0}")]
    Untrusted(rustls::Error),
    /// The connection broke, or what came is no HTTP.
    #[error("the connection failed: {0}")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// Finds the addresses of a host. The tests put a lying one here.
pub(in crate::sink) trait Resolve: Send {
    fn resolve(&mut self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// The resolver of the system.
pub(in crate::sink) struct System;

impl Resolve for System {
    async fn resolve(&mut self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Speaks to one server.
pub(super) struct Client<R> {
    endpoint: Endpoint,
    tls: Option<TlsConnector>,
    timeout: Duration,
    allow_private: bool,
    resolver: R,
    kept: Option<Connection>,
}

/// An open connection, with the task that works it.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with the connection: an abandoned answer is not read on.
    _work: JoinSet<()>,
    opened: Instant,
    used: Instant,
}

impl<R: Resolve> Client<R> {
    /// A client of an endpoint; over TLS where there is a connector.
    pub(super) fn new(
        endpoint: Endpoint,
        tls: Option<TlsConnector>,
        timeout: Duration,
        allow_private: bool,
        resolver: R,
    ) -> Client<R> {
        Client { endpoint, tls, timeout, allow_private, resolver, kept: None }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// One request and the head of its answer, all within the time-out.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<()>, ClientError> {
        let deadline = Instant::now() + self.timeout;
        let asked = timeout_at(deadline, self.ask(request)).await;
        let (mut connection, answer) = asked.unwrap_or(Err(ClientError::Timeout(self.timeout)))?;
        let (head, body) = answer.into_parts();
        let read = timeout_at(deadline.min(Instant::now() + BODY_TIME_MAX), drop_body(body)).await;
        // What is left unread would be taken for the next answer.
        if read.is_ok_and(|whole| whole) {
            connection.used = Instant::now();
            self.kept = Some(connection);
        }
        Ok(Response::from_parts(head, ()))
    }

    /// Connects without asking anything, within the time-out.
    pub(super) async fn connect_only(&mut self) -> Result<(), ClientError> {
        let deadline = Instant::now() + self.timeout;
        let connected = timeout_at(deadline, self.connect()).await;
        self.kept = Some(connected.unwrap_or(Err(ClientError::Timeout(self.timeout)))?);
        Ok(())
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<(Connection, Response<Incoming>), ClientError> {
        if let Some(mut kept) = self.kept.take().filter(Connection::is_fresh)
            && let Ok(answer) = kept.ask(request.clone()).await
        {
            return Ok((kept, answer));
        }
        // An error of the kept one most likely means that the server had closed it: that says nothing about it now.
        let mut connection = self.connect().await?;
        let answer = connection.ask(request).await?;
        Ok((connection, answer))
    }

    /// Connects to an address that was judged, the first that takes us.
    async fn connect(&mut self) -> Result<Connection, ClientError> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let addresses = self.resolver.resolve(host, *port).await.map_err(DialError::Lookup)?;
        let allowed = |address: &&SocketAddr| self.allow_private || is_public(address.ip());
        let usable: Vec<SocketAddr> = addresses.iter().filter(allowed).copied().collect();
        if let (Some(inside), true) = (addresses.first(), usable.is_empty()) {
            return Err(ClientError::Private(inside.ip()));
        }
        let (address, stream) = dial(&usable, self.timeout).await?;
        self.open(stream).await.map_err(|error| trouble(error, address))
    }

    async fn open(&mut self, stream: TcpStream) -> Result<Connection, OpenError> {
        match &self.tls {
            None => Connection::new(stream).await,
            Some(tls) => {
                let name = ServerName::try_from(self.endpoint.host.clone()).map_err(io::Error::other)?;
                Connection::new(tls.connect(name, stream).await?).await
            }
        }
    }
}

/// What goes wrong between connecting and the first request.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

fn trouble(error: OpenError, address: SocketAddr) -> ClientError {
    match error {
        OpenError::Http(error) => ClientError::Http(error),
        OpenError::Io(error) => match trust::verdict(&error) {
            Some(verdict) => ClientError::Untrusted(verdict),
            None => DialError::Connect(address, error).into(),
        },
    }
}

impl Connection {
    async fn new(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Connection, OpenError> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let mut work = JoinSet::new();
        work.spawn(async move {
            // Whoever waits for an answer hears of the error too.
            drop(connection.await);
        });
        let now = Instant::now();
        Ok(Connection { sender, _work: work, opened: now, used: now })
    }

    fn is_fresh(&self) -> bool {
        !self.sender.is_closed() && self.used.elapsed() < IDLE_MAX && self.opened.elapsed() < AGE_MAX
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

/// Reads a body away; false where it is too long or breaks off.
async fn drop_body(mut body: Incoming) -> bool {
    let mut left = BODY_BYTES_MAX;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}
