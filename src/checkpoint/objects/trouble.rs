//! What a store's error means, and what to do about it. A store answers with XML that may repeat the request, its
//! headers included: only its code and its message are told.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use object_store::client::HttpError;

/// A message is told up to here.
const WORDS_MAX: usize = 200;

/// Codes of errors, and what to do. <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
const HELP: [(&str, &str); 11] = [
    ("AccessDenied", "the key needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket there"),
    ("AuthorizationHeaderMalformed", "look at `region`"),
    ("EntityTooLarge", "an object has at most 5 GiB: more partitions make smaller snapshots"),
    ("ExpiredToken", "the keys of a session have ended: give new ones and restart"),
    ("InvalidAccessKeyId", "look at `access_key`"),
    ("InvalidToken", "look at `session_token`"),
    ("NoSuchBucket", "make the bucket: tripline does not"),
    ("PermanentRedirect", "look at `region` and `endpoint`"),
    ("QuotaExceeded", "make room"),
    ("RequestTimeTooSkewed", "the clock of this machine is wrong"),
    ("SignatureDoesNotMatch", "look at `secret_key` and `region`"),
];

/// Why there is no answer that helps.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no such object.
    Missing,
    /// The store does not answer.
    Silent(String),
    /// It answers that it will not.
    Refused(String),
}

impl Trouble {
    /// Nothing was heard in this time.
    pub(super) fn late(timeout: Duration) -> Trouble {
        Trouble::Silent(format!("no answer within {timeout:?}; {NETWORK}"))
    }

    /// What an error of the client means.
    pub(super) fn of(error: &object_store::Error) -> Trouble {
        let text = error.to_string();
        let code = between(&text, "<Code>", "</Code>");
        if matches!(error, object_store::Error::NotFound { .. }) && code != Some("NoSuchBucket") {
            return Trouble::Missing;
        }
        if let Some(unheard) = chain(error).find_map(|cause| cause.downcast_ref::<HttpError>()) {
            let why = unheard.source().map_or_else(|| unheard.to_string(), ToString::to_string);
            return Trouble::Silent(format!("{}; {NETWORK}", line(&why)));
        }
        let Some(code) = code else {
            let innermost = chain(error).last().map_or(text.clone(), ToString::to_string);
            return Trouble::Refused(line(&innermost));
        };
        let message = between(&text, "<Message>", "</Message>").unwrap_or_default();
        let help = HELP.iter().find(|(known, _)| *known == code).map(|(_, help)| format!("; {help}"));
        Trouble::Refused(line(&format!("{code}: {message}")) + &help.unwrap_or_default())
    }
}

const NETWORK: &str = "look at `endpoint`, the network and the server's certificate";

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Missing => f.write_str("it is not there"),
            Trouble::Silent(why) | Trouble::Refused(why) => f.write_str(why),
        }
    }
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split_once(to)?.0)
}

/// One line, and not a long one.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(WORDS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
