//! What stands around a sink under test: an inbox that a test feeds, a place for dead letters, and a world that sees
//! what becomes of both.

use std::error::Error;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use crate::alert::AlertRecord;
use crate::sink::{AlertInbox, DeadLetter, Delivery, InboxPosition};

/// Sees what a sink does.
pub(super) trait Witness: Send {
    type Letter: Send;

    fn acknowledged(&mut self, up_to: InboxPosition);

    fn buried(&mut self, letter: Self::Letter);
}

/// Gives alerts to an inbox, which ends with it.
pub(super) struct Feed {
    send: mpsc::UnboundedSender<Delivery>,
    /// The next offset.
    pub(super) next: u64,
}

impl Feed {
    pub(super) fn give(&mut self, record: AlertRecord) {
        let position = InboxPosition { partition: 0, offset: self.next };
        self.next += 1;
        self.send.send(Delivery { record, position }).expect("the sink runs");
    }
}

/// An inbox of what a test gives.
pub(super) struct Channel<W> {
    world: Arc<Mutex<W>>,
    records: mpsc::UnboundedReceiver<Delivery>,
}

impl<W: Witness> Channel<W> {
    pub(super) fn new(world: &Arc<Mutex<W>>) -> (Feed, Channel<W>) {
        let (send, records) = mpsc::unbounded_channel();
        (Feed { send, next: 0 }, Channel { world: Arc::clone(world), records })
    }
}

impl<W: Witness> AlertInbox for Channel<W> {
    async fn next(&mut self) -> Option<Delivery> {
        self.records.recv().await
    }

    async fn acknowledge(&mut self, up_to: InboxPosition) {
        self.world.lock().expect("no panic").acknowledged(up_to);
    }
}

/// Keeps dead letters in the world, or cannot.
pub(super) struct Dead<W> {
    pub(super) world: Arc<Mutex<W>>,
    pub(super) broken: bool,
}

impl<W: Witness> DeadLetter<W::Letter> for Dead<W> {
    async fn keep(&mut self, letter: W::Letter) -> Result<(), Box<dyn Error + Send + Sync>> {
        if self.broken {
            return Err("disk full".into());
        }
        self.world.lock().expect("no panic").buried(letter);
        Ok(())
    }
}
