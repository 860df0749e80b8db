//! Where a bucket is and who we are there, as the configuration resolved it.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// A bucket of an S3-compatible store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSettings {
    /// Its name.
    pub bucket: String,
    /// What the keys of all objects begin with, without slashes at its ends; empty for nothing.
    pub prefix: String,
    /// `https://host[:port]`, or `http://`; that of AWS in the region where none is said.
    pub endpoint: Option<String>,
    /// The region, which is part of each signature.
    pub region: String,
    /// Whether the bucket stands in the path of a request, and not in front of the host.
    pub path_style: bool,
    /// Who we are.
    pub keys: Keys,
    /// PEM file of the authorities that may vouch for the server, in place of those of the system.
    pub ca_file: Option<PathBuf>,
    /// The longest time that reading, writing or listing takes, all attempts included.
    pub timeout: Duration,
}

/// What requests are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The name of the key.
    pub access_key: Secret,
    /// The key.
    pub secret_key: Secret,
    /// What goes with keys that were lent.
    pub session_token: Option<Secret>,
}

impl BucketSettings {
    /// The address that the keys of objects follow; none where it is that of AWS and made of region and bucket.
    pub(super) fn address(&self) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?;
        if self.path_style {
            return Some(endpoint.clone());
        }
        let (scheme, host) = endpoint.split_once("://")?;
        Some(format!("{scheme}://{}.{host}", self.bucket))
    }
}
