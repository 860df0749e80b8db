//! What the demonstration stands on: a folder, a broker in this process, the daemon as a thread, and a reader of the
//! alerts topic for the screen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use jiff::Timestamp;
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::alert::AlertRecord;
use crate::config::{self, KafkaSettings, Settings};
use crate::daemon::{self, Finished, Handle};
use crate::demo::pacer::{Pacer, Sent, now_ms};
use crate::demo::traffic::SECONDS_MIN;
use crate::program::Program;
use crate::ruleset::RuleSet;
use crate::sink::kafka::Outbox;
use crate::source::kafka::{KafkaSource, Partition};
use crate::telemetry::{self, Metrics};

const RULES: &str = include_str!("demo.rules");
const EVENTS: &str = "shop-events";
const ALERTS: &str = "fraud-alerts";
const DEAD_LETTERS: &str = "fraud-dead-letters";
const EVENT_PARTITIONS: i32 = 2;
/// The broker lets the first member of a group wait for three seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// Mails are sent for alerts from here on.
const MAIL_FROM: &str = "high";

/// Everything, running.
pub struct Stage {
    folder: PathBuf,
    settings: Settings,
    kafka: KafkaSettings,
    handle: Handle,
    daemon: Option<JoinHandle<anyhow::Result<Finished>>>,
    events: Option<JoinHandle<anyhow::Result<()>>>,
    sent: Arc<Sent>,
    stop: Arc<AtomicBool>,
    alerts: KafkaSource,
    /// Each rule with what it says of itself.
    rules: Vec<(String, String)>,
    /// Last, so that it goes when nobody uses it any more.
    _broker: MockCluster<'static, DefaultProducerContext>,
}

/// An alert as it came from the topic.
#[derive(Clone, Debug)]
pub struct Received {
    /// What it says.
    pub record: AlertRecord,
    /// From the moment at which it was true, in event time, to its arrival here.
    pub delay_ms: i64,
}

/// What was sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Events.
    pub events: u64,
    /// Those that belong to stories.
    pub planted: u64,
    /// Rounds that are over.
    pub rounds: u64,
}

impl Stage {
    /// The shortest run in which every story finds room.
    pub const SECONDS_MIN: u64 = SECONDS_MIN;

    /// Sets the stage and waits until the daemon is ready to read.
    pub fn set() -> anyhow::Result<Stage> {
        let folder = new_folder()?;
        let broker = broker().context("the in-process broker does not start")?;
        let settings = write_settings(&folder, &broker.bootstrap_servers())?;
        let log = folder.join("daemon.log");
        let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        telemetry::init_file(&settings.log, file);
        let (program, rules) = load_rules(&settings)?;
        let kafka = settings.kafka.clone().context("the demonstration's configuration names its broker")?;
        let alerts = KafkaSource::new(&kafka, "screen", Metrics::default())?;
        alerts.assign(&[(Partition { topic: ALERTS.to_owned(), number: 0 }, 0)])?;
        let handle = Handle::default();
        let (for_daemon, its_settings) = (handle.clone(), settings.clone());
        let daemon = std::thread::Builder::new()
            .name("daemon".to_owned())
            .spawn(move || daemon::run_with(&its_settings, &program, &for_daemon))?;
        let mut stage = Stage {
            folder,
            settings,
            kafka,
            handle,
            daemon: Some(daemon),
            events: None,
            sent: Arc::default(),
            stop: Arc::default(),
            alerts,
            rules,
            _broker: broker,
        };
        stage.wait_until_ready()?;
        Ok(stage)
    }

    /// Begins to send events: one round of so many seconds, or round after round.
    pub fn play(&mut self, seconds: u64, endless: bool) -> anyhow::Result<()> {
        let pacer = Pacer {
            outbox: Outbox::new(&self.kafka, "shop", Metrics::default())?,
            topic: EVENTS,
            seconds,
            endless,
            stop: Arc::clone(&self.stop),
            sent: Arc::clone(&self.sent),
        };
        self.events = Some(pacer.start(&self.events_file())?);
        Ok(())
    }

    /// The next alert, if one comes within the time. An error when something that must run does not any more.
    pub fn next(&mut self, timeout: Duration) -> anyhow::Result<Option<Received>> {
        self.check()?;
        let received = match self.alerts.poll(timeout) {
            Some(Ok(message)) => Some(receive(message.payload().unwrap_or_default())?),
            Some(Err(error)) => {
                tracing::debug!(%error, "reading the alerts");
                None
            }
            None => None,
        };
        // What the client notes is of no use here, and would pile up.
        drop(self.alerts.notices());
        Ok(received)
    }

    /// What was sent so far.
    pub fn counts(&self) -> Counts {
        Counts {
            events: self.sent.events.load(Ordering::Relaxed),
            planted: self.sent.planted.load(Ordering::Relaxed),
            rounds: self.sent.rounds.load(Ordering::Relaxed),
        }
    }

    /// Whether somebody wants it to end.
    pub fn is_stopping(&self) -> bool {
        self.handle.is_stopping()
    }

    /// Stops events and daemon, as a signal would.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.handle.stop();
        let events = self.events.take().map_or(Ok(()), joined);
        let Some(daemon) = self.daemon.take() else { return events };
        let until = Instant::now() + STOP_TIMEOUT;
        while !daemon.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        if !daemon.is_finished() {
            bail!("the daemon does not stop; see {}", self.folder.join("daemon.log").display());
        }
        joined(daemon).and(events)
    }

    /// Where everything is kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The events of the first round.
    pub fn events_file(&self) -> PathBuf {
        self.folder.join("events.ndjson")
    }

    /// The mails.
    pub fn mails(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.join("mails")) else { return Vec::new() };
        let files = entries.flatten().map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).collect()
    }

    /// Whether an alert of this severity is mailed.
    pub fn is_mailed(&self, record: &AlertRecord) -> bool {
        let severity = crate::program::Severity::ALL.into_iter().find(|s| s.as_str() == record.severity);
        self.settings.sinks.iter().any(|sink| severity >= sink.kind.min_severity())
    }

    /// The address of the broker.
    pub fn brokers(&self) -> &str {
        self.kafka.brokers()
    }

    /// The topics, events first.
    pub fn topics(&self) -> [&'static str; 2] {
        [EVENTS, ALERTS]
    }

    /// Where metrics are served.
    pub fn metrics_url(&self) -> Option<String> {
        self.handle.listening().map(|address| format!("http://{address}/metrics"))
    }

    /// The rules, each with its description.
    pub fn rules(&self) -> &[(String, String)] {
        &self.rules
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + READY_TIMEOUT;
        loop {
            self.check()?;
            let reasons = self.handle.not_ready();
            if reasons.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the daemon is not ready: {}; see {}", reasons.join("; "), self.folder.display());
            }
            if self.is_stopping() {
                bail!("stopped before it began");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The threads run, or ended well.
    fn check(&mut self) -> anyhow::Result<()> {
        if let Some(thread) = self.daemon.take_if(|thread| thread.is_finished())
            && let Err(error) = joined(thread)
        {
            return Err(error.context("the daemon has stopped"));
        }
        if let Some(thread) = self.events.take_if(|thread| thread.is_finished()) {
            joined(thread).context("no more events are sent")?;
        }
        Ok(())
    }
}

fn joined<T>(thread: JoinHandle<anyhow::Result<T>>) -> anyhow::Result<()> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?.map(drop)
}

/// A folder of this run's own, readable by its user only: alerts and mails are about people.
fn new_folder() -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let path = std::env::temp_dir().join(format!("tripline-demo-{}-{}", std::process::id(), now_ms() % 1_000_000));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
    made.with_context(|| format!("cannot make the folder {}", path.display()))?;
    Ok(path)
}

fn broker() -> anyhow::Result<MockCluster<'static, DefaultProducerContext>> {
    let broker = MockCluster::new(1)?;
    for (topic, partitions) in [(EVENTS, EVENT_PARTITIONS), (ALERTS, 1), (DEAD_LETTERS, 1)] {
        broker.create_topic(topic, partitions, 1)?;
    }
    Ok(broker)
}

/// Rules and configuration as files, so that they can be looked at and used again.
fn write_settings(folder: &Path, brokers: &str) -> anyhow::Result<Settings> {
    let text = configuration(brokers);
    let path = folder.join("tripline.toml");
    for (path, text) in [(folder.join("demo.rules"), RULES), (path.clone(), text.as_str())] {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(config::load(&path)?)
}

fn configuration(brokers: &str) -> String {
    format!(
        r#"# The configuration of the daemon inside `tripline demo`.
name  = "demo"
rules = ["demo.rules"]

[kafka]
brokers = "{brokers}"
internal_topics = "expect"        # the in-process broker has them from the start
delivery = "at-least-once"        # it knows no transactions
"fetch.wait.max.ms" = 20          # it answers an empty fetch only after a part of this

[[source]]
topic = "{EVENTS}"
key = "user_id"                   # what the topic is partitioned by
lateness = "0s"                   # the demonstration's events come in order of time

[alerts]
topic = "{ALERTS}"

[dead_letters]
topic = "{DEAD_LETTERS}"

[sink.fraud_desk.email]
server = "file:mails"             # smtps://mail.example.com in life
from = "Tripline <tripline@example.com>"
to = "desk@example.com"
min_severity = "{MAIL_FROM}"

[http]
listen = "127.0.0.1:0"            # any free port
"#
    )
}

type LoadedRules = (Arc<Program>, Vec<(String, String)>);

fn load_rules(settings: &Settings) -> anyhow::Result<LoadedRules> {
    use crate::lang::ast::Item;
    let set = RuleSet::load(&settings.rules)?;
    let program = set.program().context("the demonstration's rules have errors")?;
    let items = set.files.iter().flat_map(|file| &file.items);
    let rules = items.filter_map(|item| match &item.node {
        Item::Rule(rule) => {
            let description = rule.description.as_ref().map_or("", |text| text.node.as_str());
            Some((rule.name.node.clone(), description.to_owned()))
        }
        _ => None,
    });
    Ok((program, rules.collect()))
}

fn receive(payload: &[u8]) -> anyhow::Result<Received> {
    let record: AlertRecord = serde_json::from_slice(payload).context("a record on the alerts topic is no alert")?;
    let true_at: Timestamp = record.time.parse().context("an alert has a time")?;
    let delay_ms = i64::try_from(now_ms())?.saturating_sub(true_at.as_millisecond());
    Ok(Received { record, delay_ms })
}
