//! One HTTP/1.1 request, over TLS or not. The only file of the store that speaks through hyper.
//!
//! A connection is made for each request and ended with it: there are a few in a minute, nothing runs between them that
//! could keep one alive, and none is found dead. It knows no redirects and no proxies; what is tried again is the
//! client's matter (`object_store`).

use std::error::Error;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpService,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::net::dial::{DialError, dial};
use crate::net::trust;

/// What an answer says of its length is believed up to here; beyond, memory follows what comes.
const CAPACITY_MAX: u64 = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum ConnectorError {
    #[error("{0} is no address")]
    Address(Uri),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the server cannot be trusted: {0}")]
    Untrusted(rustls::Error),
    #[error("the connection failed: {0}")]
    Io(io::Error),
    /// hyper's own words do not say what happened; what it stands over does.
    #[error("the connection failed: {0}{why}", why = .0.source().map(|why| format!(": {why}")).unwrap_or_default())]
    Http(#[from] hyper::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl ConnectorError {
    /// Whether the same is tried again, which the client decides by the kind.
    fn kind(&self) -> HttpErrorKind {
        match self {
            ConnectorError::Dial(_) => HttpErrorKind::Connect,
            ConnectorError::Timeout(_) => HttpErrorKind::Timeout,
            ConnectorError::Http(_) | ConnectorError::Io(_) => HttpErrorKind::Interrupted,
            ConnectorError::Untrusted(_) | ConnectorError::Address(_) => HttpErrorKind::Unknown,
        }
    }
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
    patience: Duration,
}

impl Connector {
    /// Over TLS by this, where the address says so. A server that says nothing for as long as the patience is given up:
    /// while it is connected to, while its answer is waited for, and while that comes.
    pub(super) fn new(tls: TlsConnector, patience: Duration) -> Connector {
        Connector { tls, patience }
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let (host, port, encrypted) = target(request.uri())?;
        let connected = self.within(async {
            let addresses = tokio::net::lookup_host((host.as_str(), port)).await.map_err(DialError::Lookup)?;
            Ok(dial(&addresses.collect::<Vec<_>>(), self.patience).await?)
        });
        let (_, stream) = connected.await?;
        if !encrypted {
            return self.exchange(stream, request).await;
        }
        let name = ServerName::try_from(host).map_err(|_| ConnectorError::Address(request.uri().clone()))?;
        let secured = async { self.tls.connect(name, stream).await.map_err(distrust) };
        self.exchange(self.within(secured).await?, request).await
    }

    async fn exchange<S>(&self, stream: S, request: HttpRequest) -> Result<HttpResponse, ConnectorError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut work = JoinSet::new();
        work.spawn(connection);
        let is_short = request.body().content_length() == 0;
        let asked = async { Ok(sender.send_request(on_the_wire(request)?).await?) };
        // What is large may take its time on the way there: the whole has a limit of its own.
        let answer = if is_short { self.within(asked).await? } else { asked.await? };
        let (head, body) = answer.into_parts();
        Ok(Response::from_parts(head, self.read(body).await?.into()))
    }

    /// All of a body, so that one that breaks off is asked for again.
    async fn read(&self, mut body: Incoming) -> Result<Bytes, ConnectorError> {
        let said = body.size_hint().lower().min(CAPACITY_MAX);
        let mut bytes = Vec::with_capacity(usize::try_from(said).unwrap_or(0));
        while let Some(frame) = self.within(async { Ok(body.frame().await.transpose()?) }).await? {
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes.into())
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, ConnectorError>>) -> Result<T, ConnectorError> {
        timeout(self.patience, work).await.unwrap_or(Err(ConnectorError::Timeout(self.patience)))
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("patience", &self.patience).finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.answer(request).await.map_err(|error| HttpError::new(error.kind(), error))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

fn target(uri: &Uri) -> Result<(String, u16, bool), ConnectorError> {
    let host = uri.host().ok_or_else(|| ConnectorError::Address(uri.clone()))?;
    let encrypted = uri.scheme() != Some(&Scheme::HTTP);
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port, encrypted))
}

/// The client names the whole address; a server is asked for the path, by its name in a header, which is signed.
fn on_the_wire(mut request: HttpRequest) -> Result<Request<HttpRequestBody>, ConnectorError> {
    let uri = request.uri().clone();
    let authority = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let authority = authority.ok_or_else(|| ConnectorError::Address(uri.clone()))?;
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    request.headers_mut().insert(HOST, authority);
    *request.uri_mut() = Uri::from(path);
    Ok(request)
}

fn distrust(error: io::Error) -> ConnectorError {
    match trust::verdict(&error) {
        Some(verdict) => ConnectorError::Untrusted(verdict),
        None => ConnectorError::Io(error),
    }
}
