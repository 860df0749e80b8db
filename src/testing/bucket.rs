//! A bucket of an S3-compatible store, in this process, over plain HTTP: objects, listings in small pages, signatures,
//! and trouble on demand. It shares no code with the client: requests are read by hand, and signatures (AWS Signature
//! Version 4) are computed from what came.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, Tag, sign};

/// Who may ask.
pub const ACCESS_KEY: &str = "AKID-OpenSesame-20";
/// What they sign with.
pub const SECRET_KEY: &str = "key/OpenSesame+21";
/// Where this is.
pub const REGION: &str = "eu-test-1";
/// Its name.
pub const BUCKET: &str = "states";

/// A listing has so many objects on a page.
const PAGE: usize = 2;
/// A server that hangs does so for longer than anybody waits.
const HANG: Duration = Duration::from_mins(10);

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with the code and the message of an error.
    Status(u16, &'static str, &'static str),
    /// This status, and a page that is no XML.
    Page(u16),
    /// No answer.
    Hang,
    /// Half of the answer.
    Torn,
    /// The connection is closed at once.
    Closed,
}

/// The bucket. Its thread ends with the process.
#[derive(Clone, Debug)]
pub struct Bucket {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    objects: BTreeMap<String, Vec<u8>>,
    faults: VecDeque<Fault>,
    always: Option<Fault>,
    token: Option<String>,
    requests: Vec<String>,
}

#[derive(Debug)]
struct Asked {
    method: String,
    /// Path and query as they came.
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Bucket {
    /// An empty one, on a free port.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub fn start() -> Bucket {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let bucket = Bucket { address, shared: Arc::default() };
        let served = bucket.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let bucket = served.clone();
                // Whoever goes away in the middle of an answer is told nothing.
                thread::spawn(move || drop(bucket.serve(&stream)));
            }
        });
        bucket
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request goes so, and those after it by the next calls.
    pub fn fail_once(&self, fault: Fault) {
        self.shared().faults.push_back(fault);
    }

    /// All requests go so, or none any more.
    pub fn fail(&self, fault: Option<Fault>) {
        self.shared().always = fault;
    }

    /// Requests must show this session token.
    pub fn expect_token(&self, token: &str) {
        self.shared().token = Some(token.to_owned());
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> Vec<String> {
        self.shared().objects.keys().cloned().collect()
    }

    /// An object.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.shared().objects.get(key).cloned()
    }

    /// Puts an object there, past all checks.
    pub fn insert(&self, key: &str, bytes: &[u8]) {
        self.shared().objects.insert(key.to_owned(), bytes.to_owned());
    }

    /// What was asked, each as its method and path.
    pub fn requests(&self) -> Vec<String> {
        self.shared().requests.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let asked = read(stream)?;
        let fault = {
            let mut shared = self.shared();
            shared.requests.push(format!("{} {}", asked.method, asked.path));
            shared.faults.pop_front().or(shared.always)
        };
        match fault {
            Some(Fault::Hang) => thread::sleep(HANG),
            Some(Fault::Closed) => {}
            Some(Fault::Status(status, code, message)) => error(status, code, message).write(stream, false)?,
            Some(Fault::Page(status)) => {
                let body = b"<html>\n<h1>out of order</h1>\n</html>".to_vec();
                Answer { status, body }.write(stream, false)?;
            }
            Some(Fault::Torn) => self.answer(&asked).write(stream, true)?,
            None => self.answer(&asked).write(stream, false)?,
        }
        Ok(())
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let mut shared = self.shared();
        if let Err(refusal) = check(asked, shared.token.as_deref()) {
            return refusal;
        }
        let path = asked.path.trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket != BUCKET {
            return error(404, "NoSuchBucket", "The specified bucket does not exist");
        }
        match (asked.method.as_str(), key) {
            ("GET", "") => list(&shared.objects, &asked.query),
            ("GET" | "HEAD", key) => match shared.objects.get(key) {
                Some(bytes) => Answer { status: 200, body: bytes.clone() },
                None => error(404, "NoSuchKey", "The specified key does not exist."),
            },
            ("PUT", key) => {
                shared.objects.insert(key.to_owned(), asked.body.clone());
                Answer { status: 200, body: Vec::new() }
            }
            ("DELETE", key) => {
                shared.objects.remove(key);
                Answer { status: 204, body: Vec::new() }
            }
            _ => error(405, "MethodNotAllowed", "The specified method is not allowed"),
        }
    }
}

impl Answer {
    fn write(&self, mut stream: &TcpStream, torn: bool) -> io::Result<()> {
        let length = self.body.len();
        write!(
            stream,
            "HTTP/1.1 {} X\r\ncontent-length: {length}\r\nconnection: close\r\netag: \"{length}\"\r\n\
             last-modified: Sun, 22 Nov 2026 00:00:00 GMT\r\n\r\n",
            self.status
        )?;
        stream.write_all(&self.body[..if torn { length / 2 } else { length }])?;
        stream.flush()
    }
}

fn read(stream: &TcpStream) -> io::Result<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Asked { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}

/// Whether a request is signed by who may ask, over all that it says.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
fn check(asked: &Asked, token: Option<&str>) -> Result<(), Answer> {
    let header = |name: &str| asked.headers.get(name).map_or("", String::as_str);
    let refuse = |code, message| Err(error(403, code, message));
    let fields = header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").unwrap_or_default();
    let field = |name: &str| {
        let mut fields = fields.split(',').filter_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        fields.next().unwrap_or_default()
    };
    let (credential, signed, signature) = (field("Credential"), field("SignedHeaders"), field("Signature"));
    let (key, scope) = credential.split_once('/').unwrap_or_default();
    if key != ACCESS_KEY {
        return refuse("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.");
    }
    if header("x-amz-security-token") != token.unwrap_or_default() {
        return refuse("InvalidToken", "The provided token is malformed or otherwise invalid.");
    }
    if header("x-amz-content-sha256") != hex(digest(&SHA256, &asked.body).as_ref()) {
        return refuse("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match.");
    }
    let date = header("x-amz-date").get(..8).unwrap_or_default();
    let must_sign = |name: &&String| *name == "host" || name.starts_with("x-amz-");
    let all_signed = asked.headers.keys().filter(must_sign).all(|name| signed.split(';').any(|one| one == name));
    if scope != format!("{date}/{REGION}/s3/aws4_request") || !all_signed {
        return refuse("AuthorizationHeaderMalformed", "The authorization header is malformed.");
    }
    let secret = format!("AWS4{SECRET_KEY}");
    let step = |key: &[u8], text: &str| sign(&Key::new(HMAC_SHA256, key), text.as_bytes());
    let parts = [date, REGION, "s3", "aws4_request"];
    let derived = parts
        .iter()
        .fold(None::<Tag>, |key, part| Some(step(key.as_ref().map_or(secret.as_bytes(), Tag::as_ref), part)));
    let canonical = hex(digest(&SHA256, canonical(asked, signed).as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{canonical}", header("x-amz-date"));
    if hex(step(derived.expect("there are parts").as_ref(), &to_sign).as_ref()) != signature {
        return refuse("SignatureDoesNotMatch", "The request signature we calculated does not match.");
    }
    Ok(())
}

fn canonical(asked: &Asked, signed: &str) -> String {
    let parts = asked.query.split('&').filter(|part| !part.is_empty());
    let mut query: Vec<String> =
        parts.map(|part| if part.contains('=') { part.to_owned() } else { format!("{part}=") }).collect();
    query.sort_unstable();
    let mut text = format!("{}\n{}\n{}\n", asked.method, asked.path, query.join("&"));
    for name in signed.split(';') {
        let value = asked.headers.get(name).map_or("", String::as_str);
        writeln!(text, "{name}:{value}").expect("a text takes all");
    }
    let payload = asked.headers.get("x-amz-content-sha256").map_or("", String::as_str);
    text + &format!("\n{signed}\n{payload}")
}

fn list(objects: &BTreeMap<String, Vec<u8>>, query: &str) -> Answer {
    let field = |name: &str| {
        let mut parts = query.split('&').filter_map(|part| part.split_once('='));
        parts.find(|(known, _)| *known == name).map(|(_, value)| value.replace("%2F", "/"))
    };
    if field("list-type").as_deref() != Some("2") || field("delimiter").as_deref() != Some("/") {
        return error(501, "NotImplemented", "Only ListObjectsV2 by folders.");
    }
    let (prefix, after) = (field("prefix").unwrap_or_default(), field("continuation-token").unwrap_or_default());
    let below = |key: &&String| key.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/')) && **key > after;
    let mut found = objects.keys().filter(below);
    let page: Vec<&String> = found.by_ref().take(PAGE).collect();
    let more = found.next().and(page.last());
    let mut text = format!("<ListBucketResult><Name>{BUCKET}</Name><IsTruncated>{}</IsTruncated>", more.is_some());
    if let Some(last) = more {
        write!(text, "<NextContinuationToken>{last}</NextContinuationToken>").expect("a text takes all");
    }
    for key in page {
        let size = objects[key].len();
        write!(
            text,
            "<Contents><Key>{key}</Key><LastModified>2026-11-22T00:00:00.000Z</LastModified><ETag>\"{size}\"</ETag>\
             <Size>{size}</Size></Contents>"
        )
        .expect("a text takes all");
    }
    Answer { status: 200, body: (text + "</ListBucketResult>").into_bytes() }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    // As AWS does where a signature is wrong: what was asked stands in the answer.
    let echo =
        format!("<AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId><CanonicalRequest>{SECRET_KEY}</CanonicalRequest>");
    let body = format!("<?xml version=\"1.0\"?><Error>{echo}<Code>{code}</Code><Message>{message}</Message></Error>");
    Answer { status, body: body.into_bytes() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes all");
        text
    })
}
