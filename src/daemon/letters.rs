//! Where sinks put what no retry can deliver: with the dead letters of the daemon, or into the log where there is no
//! place for them.

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::config::{DeadLettersTo, Settings, SinkSettings};
use crate::sink::kafka::{OutRecord, Outbox};
use crate::sink::{DeadAlert, DeadLetter, DeadMail};
use crate::telemetry::Metrics;

const LETTER_TIMEOUT: Duration = Duration::from_secs(30);

/// Keeps mails and alerts that cannot be delivered, where dead letters go.
pub(super) struct Letters(Arc<Mutex<LettersTo>>);

enum LettersTo {
    Topic(Outbox, String),
    File(PathBuf),
    Log,
}

/// A letter in the form in which all are kept.
struct Letter {
    /// What it is: `mail` or `alert`.
    reason: &'static str,
    detail: String,
    sink: String,
    /// Of a mail.
    recipients: Option<String>,
    message_id: Option<String>,
    alert_ids: String,
    /// What orders it: the mail's id or the alert's.
    key: String,
    payload: Vec<u8>,
}

impl From<DeadMail> for Letter {
    fn from(mail: DeadMail) -> Letter {
        Letter {
            reason: "mail",
            detail: mail.reason,
            sink: mail.sink,
            recipients: Some(mail.recipients.join(",")),
            alert_ids: mail.alert_ids.join(","),
            key: mail.message_id.clone(),
            message_id: Some(mail.message_id),
            payload: mail.mail,
        }
    }
}

impl From<DeadAlert> for Letter {
    fn from(dead: DeadAlert) -> Letter {
        Letter {
            reason: "alert",
            detail: dead.reason,
            sink: dead.sink,
            recipients: None,
            message_id: None,
            key: dead.alert.alert_id.clone(),
            payload: dead.alert.to_json().into_bytes(),
            alert_ids: dead.alert.alert_id,
        }
    }
}

impl Letters {
    pub(super) fn open(settings: &Settings, sink: &SinkSettings, metrics: &Metrics) -> anyhow::Result<Letters> {
        let to = match (&settings.dead_letters, &settings.kafka) {
            (DeadLettersTo::Topic(topic), Some(kafka)) => {
                let name = format!("{}.sink.{}", settings.name, sink.name);
                LettersTo::Topic(Outbox::new(kafka, &name, metrics.clone())?, topic.clone())
            }
            (DeadLettersTo::File(path), _) => LettersTo::File(path.clone()),
            _ => LettersTo::Log,
        };
        Ok(Letters(Arc::new(Mutex::new(to))))
    }
}

impl<L: Into<Letter> + Send> DeadLetter<L> for Letters {
    async fn keep(&mut self, letter: L) -> Result<(), Box<dyn Error + Send + Sync>> {
        let (to, letter) = (Arc::clone(&self.0), letter.into());
        tokio::task::spawn_blocking(move || to.lock().unwrap_or_else(PoisonError::into_inner).keep(&letter)).await?
    }
}

impl LettersTo {
    fn keep(&self, letter: &Letter) -> Result<(), Box<dyn Error + Send + Sync>> {
        match self {
            LettersTo::Topic(outbox, topic) => letter.send(outbox, topic),
            LettersTo::File(path) => {
                use std::io::Write;
                let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
                Ok(writeln!(file, "{}", letter.line())?)
            }
            LettersTo::Log => {
                tracing::error!(
                    sink = letter.sink,
                    reason = letter.detail,
                    recipients = letter.recipients,
                    alert_ids = letter.alert_ids,
                    "cannot be delivered, and there is no place for dead letters"
                );
                Ok(())
            }
        }
    }
}

impl Letter {
    fn send(&self, outbox: &Outbox, topic: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut headers = vec![("reason", self.reason), ("detail", &self.detail), ("sink", &self.sink)];
        headers.extend(self.recipients.as_deref().map(|recipients| ("recipients", recipients)));
        headers.extend(self.message_id.as_deref().map(|id| ("message-id", id)));
        headers.push(("alert-ids", &self.alert_ids));
        let record = OutRecord {
            topic,
            partition: None,
            key: Some(self.key.as_bytes()),
            payload: Some(&self.payload),
            headers: &headers,
        };
        outbox.send(record, &AtomicBool::new(false))?;
        let until = Instant::now() + LETTER_TIMEOUT;
        Ok(outbox.drain(|| Instant::now() > until)?)
    }

    fn line(&self) -> serde_json::Value {
        let payload = String::from_utf8_lossy(&self.payload);
        match (&self.recipients, &self.message_id) {
            (Some(recipients), Some(message_id)) => json!({
                "reason": self.reason, "detail": self.detail, "sink": self.sink,
                "recipients": words(recipients), "message_id": message_id, "alert_ids": words(&self.alert_ids),
                "mail": payload,
            }),
            _ => json!({
                "reason": self.reason, "detail": self.detail, "sink": self.sink, "alert_ids": words(&self.alert_ids),
                "alert": payload,
            }),
        }
    }
}

fn words(joined: &str) -> Vec<&str> {
    joined.split(',').collect()
}
