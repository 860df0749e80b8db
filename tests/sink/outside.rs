//! What stands around a sink under test: an inbox of some records, a place for dead letters, and what both saw.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tripline::alert::AlertRecord;
use tripline::sink::{AlertInbox, DeadLetter, Delivery, InboxPosition};

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
