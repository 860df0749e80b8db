//! The threads that judge while the loop reads. `feeds` gives them shards with their batches and takes the shards back
//! before it looks at any of them; whoever waits for them helps. Which thread judges a shard does not show: a shard is
//! with one thread at a time, and its messages stay in their order.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::daemon::feed::Entry;
use crate::daemon::judge::{Judge, ReadAt};

/// A shard with a batch to be judged.
pub(super) struct Job {
    /// The place of the shard.
    pub(super) at: usize,
    /// The shard.
    pub(super) entry: Entry,
    /// When its batch was read.
    pub(super) read_at: ReadAt,
}

/// A shard that is judged, or what the thread panicked with.
type Done = thread::Result<Job>;

/// The threads.
pub(super) struct Workers {
    queue: Arc<Queue>,
    done: Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
    under_way: usize,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    more: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    has_ended: bool,
}

impl Workers {
    /// Starts `count` threads, each with a judge like this one. There may be none: then whoever waits does it all.
    pub(super) fn start(count: usize, judge: &Judge) -> std::io::Result<Workers> {
        let (sender, done) = channel();
        let mut workers = Workers { queue: Arc::default(), done, threads: Vec::new(), under_way: 0 };
        for number in 0..count {
            let (queue, mut judge, sender) = (Arc::clone(&workers.queue), judge.clone(), sender.clone());
            let thread = thread::Builder::new().name(format!("tripline-{number}"));
            workers.threads.push(thread.spawn(move || queue.work(&mut judge, &sender))?);
        }
        Ok(workers)
    }

    /// How many threads there are.
    pub(super) fn count(&self) -> usize {
        self.threads.len()
    }

    /// Gives out a shard.
    pub(super) fn give(&mut self, job: Job) {
        self.under_way += 1;
        self.queue.lock().waiting.push_back(job);
        self.queue.more.notify_one();
    }

    /// The next shard that is judged; nothing when all are back. What no thread has begun yet is done here. A panic of
    /// a thread goes on here.
    pub(super) fn take(&mut self, judge: &mut Judge) -> Option<Job> {
        if self.under_way == 0 {
            return None;
        }
        self.under_way -= 1;
        if let Ok(done) = self.done.try_recv() {
            return Some(done.unwrap_or_else(|panic| resume_unwind(panic)));
        }
        let unbegun = self.queue.lock().waiting.pop_front();
        if let Some(mut job) = unbegun {
            judge.judge(&mut job.entry, job.read_at);
            return Some(job);
        }
        let done = self.done.recv().expect("a thread that has a shard gives it back, or its panic");
        Some(done.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.lock().has_ended = true;
        self.queue.more.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that judges panicked");
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's loop; it ends with the queue.
    fn work(&self, judge: &mut Judge, done: &Sender<Done>) {
        while let Some(mut job) = self.next() {
            let judged = catch_unwind(AssertUnwindSafe(|| {
                judge.judge(&mut job.entry, job.read_at);
                job
            }));
            if done.send(judged).is_err() {
                return;
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.lock();
        loop {
            if jobs.has_ended {
                return None;
            }
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            jobs = self.more.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
