//! The sinks of this process, each a task that reads the alerts at its own pace. What they cannot deliver goes to the
//! `letters`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::{AlertsTo, Settings, SinkKind, SinkSettings, Sources};
use crate::daemon::health::Health;
use crate::daemon::letters::Letters;
use crate::daemon::shutdown::Shutdown;
use crate::sink::kafka::KafkaInbox;
use crate::sink::{AlertInbox, AlertSink, Delivery, EmailSink, InboxPosition, SinkStatus};
use crate::telemetry::{Metrics, Reason, SinkFigure, SinkName};

/// How many alerts may wait for a sink in this process before detection waits for it: only over files.
const CHANNEL_ALERTS: usize = 1_024;
/// How often figures go to the metrics.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The running sinks.
#[derive(Default)]
pub(super) struct Sinks {
    /// Each ends with how many alerts it has not delivered.
    tasks: Vec<(String, JoinHandle<anyhow::Result<u64>>)>,
    /// Where the detection loop gives alerts to sinks in this process.
    pub(super) channels: Vec<mpsc::Sender<Delivery>>,
}

/// What sinks have in common.
struct Common<'a> {
    settings: &'a Settings,
    runtime: &'a Handle,
    metrics: &'a Metrics,
    health: &'a Health,
    shutdown: &'a Shutdown,
}

/// Starts every sink: over topics as a consumer group of its own, over files fed by the loop.
pub(super) fn start(
    settings: &Settings,
    runtime: &Handle,
    metrics: &Metrics,
    health: &Health,
    shutdown: &Shutdown,
) -> anyhow::Result<Sinks> {
    let common = Common { settings, runtime, metrics, health, shutdown };
    let mut sinks = Sinks::default();
    for sink in &settings.sinks {
        let task = common.start(sink, &mut sinks.channels).with_context(|| format!("sink {}", sink.name))?;
        sinks.tasks.push((sink.name.clone(), task));
    }
    Ok(sinks)
}

/// A sink of the configuration that hands alerts on as they are; none for mails.
pub(super) fn alert_sink(
    settings: &Settings,
    sink: &SinkSettings,
    metrics: &Metrics,
) -> anyhow::Result<Option<AlertSink>> {
    Ok(match &sink.kind {
        SinkKind::Email(_) => None,
        SinkKind::Webhook(webhook) => Some(AlertSink::webhook(&sink.name, webhook)?),
        SinkKind::File(file) => Some(AlertSink::file(&sink.name, file)?),
        SinkKind::Postgres(postgres) => Some(AlertSink::postgres(&sink.name, postgres)?),
        SinkKind::Topic(topic) => {
            let client = format!("{}.sink.{}", settings.name, sink.name);
            Some(AlertSink::topic(&sink.name, topic, &client, metrics.clone()))
        }
    })
}

impl Common<'_> {
    fn start(
        &self,
        sink: &SinkSettings,
        channels: &mut Vec<mpsc::Sender<Delivery>>,
    ) -> anyhow::Result<JoinHandle<anyhow::Result<u64>>> {
        let ready = alert_sink(self.settings, sink, self.metrics)?;
        let letters = Letters::open(self.settings, sink, self.metrics)?;
        let inbox = self.inbox(sink, channels)?;
        let stop = self.shutdown.watch();
        Ok(match (ready, &sink.kind) {
            (None, SinkKind::Email(email)) => {
                let email = EmailSink::new(&sink.name, email.clone())?;
                let counters = email.counters();
                self.report(sink, move |metrics, sink| figures(&metrics.mail, sink, counters.figures().named()));
                let run = email.run(inbox, letters, stop);
                self.spawn(sink, async move { Ok(run.await?.undelivered) })
            }
            (Some(ready), _) => {
                let (status, health) = (ready.status(), self.health.clone());
                self.report(sink, move |metrics, sink| tell(metrics, &health, sink, &status));
                let run = ready.run(inbox, letters, stop);
                self.spawn(sink, async move { Ok(run.await?.undelivered) })
            }
            (None, _) => unreachable!("only mails have a loop of their own"),
        })
    }

    fn inbox(&self, sink: &SinkSettings, channels: &mut Vec<mpsc::Sender<Delivery>>) -> anyhow::Result<Inbox> {
        let on_topics = matches!(self.settings.sources, Sources::Topics(_));
        if let (Some(kafka), AlertsTo::Topic(topic), true) = (&self.settings.kafka, &self.settings.alerts, on_topics) {
            let group = format!("{}.sink.{}", self.settings.name, sink.name);
            return Ok(Inbox::Topic(KafkaInbox::new(kafka, &group, topic, self.metrics.clone())?));
        }
        let (sender, alerts) = mpsc::channel(CHANNEL_ALERTS);
        channels.push(sender);
        Ok(Inbox::Channel(alerts))
    }

    fn spawn(
        &self,
        sink: &SinkSettings,
        run: impl Future<Output = anyhow::Result<u64>> + Send + 'static,
    ) -> JoinHandle<anyhow::Result<u64>> {
        let (name, health) = (sink.name.clone(), self.health.clone());
        self.runtime.spawn(async move {
            let ended = run.await;
            if let Err(error) = &ended {
                let error = format!("{error:#}");
                tracing::error!(sink = name, error, "a sink has stopped; its alerts wait in the topic");
                health.sink_ended(format!("sink {name} has stopped: {error}"));
            }
            ended
        })
    }

    /// Copies what a sink says of itself to the metrics, every second and once more at the end.
    fn report(&self, sink: &SinkSettings, copy: impl Fn(&Metrics, &str) + Send + 'static) {
        let (name, metrics, mut stop) = (sink.name.clone(), self.metrics.clone(), self.shutdown.watch());
        self.runtime.spawn(async move {
            loop {
                copy(&metrics, &name);
                tokio::select! {
                    () = tokio::time::sleep(REPORT_EVERY) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        });
    }
}

fn figures(family: &Family<SinkFigure, Gauge>, sink: &str, figures: Vec<(&'static str, u64)>) {
    for (figure, value) in figures {
        let label = SinkFigure { sink: sink.to_owned(), figure: Reason(figure) };
        family.get_or_create(&label).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

fn tell(metrics: &Metrics, health: &Health, sink: &str, status: &SinkStatus) {
    figures(&metrics.sink, sink, status.counters.figures().named());
    let label = SinkName { sink: sink.to_owned() };
    let waiting = i64::try_from(status.waiting.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
    metrics.sink_waiting.get_or_create(&label).set(waiting);
    let held = status.held();
    metrics.sink_held.get_or_create(&label).set(i64::from(held.is_some()));
    health.sink_held(sink, held);
}

impl Sinks {
    /// Waits for all of them; the first that failed is the error.
    pub(super) async fn join(self) -> anyhow::Result<()> {
        drop(self.channels);
        let mut failed = Ok(());
        for (name, task) in self.tasks {
            match task.await.with_context(|| format!("sink {name} panicked")).flatten() {
                Ok(0) => {}
                Ok(undelivered) => {
                    tracing::warn!(sink = name, alerts = undelivered, "not delivered yet; they come again");
                }
                Err(error) => failed = failed.and(Err(error.context(format!("sink {name}")))),
            }
        }
        failed
    }
}

/// Where a sink's alerts come from.
enum Inbox {
    /// The alerts topic.
    Topic(KafkaInbox),
    /// The loop of this process.
    Channel(mpsc::Receiver<Delivery>),
}

impl AlertInbox for Inbox {
    async fn next(&mut self) -> Option<Delivery> {
        match self {
            Inbox::Topic(inbox) => inbox.next().await,
            Inbox::Channel(alerts) => alerts.recv().await,
        }
    }

    async fn acknowledge(&mut self, up_to: InboxPosition) {
        match self {
            Inbox::Topic(inbox) => inbox.acknowledge(up_to).await,
            // Nothing is kept: a file is read again from its start.
            Inbox::Channel(_) => {}
        }
    }
}
