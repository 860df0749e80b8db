//! Who writes snapshots, one at a time: a thread, while detection goes on; or whoever gives them, where there is to be
//! one thread only.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::checkpoint::{Input, Snapshot, Store};

/// What became of a snapshot.
#[derive(Debug)]
pub struct Written {
    /// Its shard.
    pub shard: String,
    /// Its number.
    pub number: u64,
    /// Its bytes, where it is there to stay.
    pub result: io::Result<usize>,
    /// How long it took.
    pub took: Duration,
}

enum Job {
    Put { shard: String, number: u64, snapshot: Snapshot<Vec<u8>> },
    ForgetBefore { shard: String, number: u64 },
}

/// Writes snapshots into a store. Where this is dropped the thread ends with what it was given; nobody waits for it: what
/// is not there means nothing.
pub struct Writer {
    by: By,
    written: Receiver<Written>,
    under_way: Option<(String, u64)>,
}

enum By {
    Thread(Sender<Job>),
    Caller(Arc<dyn Store>, Sender<Written>),
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// Where there is no thread to be had.
    pub fn start(store: Arc<dyn Store>) -> io::Result<Writer> {
        let (jobs, waiting) = channel();
        let (done, written) = channel();
        let thread = thread::Builder::new().name("tripline-state".to_owned());
        thread.spawn(move || work(&*store, &waiting, &done))?;
        Ok(Writer { by: By::Thread(jobs), written, under_way: None })
    }

    /// Writes in the thread that gives a snapshot, before it goes on.
    pub fn in_place(store: Arc<dyn Store>) -> Writer {
        let (done, written) = channel();
        Writer { by: By::Caller(store, done), written, under_way: None }
    }

    /// Whether a snapshot is being written: the next one has to wait.
    pub fn is_at_work(&self) -> bool {
        self.under_way.is_some()
    }

    /// Gives a snapshot to be written. What became of it [`Writer::written`] tells.
    pub fn put(&mut self, shard: &str, number: u64, inputs: Vec<Input>, version: u16, state: Vec<u8>) {
        debug_assert!(self.under_way.is_none(), "one at a time");
        self.under_way = Some((shard.to_owned(), number));
        let snapshot = Snapshot { inputs, version, state };
        self.give(Job::Put { shard: shard.to_owned(), number, snapshot });
    }

    /// Forgets the snapshots of a shard with a number below this, some time.
    pub fn forget_before(&self, shard: &str, number: u64) {
        self.give(Job::ForgetBefore { shard: shard.to_owned(), number });
    }

    /// What became of the snapshot that was given last, once that is known; waited for up to this long.
    pub fn written(&mut self, patience: Duration) -> Option<Written> {
        let (shard, number) = self.under_way.clone()?;
        let written = match self.written.recv_timeout(patience) {
            Ok(written) => written,
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => {
                let result = Err(io::Error::other("the thread that writes snapshots panicked"));
                Written { shard, number, result, took: Duration::ZERO }
            }
        };
        self.under_way = None;
        Some(written)
    }

    fn give(&self, job: Job) {
        match &self.by {
            // A thread that is gone is told of when it is asked what became of the job.
            By::Thread(jobs) => drop(jobs.send(job)),
            By::Caller(store, done) => carry_out(&**store, job, done),
        }
    }
}

fn work(store: &dyn Store, jobs: &Receiver<Job>, done: &Sender<Written>) {
    for job in jobs {
        carry_out(store, job, done);
    }
}

fn carry_out(store: &dyn Store, job: Job, done: &Sender<Written>) {
    match job {
        Job::Put { shard, number, snapshot } => {
            let began = Instant::now();
            let (head, checksum) = snapshot.around();
            let parts = [&head[..], &snapshot.state, &checksum];
            let bytes = parts.iter().map(|part| part.len()).sum();
            let result = store.put(&shard, number, &parts).map(|()| bytes);
            // Nobody waits for it where the daemon has ended.
            drop(done.send(Written { shard, number, result, took: began.elapsed() }));
        }
        Job::ForgetBefore { shard, number } => {
            if let Err(error) = store.forget_before(&shard, number) {
                tracing::warn!(%error, shard, "old snapshots could not be removed");
            }
        }
    }
}
