//! Snapshots in a bucket of an S3-compatible store, so that partitions move between machines with their state.
//!
//! ```text
//! Objects (an object a snapshot) -> object_store (signs, asks again, knows S3) -> connector (a request) -> the store
//! ```
//! - `settings`  where the bucket is and who we are there;
//! - `connector` hands a request over and brings the answer;
//! - `trouble`   what an error means.
//!
//! A put is there wholly or not at all, as S3 promises. Every call ends within the configured time, and a store that did
//! not answer is not asked for another snapshot for a while: the log is read instead, and a start goes on.

mod connector;
mod settings;
#[cfg(test)]
mod tests;
mod trouble;

pub use settings::{BucketSettings, Keys};

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use tokio::runtime::{Builder, Runtime};

use crate::checkpoint::Store;
use crate::net::trust;
use connector::Connector;
use trouble::Trouble;

const ENDING: &str = ".snapshot";
/// A request is tried so often: once and again.
const RETRIES_MAX: usize = 4;
/// One attempt may be silent for this part of the time that all may take.
const PATIENCE: u32 = 3;
/// A store that did not answer is not asked for another snapshot for so long: a start with a hundred partitions would
/// wait a hundred times.
const REST: Duration = Duration::from_mins(1);
/// Names are looked up by threads of the system's.
const LOOKUPS_MAX: usize = 2;

/// A bucket: an object a snapshot, `PREFIX/SHARD/NUMBER.snapshot`.
pub struct Objects {
    client: AmazonS3,
    bucket: String,
    /// What keys begin with.
    under: String,
    timeout: Duration,
    /// Since when the store does not answer.
    silent: Mutex<Option<Instant>>,
    /// Turns only while somebody waits for an answer. There until this is dropped.
    runtime: Option<Runtime>,
}

impl Objects {
    /// Snapshots in a bucket, below its prefix and this. Nothing is asked of it yet.
    ///
    /// # Errors
    ///
    /// In words, where nobody could be trusted, or the system has no means.
    pub fn open(settings: &BucketSettings, below: &str) -> Result<Objects, String> {
        let tls = trust::connector(settings.ca_file.as_deref())?;
        let connector = Connector::new(tls, settings.timeout / PATIENCE);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOKUPS_MAX)
            .build()
            .map_err(|error| format!("no means to speak to a server: {error}"))?;
        let client = client(settings, connector).map_err(|error| Trouble::of(&error).to_string())?;
        let under = if settings.prefix.is_empty() { below.to_owned() } else { format!("{}/{below}", settings.prefix) };
        let (bucket, timeout) = (settings.bucket.clone(), settings.timeout);
        Ok(Objects { client, bucket, under, timeout, silent: Mutex::new(None), runtime: Some(runtime) })
    }

    /// Whether the bucket is there and lets us look into it.
    ///
    /// # Errors
    ///
    /// What it says, and what to do.
    pub fn probe(&self) -> io::Result<()> {
        let under = Path::from(self.under.as_str());
        self.run(self.client.list_with_delimiter(Some(&under))).map_err(|trouble| self.error(&under, &trouble))?;
        Ok(())
    }

    fn folder(&self, shard: &str) -> Path {
        Path::from(format!("{}/{shard}", self.under))
    }

    fn key(&self, shard: &str, number: u64) -> Path {
        Path::from(format!("{}/{shard}/{number:016x}{ENDING}", self.under))
    }

    fn run<T>(&self, work: impl Future<Output = object_store::Result<T>>) -> Result<T, Trouble> {
        let runtime = self.runtime.as_ref().expect("it is there until this is dropped");
        let done = runtime.block_on(async { tokio::time::timeout(self.timeout, work).await });
        let result = match done {
            Ok(result) => result.map_err(|error| Trouble::of(&error)),
            Err(_) => Err(Trouble::late(self.timeout)),
        };
        let is_silent = matches!(result, Err(Trouble::Silent(_)));
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = is_silent.then(Instant::now);
        result
    }

    /// Whether the store is left in peace because it did not answer a moment ago.
    fn is_resting(&self) -> Option<Duration> {
        let since = *self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed()).filter(|elapsed| *elapsed < REST)
    }

    fn error(&self, key: &Path, trouble: &Trouble) -> io::Error {
        let kind = if let Trouble::Silent(_) = trouble { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
        io::Error::new(kind, format!("s3://{}/{key}: {trouble}", self.bucket))
    }
}

impl Store for Objects {
    fn put(&self, shard: &str, number: u64, parts: &[&[u8]]) -> io::Result<()> {
        let key = self.key(shard, number);
        let payload: PutPayload = parts.iter().map(|part| hyper::body::Bytes::copy_from_slice(part)).collect();
        self.run(self.client.put(&key, payload)).map_err(|trouble| self.error(&key, &trouble))?;
        Ok(())
    }

    fn get(&self, shard: &str, number: u64) -> io::Result<Option<Vec<u8>>> {
        let key = self.key(shard, number);
        if let Some(elapsed) = self.is_resting() {
            let why = format!("the store did not answer {} s ago and is not asked again yet", elapsed.as_secs());
            return Err(self.error(&key, &Trouble::Silent(why)));
        }
        match self.run(async { self.client.get(&key).await?.bytes().await }) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(Trouble::Missing) => Ok(None),
            Err(trouble) => Err(self.error(&key, &trouble)),
        }
    }

    fn forget_before(&self, shard: &str, number: u64) -> io::Result<()> {
        let folder = self.folder(shard);
        let listed = self.run(self.client.list_with_delimiter(Some(&folder)));
        let listed = listed.map_err(|trouble| self.error(&folder, &trouble))?;
        let is_old = |key: &Path| number_of(key).is_some_and(|other| other < number);
        for key in listed.objects.into_iter().map(|object| object.location).filter(is_old) {
            match self.run(self.client.delete(&key)) {
                Ok(()) | Err(Trouble::Missing) => {}
                Err(trouble) => return Err(self.error(&key, &trouble)),
            }
        }
        Ok(())
    }

    fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.under)
    }
}

impl fmt::Debug for Objects {
    /// The client holds the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // A look-up that hangs would hold it up.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn client(settings: &BucketSettings, connector: Connector) -> object_store::Result<AmazonS3> {
    let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: settings.timeout, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_access_key_id(settings.keys.access_key.expose())
        .with_secret_access_key(settings.keys.secret_key.expose())
        // One object goes at a time, which every store can; not all know the request for many.
        .with_disable_bulk_delete(true)
        .with_retry(retry)
        .with_http_connector(connector);
    if let Some(token) = &settings.keys.session_token {
        builder = builder.with_token(token.expose());
    }
    if let Some(address) = settings.address() {
        let plain = address.starts_with("http://");
        builder = builder.with_endpoint(address).with_allow_http(plain);
    }
    builder.build()
}

fn number_of(key: &Path) -> Option<u64> {
    let digits = key.filename()?.strip_suffix(ENDING)?;
    u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16)
}
