//! What a webhook is told: plain resolved values, and the one check that says all that is wrong with them.
//!
//! The path of a webhook's address is often a password by itself, so the address is kept as a secret and only its
//! scheme, host and port are ever shown.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;

use crate::program::Severity;
use crate::secret::Secret;
use crate::sink::setting_error::SettingError;
use crate::sink::webhook::address::is_public;
use crate::sink::webhook::sign::Signer;

/// The most secrets and headers that can be given.
const SECRETS_MAX: usize = 8;
const HEADERS_MAX: usize = 32;

/// Headers that the sink sets itself, or that are about the connection.
const OWN_HEADERS: [&str; 15] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// A webhook as the configuration resolved it.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// `https://host[:port]/path`; `http://` only with `insecure_plaintext`.
    pub url: Secret,
    /// Speaks `http://`: everything, the headers included, can be read on the way.
    pub insecure_plaintext: bool,
    /// Secrets to sign with, `whsec_` and base64; no signature where there is none.
    pub secrets: Vec<Secret>,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// PEM file of the authorities that may vouch for the server, in place of those of the system.
    pub ca_file: Option<PathBuf>,
    /// The longest time of one attempt, from the look-up of the host to the answer.
    pub timeout: Duration,
    /// Also goes to addresses that are not of the public Internet.
    pub allow_private: bool,
    /// Alerts below it are left to other sinks.
    pub min_severity: Option<Severity>,
}

impl WebhookSettings {
    /// Settings with every default.
    pub fn new(url: impl Into<String>) -> WebhookSettings {
        WebhookSettings {
            url: Secret::new(url),
            insecure_plaintext: false,
            secrets: Vec::new(),
            headers: Vec::new(),
            ca_file: None,
            timeout: Duration::from_secs(10),
            allow_private: false,
            min_severity: None,
        }
    }

    /// Everything that is wrong, each with its field and the fix.
    pub fn validate(&self) -> Result<(), Vec<SettingError>> {
        self.resolve().map(|_| ())
    }

    /// The checked form that the sink works with.
    pub(super) fn resolve(&self) -> Result<Resolved, Vec<SettingError>> {
        let mut errors = Vec::new();
        let endpoint = Endpoint::parse(self.url.expose()).map_err(|error| errors.push(error)).ok();
        if let Some(endpoint) = &endpoint {
            self.check_transport(endpoint, &mut errors);
        }
        let signer = self.signer().map_err(|error| errors.push(error)).ok();
        let headers = self.headers(&mut errors);
        if self.timeout < Duration::from_millis(100) || self.timeout > Duration::from_mins(2) {
            errors.push(SettingError::new(
                "timeout",
                format!("is {:?}", self.timeout),
                "use 100 ms to 2 minutes; 10s is usual",
            ));
        }
        match (endpoint, signer) {
            (Some(endpoint), Some(signer)) if errors.is_empty() => Ok(Resolved { endpoint, signer, headers }),
            _ => Err(errors),
        }
    }

    fn check_transport(&self, endpoint: &Endpoint, errors: &mut Vec<SettingError>) {
        if endpoint.encrypted == self.insecure_plaintext {
            errors.push(if endpoint.encrypted {
                let fix = "remove it; only http:// is spoken without TLS";
                SettingError::new("insecure_plaintext", "has no meaning with this url", fix)
            } else {
                let fix = "write https://, or say insecure_plaintext = true";
                SettingError::new("url", "is http://, which everybody on the way can read", fix)
            });
        }
        if self.ca_file.is_some() && !endpoint.encrypted {
            errors.push(SettingError::new("ca_file", "is given, but the url is not https://", "remove it"));
        }
        if !self.allow_private && endpoint.host.parse::<IpAddr>().is_ok_and(|address| !is_public(address)) {
            errors.push(SettingError::new(
                "url",
                "leads to an address that is not of the public Internet",
                "say allow_private = true if that is meant",
            ));
        }
    }

    fn signer(&self) -> Result<Signer, SettingError> {
        let fix = "write secret = \"${env:NAME}\", whose value is whsec_ and the base64 of 24 to 64 bytes";
        if self.secrets.len() > SECRETS_MAX {
            return Err(SettingError::new("secret", format!("has more than {SECRETS_MAX} values"), fix));
        }
        Signer::new(&self.secrets).map_err(|problem| SettingError::new("secret", problem, fix))
    }

    fn headers(&self, errors: &mut Vec<SettingError>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.headers.len() > HEADERS_MAX {
            errors.push(SettingError::new("headers", format!("has more than {HEADERS_MAX}"), "send fewer"));
        }
        for (name, value) in &self.headers {
            match header(name, value) {
                Ok((parsed, value)) => {
                    if headers.insert(parsed, value).is_some() {
                        let problem = format!("has {name:?} twice, in different letters");
                        errors.push(SettingError::new("headers", problem, "keep one"));
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        headers
    }
}

/// The name is the configuration's and can be shown; the value is never.
fn header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), SettingError> {
    let wrong = |problem: String, fix: &str| SettingError::new("headers", problem, fix);
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| wrong(format!("has {name:?}, which is no name of a header"), "use letters, digits and -"))?;
    if OWN_HEADERS.contains(&parsed.as_str()) {
        return Err(wrong(format!("has {name:?}, which is set by tripline"), "remove it"));
    }
    let fix = "use one line of ASCII";
    let mut value = HeaderValue::from_str(value.expose())
        .map_err(|_| wrong(format!("has a value of {name:?} that no header can have"), fix))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// Checked settings.
pub(super) struct Resolved {
    pub(super) endpoint: Endpoint,
    pub(super) signer: Signer,
    pub(super) headers: HeaderMap,
}

/// Where requests go.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// Whether over TLS.
    pub(super) encrypted: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of the header `host`.
    pub(super) authority: HeaderValue,
    /// What the request asks for: often a password by itself.
    pub(super) path: PathAndQuery,
}

impl fmt::Display for Endpoint {
    /// Without the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority.to_str().unwrap_or(&self.host))
    }
}

impl Endpoint {
    fn parse(url: &str) -> Result<Endpoint, SettingError> {
        let fix = "write https://hooks.example.com/path";
        let wrong = |problem: &str| SettingError::new("url", problem, fix);
        let uri: Uri = url.parse().map_err(|_| wrong("is no address of a web server"))?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("is no https:// address")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            // Nothing is repeated: it may hold a password.
            return Err(SettingError::new(
                "url",
                "holds a user name",
                "write headers = { authorization = \"${env:NAME}\" }",
            ));
        }
        if url.contains('#') {
            return Err(SettingError::new("url", "has a part after #, which no server sees", "remove it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(usable) {
            return Err(wrong("has no usable host"));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => {
                if encrypted {
                    443
                } else {
                    80
                }
            }
            _ => authority
                .port_u16()
                .filter(|port| *port != 0)
                .ok_or_else(|| wrong("has a port that is not 1 to 65535"))?,
        };
        let header = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("has no usable host"))?;
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Endpoint { encrypted, host: host.to_owned(), port, authority: header, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(settings: &WebhookSettings) -> String {
        let errors = settings.validate().err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_address_has_scheme_host_port_and_path() {
        let parsed = |url: &str| {
            let endpoint = Endpoint::parse(url).expect("it is right");
            (endpoint.to_string(), endpoint.host, endpoint.port, endpoint.path.to_string())
        };
        let made =
            |shown: &str, host: &str, port, path: &str| (shown.to_owned(), host.to_owned(), port, path.to_owned());
        assert_eq!(parsed("https://a.example"), made("https://a.example", "a.example", 443, "/"));
        assert_eq!(
            parsed("https://a.example:8443/hook/T0K?x=1"),
            made("https://a.example:8443", "a.example", 8443, "/hook/T0K?x=1")
        );
        assert_eq!(parsed("http://[::1]:81/"), made("http://[::1]:81", "::1", 81, "/"));
        for wrong in [
            "",
            "a.example",
            "ftp://a.example",
            "https://",
            "https:///x",
            "https://a b",
            "https://a:0",
            "https://a:99999",
            "https://a:",
            "https://a/#b",
            "https://ü.example",
            "https://a/\r\nx: y",
        ] {
            assert!(Endpoint::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn neither_path_nor_user_nor_secret_nor_header_is_shown() {
        let mut settings = WebhookSettings::new("https://me:hunter2@a.example/T0KEN");
        settings.secrets = vec![Secret::new("whsec_S3CRET")];
        settings.headers = vec![("x-key".to_owned(), Secret::new("K3Y\r\n")), ("Host".to_owned(), Secret::new("K3Y"))];
        settings.timeout = Duration::ZERO;
        let told = problems(&settings);
        for field in ["url holds a user name", "secret ", "value of \"x-key\"", "\"Host\"", "timeout "] {
            assert!(told.contains(field), "{field}: {told}");
        }
        let shown = format!("{told} {settings:?}");
        for secret in ["hunter2", "T0KEN", "S3CRET", "K3Y"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
    }

    #[test]
    fn the_inside_of_a_network_and_plain_text_must_be_asked_for() {
        assert_eq!(problems(&WebhookSettings::new("https://a.example/x")), "");
        let mut settings = WebhookSettings::new("http://127.0.0.1/x");
        assert!(problems(&settings).contains("is http://"), "{}", problems(&settings));
        assert!(problems(&settings).contains("allow_private"), "{}", problems(&settings));
        (settings.insecure_plaintext, settings.allow_private) = (true, true);
        assert_eq!(problems(&settings), "");
        settings.ca_file = Some(PathBuf::from("ca.pem"));
        assert!(problems(&settings).contains("ca_file"));
        let mut settings = WebhookSettings::new("https://a.example/x");
        settings.insecure_plaintext = true;
        assert!(problems(&settings).contains("insecure_plaintext has no meaning"));
    }
}
