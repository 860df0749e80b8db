//! A request to the daemon, or what is none: it is answered or refused, and the connection ends.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use crate::daemon::on_a_free_port;

/// Longer than anything takes on a busy machine.
const GUARD: Duration = Duration::from_secs(30);

pub(super) fn target(data: &[u8]) {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    let address = ADDRESS.get_or_init(|| on_a_free_port().expect("a port is free"));
    // After tens of thousands of connections the system may have no port left for a moment.
    let Ok(mut stream) = TcpStream::connect(address) else { return std::thread::sleep(Duration::from_millis(100)) };
    stream.set_read_timeout(Some(GUARD)).expect("it can be set");
    // It may refuse the request before it is read.
    drop(stream.write_all(data));
    drop(stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("it does not end: {error}"),
    }
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
}
