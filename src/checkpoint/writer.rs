//! The thread that writes snapshots while detection goes on, one at a time.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
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

/// Writes snapshots into a store.
#[derive(Debug)]
pub struct Writer {
    jobs: Option<Sender<Job>>,
    written: Receiver<Written>,
    thread: Option<JoinHandle<()>>,
    under_way: bool,
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
        let thread = thread.spawn(move || work(&*store, &waiting, &done))?;
        Ok(Writer { jobs: Some(jobs), written, thread: Some(thread), under_way: false })
    }

    /// Whether a snapshot is being written: the next one has to wait.
    pub fn is_at_work(&self) -> bool {
        self.under_way
    }

    /// Gives a snapshot to be written. What became of it [`Writer::written`] tells.
    pub fn put(&mut self, shard: &str, number: u64, inputs: Vec<Input>, version: u16, state: Vec<u8>) {
        debug_assert!(!self.under_way, "one at a time");
        self.under_way = true;
        let snapshot = Snapshot { inputs, version, state };
        self.give(Job::Put { shard: shard.to_owned(), number, snapshot });
    }

    /// Forgets the snapshots of a shard with a number below this, some time.
    pub fn forget_before(&self, shard: &str, number: u64) {
        self.give(Job::ForgetBefore { shard: shard.to_owned(), number });
    }

    /// What became of the snapshot that was given last, once that is known; waited for up to this long.
    pub fn written(&mut self, patience: Duration) -> Option<Written> {
        let written = self.written.recv_timeout(patience).ok()?;
        self.under_way = false;
        Some(written)
    }

    fn give(&self, job: Job) {
        let jobs = self.jobs.as_ref().expect("it is taken away at the end only");
        jobs.send(job).expect("the thread ends with the jobs");
    }
}

impl Drop for Writer {
    /// Ends when what was given is written.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes snapshots panicked");
        }
    }
}

fn work(store: &dyn Store, jobs: &Receiver<Job>, done: &Sender<Written>) {
    for job in jobs {
        match job {
            Job::Put { shard, number, snapshot } => {
                let began = Instant::now();
                let bytes = snapshot.to_bytes();
                drop(snapshot);
                let result = store.put(&shard, number, &bytes).map(|()| bytes.len());
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
}
