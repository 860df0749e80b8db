//! What stands around a sink under test: an inbox of some records, a place for dead letters, and what both saw.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tripline::alert::AlertRecord;
use tripline::sink::{
    AlertInbox, AlertSink, Backoff, DeadAlert, DeadLetter, Delivery, InboxPosition, SinkError, SinkFigures, SinkStatus,
    SinkSummary,
};

/// A sink that hangs fails its test instead of stopping all.
const GUARD: Duration = Duration::from_mins(1);

/// An alert whose number is its id.
pub(crate) fn record(n: u64) -> AlertRecord {
    serde_json::from_value(json!({
        "alert_id": format!("{n:032x}"), "rule": "country_hop", "version": "v1", "kind": "alert", "severity": "high",
        "score": 40, "key": {"user_id": "u1"}, "time": "2026-01-31T08:04:00.000Z",
        "started": "2026-01-31T08:00:00.000Z", "message": "u1: login from DE, purchase from FR",
        "events": [{"step": "a", "type": "login", "time": "2026-01-31T08:00:00.000Z", "fields": {"country": "DE"}}],
    }))
    .expect("a record of the right form")
}

/// What the outside saw; `L` are the dead letters.
pub(crate) struct Outside<L> {
    /// The last offset that is done with.
    pub(crate) acknowledged: Option<u64>,
    pub(crate) dead: Vec<L>,
}

impl<L> Default for Outside<L> {
    fn default() -> Self {
        Outside { acknowledged: None, dead: Vec::new() }
    }
}

pub(crate) type World<L> = Arc<Mutex<Outside<L>>>;

/// Some records and then the end, or no end.
pub(crate) struct Inbox<L> {
    world: World<L>,
    records: VecDeque<Delivery>,
    ends: bool,
}

impl<L> Inbox<L> {
    pub(crate) fn new(world: &World<L>, records: Vec<AlertRecord>, ends: bool) -> Inbox<L> {
        let place = |(offset, record)| Delivery { record, position: InboxPosition { partition: 0, offset } };
        Inbox { world: Arc::clone(world), records: (0..).zip(records).map(place).collect(), ends }
    }
}

impl<L: Send> AlertInbox for Inbox<L> {
    async fn next(&mut self) -> Option<Delivery> {
        match self.records.pop_front() {
            None if !self.ends => std::future::pending().await,
            next => next,
        }
    }

    async fn acknowledge(&mut self, up_to: InboxPosition) {
        self.world.lock().expect("no panic").acknowledged = Some(up_to.offset);
    }
}

/// Keeps dead letters in the world.
pub(crate) struct Letters<L>(pub(crate) World<L>);

impl<L: Send> DeadLetter<L> for Letters<L> {
    async fn keep(&mut self, letter: L) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.lock().expect("no panic").dead.push(letter);
        Ok(())
    }
}

/// Records as a test gives them.
struct Fed {
    world: World<DeadAlert>,
    records: mpsc::UnboundedReceiver<Delivery>,
}

impl AlertInbox for Fed {
    async fn next(&mut self) -> Option<Delivery> {
        self.records.recv().await
    }

    async fn acknowledge(&mut self, up_to: InboxPosition) {
        self.world.lock().expect("no panic").acknowledged = Some(up_to.offset);
    }
}

/// A sink at work, with retries within milliseconds.
pub(crate) struct Running {
    world: World<DeadAlert>,
    status: Arc<SinkStatus>,
    records: mpsc::UnboundedSender<Delivery>,
    given: u64,
    stop: watch::Sender<bool>,
    run: JoinHandle<Result<SinkSummary, SinkError>>,
}

impl Running {
    pub(crate) fn start(sink: AlertSink) -> Running {
        let quick =
            Backoff { first: Duration::from_millis(1), ceiling: Duration::from_millis(20), ..Backoff::default() };
        let sink = sink.with_retries(quick, 1);
        let world = World::<DeadAlert>::default();
        let status = sink.status();
        let (send, records) = mpsc::unbounded_channel();
        let (stop, shutdown) = watch::channel(false);
        let inbox = Fed { world: Arc::clone(&world), records };
        let run = tokio::spawn(sink.run(inbox, Letters(Arc::clone(&world)), shutdown));
        Running { world, status, records: send, given: 0, stop, run }
    }

    pub(crate) fn give(&mut self, records: impl IntoIterator<Item = AlertRecord>) {
        for record in records {
            let position = InboxPosition { partition: 0, offset: self.given };
            self.given += 1;
            self.records.send(Delivery { record, position }).expect("the sink runs");
        }
    }

    /// Waits until its figures are like that.
    pub(crate) async fn until(&self, enough: impl Fn(&SinkFigures) -> bool) {
        let reached = async {
            while !enough(&self.status.counters.figures()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let figures = || (self.status.counters.figures(), self.status.held());
        assert!(tokio::time::timeout(GUARD, reached).await.is_ok(), "it never comes to that: {:?}", figures());
    }

    /// Why it holds its alerts, if it does.
    pub(crate) fn held(&self) -> Option<String> {
        self.status.held()
    }

    /// Stops it where it is.
    pub(crate) async fn stop(self) -> (Outside<DeadAlert>, SinkSummary) {
        self.stop.send(true).expect("the sink runs");
        self.finish().await
    }

    /// Ends its inbox and waits until all is dealt with.
    pub(crate) async fn finish(self) -> (Outside<DeadAlert>, SinkSummary) {
        drop(self.records);
        let ended = tokio::time::timeout(GUARD, self.run).await.expect("the sink ends");
        let summary = ended.expect("no panic").expect("no error");
        drop(self.stop);
        let outside = std::mem::take(&mut *self.world.lock().expect("no panic"));
        (outside, summary)
    }
}

/// Runs a sink until all these records are dealt with.
pub(crate) async fn deliver(
    sink: AlertSink,
    records: impl IntoIterator<Item = AlertRecord>,
) -> (Outside<DeadAlert>, SinkSummary) {
    let mut running = Running::start(sink);
    running.give(records);
    running.finish().await
}
