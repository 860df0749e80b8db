//! The sinks of this process, each a task that reads the alerts at its own pace.

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::{AlertsTo, DeadLettersTo, Settings, SinkSettings, Sources};
use crate::daemon::health::Health;
use crate::daemon::shutdown::Shutdown;
use crate::sink::kafka::{KafkaInbox, OutRecord, Outbox};
use crate::sink::{
    AlertInbox, DeadLetter, DeadMail, Delivery, EmailCounters, EmailSink, EmailSinkError, EmailSummary, InboxPosition,
};
use crate::telemetry::{Metrics, Reason, SinkFigure};

/// How many alerts may wait for a sink in this process before detection waits for it: only over files.
const CHANNEL_ALERTS: usize = 1_024;
const LETTER_TIMEOUT: Duration = Duration::from_secs(30);

/// The running sinks.
#[derive(Default)]
pub(super) struct Sinks {
    tasks: Vec<(String, JoinHandle<Result<EmailSummary, EmailSinkError>>)>,
    /// Where the detection loop gives alerts to sinks in this process.
    pub(super) channels: Vec<mpsc::Sender<Delivery>>,
}

/// Starts every sink: over topics as a consumer group of its own, over files fed by the loop.
pub(super) fn start(
    settings: &Settings,
    runtime: &Handle,
    metrics: &Metrics,
    health: &Health,
    shutdown: &Shutdown,
) -> anyhow::Result<Sinks> {
    let mut sinks = Sinks::default();
    for sink in &settings.sinks {
        let email = EmailSink::new(&sink.name, sink.email.clone())?;
        runtime.spawn(report(sink.name.clone(), email.counters(), metrics.clone(), shutdown.clone()));
        let letters = Letters::open(settings, sink, metrics).with_context(|| format!("sink {}", sink.name))?;
        let on_topics = matches!(settings.sources, Sources::Topics(_));
        let task = match (&settings.kafka, &settings.alerts) {
            (Some(kafka), AlertsTo::Topic(topic)) if on_topics => {
                let group = format!("{}.sink.{}", settings.name, sink.name);
                let inbox = KafkaInbox::new(kafka, &group, topic, metrics.clone())?;
                runtime.spawn(watched(sink.name.clone(), health.clone(), email.run(inbox, letters, shutdown.watch())))
            }
            _ => {
                let (sender, inbox) = mpsc::channel(CHANNEL_ALERTS);
                sinks.channels.push(sender);
                let inbox = ChannelInbox(inbox);
                runtime.spawn(watched(sink.name.clone(), health.clone(), email.run(inbox, letters, shutdown.watch())))
            }
        };
        sinks.tasks.push((sink.name.clone(), task));
    }
    Ok(sinks)
}

impl Sinks {
    /// Waits for all of them; the first that failed is the error.
    pub(super) async fn join(self) -> anyhow::Result<()> {
        drop(self.channels);
        let mut failed = Ok(());
        for (name, task) in self.tasks {
            let ended = task.await.with_context(|| format!("sink {name} panicked")).and_then(|ended| Ok(ended?));
            match ended {
                Ok(summary) if summary.undelivered > 0 => {
                    tracing::warn!(sink = name, alerts = summary.undelivered, "not delivered yet; they come again");
                }
                Ok(_) => {}
                Err(error) => failed = failed.and(Err(error.context(format!("sink {name}")))),
            }
        }
        failed
    }
}

async fn watched(
    name: String,
    health: Health,
    run: impl Future<Output = Result<EmailSummary, EmailSinkError>>,
) -> Result<EmailSummary, EmailSinkError> {
    let ended = run.await;
    if let Err(error) = &ended {
        tracing::error!(sink = name, error = chain(error), "a sink has stopped; its alerts wait in the topic");
        health.sink_ended(format!("sink {name} has stopped: {}", chain(error)));
    }
    ended
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Copies a sink's figures to the metrics.
async fn report(sink: String, counters: Arc<EmailCounters>, metrics: Metrics, shutdown: Shutdown) {
    let mut stop = shutdown.watch();
    loop {
        let now = counters.figures();
        for (figure, value) in [
            ("read", now.read),
            ("skipped", now.skipped),
            ("repeats", now.repeats),
            ("sent", now.sent),
            ("digests", now.digests),
            ("digested", now.digested),
            ("retried", now.retried),
            ("failed", now.failed),
            ("refused", now.refused),
        ] {
            let label = SinkFigure { sink: sink.clone(), figure: Reason(figure) };
            metrics.mail.get_or_create(&label).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Alerts from the loop of this process.
struct ChannelInbox(mpsc::Receiver<Delivery>);

impl AlertInbox for ChannelInbox {
    async fn next(&mut self) -> Option<Delivery> {
        self.0.recv().await
    }

    async fn acknowledge(&mut self, _up_to: InboxPosition) {
        // Nothing is kept: a file is read again from its start.
    }
}

/// Keeps mails that cannot be delivered, where dead letters go.
struct Letters(Arc<Mutex<LettersTo>>);

enum LettersTo {
    Topic(Outbox, String),
    File(PathBuf),
    Log,
}

impl Letters {
    fn open(settings: &Settings, sink: &SinkSettings, metrics: &Metrics) -> anyhow::Result<Letters> {
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

impl DeadLetter for Letters {
    async fn keep(&mut self, letter: DeadMail) -> Result<(), Box<dyn Error + Send + Sync>> {
        let to = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || to.lock().unwrap_or_else(PoisonError::into_inner).keep(&letter)).await?
    }
}

impl LettersTo {
    fn keep(&self, letter: &DeadMail) -> Result<(), Box<dyn Error + Send + Sync>> {
        let ids = letter.alert_ids.join(",");
        let recipients = letter.recipients.join(",");
        match self {
            LettersTo::Topic(outbox, topic) => {
                let headers = [
                    ("reason", "mail"),
                    ("detail", letter.reason.as_str()),
                    ("sink", letter.sink.as_str()),
                    ("recipients", recipients.as_str()),
                    ("message-id", letter.message_id.as_str()),
                    ("alert-ids", ids.as_str()),
                ];
                let record = OutRecord {
                    topic,
                    key: Some(letter.message_id.as_bytes()),
                    payload: Some(&letter.mail),
                    headers: &headers,
                };
                outbox.send(record, &AtomicBool::new(false))?;
                let until = Instant::now() + LETTER_TIMEOUT;
                Ok(outbox.drain(|| Instant::now() > until)?)
            }
            LettersTo::File(path) => {
                use std::io::Write;
                let line = serde_json::json!({
                    "reason": "mail", "detail": letter.reason, "sink": letter.sink, "recipients": letter.recipients,
                    "message_id": letter.message_id, "alert_ids": letter.alert_ids,
                    "mail": String::from_utf8_lossy(&letter.mail),
                });
                let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
                Ok(writeln!(file, "{line}")?)
            }
            LettersTo::Log => {
                tracing::error!(
                    sink = letter.sink,
                    reason = letter.reason,
                    recipients,
                    alert_ids = ids,
                    "a mail cannot be delivered"
                );
                Ok(())
            }
        }
    }
}
