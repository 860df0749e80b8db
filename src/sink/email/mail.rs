//! An alert or digests as a mail: MIME bytes with an id that a repeat has again. The only builder of messages.
//!
//! Every header value passes `clean` first: lettre panics on a line break in a display name.

use std::time::Duration;

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use sha2::{Digest as _, Sha256};

use crate::alert::AlertRecord;
use crate::sink::email::clean::{one_line, word};
use crate::sink::email::digest::{Digest, SHOWN_MAX};
use crate::sink::email::page::{self, Page};
use crate::sink::email::throttle::Bundle;
use crate::sink::email::{html, text};

/// Longer subjects are cut by most mail programs.
const SUBJECT_CHARS_MAX: usize = 150;
const HEADER_CHARS_MAX: usize = 100;
/// Alert ids have 32 characters; longer ones are replaced by their hash.
const ID_CHARS_MAX: usize = 64;

/// A mail ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    pub(super) message_id: String,
    /// What it is filed under where it becomes a file.
    pub(super) file_name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) alerts: u64,
    /// The first of them.
    pub(super) alert_ids: Vec<String>,
    pub(super) is_digest: bool,
}

/// Makes mails from one sender to one set of recipients.
#[derive(Clone, Debug)]
pub(super) struct Composer {
    from: Mailbox,
    to: Vec<Mailbox>,
    max_per_hour: usize,
    combined_every: Duration,
}

impl Composer {
    /// For these addresses; the limits are told in the mails that they shape.
    pub(super) fn new(from: Mailbox, to: Vec<Mailbox>, max_per_hour: usize, combined_every: Duration) -> Composer {
        Composer { from: clean_name(from), to: to.into_iter().map(clean_name).collect(), max_per_hour, combined_every }
    }

    /// The mail of one alert.
    pub(super) fn alert(&self, record: &AlertRecord) -> Mail {
        let id = local_id(&record.alert_id);
        let message_id = self.message_id(&id);
        Mail {
            bytes: self.message(&page::alert(record), &message_id),
            message_id,
            file_name: file_name(&record.time, &id),
            alerts: 1,
            alert_ids: vec![record.alert_id.clone()],
            is_digest: false,
        }
    }

    /// The mail of a bundle of digests.
    pub(super) fn digest(&self, bundle: &Bundle) -> Mail {
        let digests = &bundle.digests;
        let id = Digest::id(digests);
        let message_id = self.message_id(&id);
        let latest = digests.iter().map(|digest| digest.latest.as_str()).max().unwrap_or_default();
        let shown = digests.iter().flat_map(|digest| &digest.shown);
        Mail {
            bytes: self.message(&page::digests(digests, &self.notice(bundle)), &message_id),
            message_id,
            file_name: file_name(latest, &id),
            alerts: digests.iter().map(|digest| digest.count).sum(),
            alert_ids: shown.take(SHOWN_MAX).map(|record| record.alert_id.clone()).collect(),
            is_digest: true,
        }
    }

    fn notice(&self, bundle: &Bundle) -> String {
        if bundle.capped {
            format!(
                "The limit of {} mails an hour is reached: until the rate falls, all alerts are gathered into one mail \
                 every {} minutes. No alert is lost.",
                self.max_per_hour,
                self.combined_every.as_secs().div_ceil(60)
            )
        } else {
            "Many alerts came at once: until it is calm, they are gathered into one mail a minute for each rule. \
             No alert is lost."
                .to_owned()
        }
    }

    fn message(&self, page: &Page, message_id: &str) -> Vec<u8> {
        let subject = one_line(&page.subject, SUBJECT_CHARS_MAX);
        let mut message = Message::builder().from(self.from.clone()).date_now();
        for to in &self.to {
            message = message.to(to.clone());
        }
        message
            .message_id(Some(message_id.to_owned()))
            .subject(subject)
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Tripline-Rule", &page.rule))
            .raw_header(header("X-Tripline-Severity", &page.severity))
            .multipart(MultiPart::alternative_plain_html(text::render(page), html::render(page)))
            .expect("a message with sender and recipients can be built")
            .formatted()
    }

    fn message_id(&self, id: &str) -> String {
        format!("<{id}@{}>", self.from.email.domain())
    }
}

/// The mail of one alert, as bytes: for the fuzz targets, which look for texts that break it.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn mail_of(settings: &crate::sink::EmailSettings, record: &AlertRecord) -> Vec<u8> {
    let resolved = settings.resolve().expect("the settings are right");
    Composer::new(resolved.from, resolved.to, 60, Duration::from_mins(1)).alert(record).bytes
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    let name = HeaderName::new_from_ascii(name.to_owned()).expect("our header names are plain");
    HeaderValue::new(name, one_line(value, HEADER_CHARS_MAX))
}

fn clean_name(mailbox: Mailbox) -> Mailbox {
    let name = mailbox.name.map(|name| one_line(&name, HEADER_CHARS_MAX)).filter(|name| !name.is_empty());
    Mailbox::new(name, mailbox.email)
}

/// The part of a Message-ID before the `@`: the alert's id, or its hash where it is none that an id can hold.
fn local_id(alert_id: &str) -> String {
    let usable = !alert_id.is_empty()
        && alert_id.len() <= ID_CHARS_MAX
        && alert_id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if usable {
        return alert_id.to_owned();
    }
    Sha256::digest(alert_id.as_bytes()).iter().take(16).fold("x".to_owned(), |id, byte| id + &format!("{byte:02x}"))
}

/// Sorts by time; colons are not for every file system, and a dot at the beginning would hide the file.
fn file_name(time: &str, id: &str) -> String {
    format!("{}-{id}.eml", word(&time.replace(':', ""), 40).trim_start_matches('.'))
}
