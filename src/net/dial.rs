//! A connection to one of a host's addresses. Who may be connected to is judged before, and nothing is said after.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The host has no address, or cannot be asked for.
    #[error("the host cannot be looked up: {0}")]
    Lookup(io::Error),
    /// No address takes a connection.
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, io::Error),
}

/// Connects to the first address that takes us, all within the time.
pub(crate) async fn dial(addresses: &[SocketAddr], within: Duration) -> Result<(SocketAddr, TcpStream), DialError> {
    // An address that swallows everything must not use up the time of the others.
    let each = within / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut failed = DialError::Lookup(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    for &address in addresses {
        let connected = timeout(each, TcpStream::connect(address)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|error| DialError::Connect(address, error))?;
                return Ok((address, stream));
            }
            Err(error) => failed = DialError::Connect(address, error),
        }
    }
    Err(failed)
}
