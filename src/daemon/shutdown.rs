//! Being told to stop: the first signal drains, the second one exits at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long draining may take before the process leaves without it. What was not committed is read again.
const DRAIN_MAX: Duration = Duration::from_millis(4_500);

/// The exit code of a process that was made to leave.
const EXIT_FORCED: i32 = 1;

/// The wish to stop, as the plain thread and the tasks see it.
#[derive(Clone, Debug)]
pub(super) struct Shutdown {
    flag: Arc<AtomicBool>,
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown { flag: Arc::default(), sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Shutdown {
    /// Whether the daemon is to stop.
    pub(super) fn is_asked(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// The same as a flag to hand on.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// The same for tasks.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.sender.subscribe()
    }

    /// Asks to stop.
    pub(super) fn ask(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.sender.send_replace(true);
    }

    /// Tells the tasks, and not the loop: it has ended by itself.
    pub(super) fn tell_tasks(&self) {
        self.sender.send_replace(true);
    }

    /// Asks to stop at SIGTERM or ctrl-c, and exits at once at the next one or when draining takes too long.
    pub(super) async fn listen(self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is read is finished and committed");
        self.ask();
        tokio::select! {
            _ = terminate.recv() => tracing::warn!("second signal: leaving at once"),
            _ = interrupt.recv() => tracing::warn!("second signal: leaving at once"),
            () = tokio::time::sleep(DRAIN_MAX) => {
                tracing::error!("not drained in time: leaving; what was not committed is read again at the next start");
            }
        }
        std::process::exit(EXIT_FORCED);
    }
}
