//! A small HTTP server that answers as told, down to the bytes: hangs, drips and lies are answers too.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::smtp_server::identity;

/// What becomes of a request. Each is used once; after the last all is well.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// This status and these headers, each with its line end.
    Status(&'static str, &'static str),
    /// Nothing, and the connection stays.
    Hang,
    /// A head that never ends, a byte at a time.
    DripHead,
    /// 200, and a body that never ends, a byte at a time.
    DripBody,
    /// 200, and a body of a megabyte.
    LongBody,
    /// The request is kept, but the connection ends before it is said.
    Drop,
    /// 200, and the connection ends although nothing said so.
    CloseAfter,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `POST /path HTTP/1.1`.
    pub(crate) line: String,
    /// Names in small letters, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// The server and what it saw.
pub(crate) struct HttpServer {
    pub(crate) port: u16,
    /// The certificate that clients have to trust.
    pub(crate) certificate: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    requests: Vec<Request>,
    connections: usize,
}

impl HttpServer {
    /// A server on TLS for `localhost`.
    pub(crate) async fn start(replies: &[Reply]) -> HttpServer {
        let (tls, certificate) = identity();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let state = State { replies: replies.iter().cloned().collect(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, state) = (tls.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        state.lock().expect("no panic").connections += 1;
                        serve(stream, &state).await;
                    }
                });
            }
        });
        HttpServer { port, certificate, state }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.lock().expect("no panic").requests.clone()
    }

    /// Connections that came as far as a TLS session.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().expect("no panic").connections
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>) {
    while let Some(request) = read(&mut stream).await {
        let reply = {
            let mut state = state.lock().expect("no panic");
            state.requests.push(request);
            state.replies.pop_front().unwrap_or(Reply::Status("200 OK", ""))
        };
        match reply {
            Reply::Status(status, headers) => {
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n{headers}\r\nok");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Hang => std::future::pending().await,
            Reply::DripHead => return drip(&mut stream, b"HTTP/1.1 200 OK\r\nx-drip: ").await,
            Reply::DripBody => return drip(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n").await,
            Reply::LongBody => {
                let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
                answer.resize(answer.len() + 1_000_000, b'x');
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            Reply::Drop => return,
            Reply::CloseAfter => {
                // The client may have gone already.
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await);
                drop(stream.shutdown().await);
                return;
            }
        }
    }
}

async fn drip(stream: &mut (impl AsyncWrite + Unpin), head: &[u8]) {
    let mut bytes = head.to_vec();
    while stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok() {
        bytes = b"x".to_vec();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The next request; none where the client has gone.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        bytes.push(stream.read_u8().await.ok()?);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("heads are ASCII");
    let mut lines = head.split("\r\n");
    let line = lines.next().expect("a first line").to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").expect("name and value");
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let mut request = Request { line, headers: lines.map(header).collect(), body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).expect("JSON is text");
    Some(request)
}
