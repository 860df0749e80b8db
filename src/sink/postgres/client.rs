//! A connection to the server, and one statement at a time on it. With its neighbours the only files that speak through
//! tokio-postgres.
//!
//! It connects itself rather than by the client: the addresses are judged before, and TLS is the one of the other sinks.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Row as Answer};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::net::dial::{DialError, dial};
use crate::net::trust;
use crate::sink::postgres::error::{ClientError, of_login};
use crate::sink::postgres::settings::{Resolved, Transport};

/// Asks whether the server speaks TLS; it answers with one byte.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const TLS_YES: u8 = b'S';

/// The parameters of a statement with their types, so that the server is not asked for them.
pub(super) type Parameters<'a> = [(&'a (dyn ToSql + Sync), Type)];

/// Knows how to connect.
pub(super) struct Client {
    pub(super) settings: Resolved,
    tls: Option<TlsConnector>,
    timeout: Duration,
}

/// An open connection, with the task that works it.
pub(super) struct Connection {
    client: tokio_postgres::Client,
    /// Ends with the connection: nobody waits for a server that hangs.
    _work: JoinSet<()>,
    /// The server's version, in its own words.
    pub(super) version: String,
    timeout: Duration,
}

impl Client {
    /// Reads the certificates; an error says what is wrong with them.
    pub(super) fn new(settings: Resolved, ca_file: Option<&Path>, timeout: Duration) -> Result<Client, String> {
        let tls = (settings.transport == Transport::Tls).then(|| trust::connector(ca_file)).transpose()?;
        Ok(Client { settings, tls, timeout })
    }

    /// Connects and logs in, within the time-out.
    pub(super) async fn connect(&self) -> Result<Connection, ClientError> {
        let opened = timeout(self.timeout, self.open()).await;
        opened.unwrap_or(Err(ClientError::Timeout(self.timeout)))
    }

    async fn open(&self) -> Result<Connection, ClientError> {
        let address = &self.settings.address;
        let found = lookup_host((address.host.as_str(), address.port)).await.map_err(DialError::Lookup)?;
        let addresses: Vec<SocketAddr> = found.collect();
        judge(self.settings.transport, &addresses)?;
        let (_, stream) = dial(&addresses, self.timeout).await?;
        match &self.tls {
            None => self.log_in(stream).await,
            Some(tls) => self.log_in(encrypt(tls, &address.host, stream).await?).await,
        }
    }

    async fn log_in(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Connection, ClientError> {
        let (client, connection) = self.settings.login.connect_raw(stream, NoTls).await.map_err(of_login)?;
        let version = connection.parameter("server_version").unwrap_or("of an unknown version").to_owned();
        let mut work = JoinSet::new();
        work.spawn(async move {
            // Whoever waits for an answer hears of the error too.
            drop(connection.await);
        });
        // A statement that waits for a lock would go on waiting after we are gone, and the next attempts with it.
        client.batch_execute(&format!("set statement_timeout = {}", self.timeout.as_millis())).await?;
        Ok(Connection { client, _work: work, version, timeout: self.timeout })
    }
}

/// Whoever answers for the names of this machine must not lead what is said without TLS to another one.
fn judge(transport: Transport, addresses: &[SocketAddr]) -> Result<(), ClientError> {
    let outside = addresses.iter().map(SocketAddr::ip).find(|address| !address.is_loopback());
    match (transport, outside) {
        (Transport::Loopback, Some(outside)) => Err(ClientError::NotLoopback(outside)),
        _ => Ok(()),
    }
}

/// Agrees on TLS. What somebody on the way puts in before is no TLS, and is refused as that.
async fn encrypt(tls: &TlsConnector, host: &str, mut stream: TcpStream) -> Result<TlsStream<TcpStream>, ClientError> {
    stream.write_all(&TLS_REQUEST).await?;
    if stream.read_u8().await? != TLS_YES {
        return Err(ClientError::NoTls);
    }
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    tls.connect(name, stream).await.map_err(|error| match trust::verdict(&error) {
        Some(verdict) => ClientError::Untrusted(verdict),
        None => error.into(),
    })
}

impl Connection {
    /// Whether the server has not left.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Runs a statement and tells how many rows it added. After a time-out the connection is of no use.
    pub(super) async fn execute(&self, statement: &str, parameters: &Parameters<'_>) -> Result<u64, ClientError> {
        self.in_time(self.client.execute_typed(statement, parameters)).await
    }

    /// Runs a query.
    pub(super) async fn query(&self, query: &str, parameters: &Parameters<'_>) -> Result<Vec<Answer>, ClientError> {
        self.in_time(self.client.query_typed(query, parameters)).await
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, ClientError> {
        match timeout(self.timeout, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(ClientError::Timeout(self.timeout)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_this_machine_is_not_left_unasked() {
        let addresses =
            |all: &[&str]| all.iter().map(|one| one.parse().expect("an address")).collect::<Vec<SocketAddr>>();
        let inside = addresses(&["127.0.0.1:5432", "[::1]:5432"]);
        let outside = addresses(&["127.0.0.1:5432", "10.0.0.1:5432"]);
        assert!(judge(Transport::Loopback, &inside).is_ok());
        let error = judge(Transport::Loopback, &outside).expect_err("it leads away");
        assert!(error.to_string().contains("10.0.0.1"), "{error}");
        assert!(judge(Transport::Tls, &outside).is_ok() && judge(Transport::Plain, &outside).is_ok());
    }
}
