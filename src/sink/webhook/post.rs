//! An alert as a request, and what the answer means for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};

use crate::alert::AlertRecord;
use crate::net::trust;
use crate::sink::carrier::{Carrier, Refused, Setback, Taken, Trouble};
use crate::sink::seen::fingerprint;
use crate::sink::setting_error::SettingError;
use crate::sink::webhook::client::{Client, ClientError, Resolve, System};
use crate::sink::webhook::settings::{Resolved, WebhookSettings};
use crate::sink::webhook::sign::Signer;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What the requests say they come from.
const AGENT: &str = concat!("tripline/", env!("CARGO_PKG_VERSION"));
/// The longest id of an alert that is sent as it is.
const ID_BYTES_MAX: usize = 128;
/// The longest wait that a server can ask for: a slip of its clock must not silence a sink for years.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Posts alerts, one a request.
pub(in crate::sink) struct Webhook<R = System> {
    client: Client<R>,
    signer: Signer,
    /// The headers of every request.
    headers: HeaderMap,
}

impl Webhook {
    /// Checks the settings and reads the certificates; connects to nothing yet.
    pub(in crate::sink) fn new(settings: &WebhookSettings) -> Result<Webhook, Vec<SettingError>> {
        Webhook::with_resolver(settings, System)
    }
}

impl<R: Resolve> Webhook<R> {
    pub(super) fn with_resolver(settings: &WebhookSettings, resolver: R) -> Result<Webhook<R>, Vec<SettingError>> {
        let Resolved { endpoint, signer, mut headers } = settings.resolve()?;
        let tls = endpoint.encrypted.then(|| trust::connector(settings.ca_file.as_deref())).transpose();
        let tls = tls.map_err(|problem| {
            vec![SettingError::new("ca_file", problem, "name a PEM file of the authorities that vouch for the server")]
        })?;
        headers.insert(HOST, endpoint.authority.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let client = Client::new(endpoint, tls, settings.timeout, settings.allow_private, resolver);
        Ok(Webhook { client, signer, headers })
    }

    /// Whether the server can be connected to, in words. Nothing is asked.
    pub(in crate::sink) async fn probe(&mut self) -> Result<String, String> {
        let connected = self.client.connect_only().await;
        let endpoint = self.client.endpoint();
        match connected {
            Ok(()) => Ok(format!("{endpoint} can be connected to (nothing was sent)")),
            Err(error) => Err(format!("{endpoint}: {error}")),
        }
    }

    /// The request for an alert. The same alert has the same id and body each time; the time is that of the attempt.
    fn request(&self, alert: &AlertRecord, now: SystemTime) -> Request<Full<Bytes>> {
        let body = alert.to_json();
        let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let id = id_of(alert);
        let signature = self.signer.sign(&id, timestamp, body.as_bytes());
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(self.client.endpoint().path.clone());
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(timestamp));
        headers.insert(WEBHOOK_ID, plain(&id));
        if let Some(signature) = signature {
            headers.insert(WEBHOOK_SIGNATURE, plain(&signature));
        }
        request
    }

    /// What an answer means.
    fn judge(&self, answer: &Response<()>, now: SystemTime) -> Result<Taken, Trouble> {
        let status = answer.status();
        let endpoint = self.client.endpoint();
        let reason = format!("{endpoint} answers {status}");
        let setback = || Setback { reason: reason.clone(), after: retry_after(answer.headers(), now) };
        let refused = |reason: String| Ok(Taken { refused: vec![Refused { index: 0, reason }], repeats: 0 });
        match status {
            status if status.is_success() => Ok(Taken::default()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Trouble::Unusable(format!("{reason}: it does not know our headers or signature")))
            }
            // These are about the server rather than about this alert.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Trouble::Away(setback())),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Err(Trouble::Later(setback())),
            status if status.is_server_error() => Err(Trouble::Later(setback())),
            status if status.is_redirection() => refused(format!("{reason}: redirects are not followed")),
            _ => refused(reason),
        }
    }

    fn trouble(&self, error: &ClientError) -> Trouble {
        let reason = format!("{}: {error}", self.client.endpoint());
        match error {
            ClientError::Private(_) | ClientError::Untrusted(_) => Trouble::Unusable(reason),
            ClientError::Dial(_) | ClientError::Http(_) | ClientError::Timeout(_) => {
                Trouble::Away(Setback::new(reason))
            }
        }
    }
}

impl<R: Resolve> Carrier for Webhook<R> {
    fn batch_max(&self) -> usize {
        1
    }

    async fn deliver(&mut self, alerts: &[&AlertRecord]) -> Result<Taken, Trouble> {
        debug_assert!(alerts.len() <= self.batch_max(), "a request is one alert");
        let Some(alert) = alerts.first() else { return Ok(Taken::default()) };
        let request = self.request(alert, SystemTime::now());
        match self.client.send(request).await {
            Ok(answer) => self.judge(&answer, SystemTime::now()),
            Err(error) => Err(self.trouble(&error)),
        }
    }
}

/// The alert's id where it can stand in a header and in a signature. Ids come from a topic that others can write to:
/// another one is replaced by its hash, so that the same alert keeps having the same.
fn id_of(alert: &AlertRecord) -> String {
    let id = &alert.alert_id;
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(usable) {
        return id.clone();
    }
    format!("{:032x}", fingerprint(id))
}

/// Ids and signatures are made of letters, digits and a few signs.
fn plain(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("made of printable ASCII")
}

/// When the server wants to be asked again: in so many seconds, or at a time.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_when_to_come_again_in_two_ways() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        let after = |value: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]), now)
        };
        assert_eq!(after("120"), Some(Duration::from_mins(2)));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_mins(1)));
        assert_eq!(after("Sun, 06 Nov 1994 08:48:37 GMT"), Some(Duration::ZERO));
        assert_eq!(after("Fri, 06 Nov 2093 08:48:37 GMT"), Some(RETRY_AFTER_MAX));
        assert_eq!(after("18446744073709551615"), Some(RETRY_AFTER_MAX));
        for senseless in ["", "soon", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(after(senseless), None, "{senseless}");
        }
    }
}
