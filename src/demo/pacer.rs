//! Sends events when they are due, as one thread. The event's time is the wall clock's at which it is due.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::demo::traffic::{self, Planned};
use crate::sink::kafka::{OutRecord, Outbox};

/// The longest sleep: the client has to be served, and a stop to be seen.
const STEP: Duration = Duration::from_millis(10);

/// What was sent so far.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) events: AtomicU64,
    pub(super) planted: AtomicU64,
    /// Rounds that are sent wholly.
    pub(super) rounds: AtomicU64,
}

/// The thread's work.
pub(super) struct Pacer {
    pub(super) outbox: Outbox,
    pub(super) topic: &'static str,
    pub(super) seconds: u64,
    /// Whether another round follows each one.
    pub(super) endless: bool,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) sent: Arc<Sent>,
}

impl Pacer {
    /// Starts the thread. The first round is kept in a file as well, so that it can be replayed.
    pub(super) fn start(self, keep: &Path) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
        let file = File::create(keep).with_context(|| format!("cannot write {}", keep.display()))?;
        Ok(std::thread::Builder::new().name("events".to_owned()).spawn(move || self.run(file))?)
    }

    fn run(&self, file: File) -> anyhow::Result<()> {
        let mut kept = Some(BufWriter::new(file));
        let mut number = 0;
        while !self.is_stopped() && (number == 0 || self.endless) {
            match self.round(number, kept.take()) {
                // What was under way when it was stopped is of no use to anybody.
                Err(_) if self.is_stopped() => break,
                done => done?,
            }
            number += 1;
            self.sent.rounds.store(number, Ordering::Relaxed);
        }
        Ok(())
    }

    fn round(&self, number: u64, mut kept: Option<BufWriter<File>>) -> anyhow::Result<()> {
        let (begin, begin_ms) = (Instant::now(), now_ms());
        for event in traffic::round(self.seconds, number) {
            self.wait(begin + Duration::from_millis(event.due_ms))?;
            if self.is_stopped() {
                break;
            }
            let json = event.to_json(begin_ms, self.sent.events.load(Ordering::Relaxed) + 1);
            if let Some(file) = &mut kept {
                writeln!(file, "{json}").context("cannot write the events")?;
            }
            self.send(&event, &json)?;
        }
        if let Some(file) = &mut kept {
            file.flush().context("cannot write the events")?;
        }
        Ok(self.outbox.drain(|| self.is_stopped())?)
    }

    fn send(&self, event: &Planned, json: &str) -> anyhow::Result<()> {
        let (key, payload) = (Some(event.user.as_bytes()), Some(json.as_bytes()));
        self.outbox.send(OutRecord { topic: self.topic, partition: None, key, payload, headers: &[] }, &self.stop)?;
        self.sent.events.fetch_add(1, Ordering::Relaxed);
        self.sent.planted.fetch_add(u64::from(event.planted), Ordering::Relaxed);
        Ok(())
    }

    fn wait(&self, due: Instant) -> anyhow::Result<()> {
        while !self.is_stopped() {
            self.outbox.poll()?;
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(STEP));
        }
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The wall clock in ms since the epoch.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
