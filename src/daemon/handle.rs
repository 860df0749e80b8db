//! A hand on a running daemon for the code that started it in its own process. A daemon that is a process of its own
//! is told by signals and asked over HTTP instead.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use crate::daemon::health::Health;
use crate::daemon::shutdown::Shutdown;

/// Clones are the same daemon's.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    pub(super) health: Health,
    pub(super) shutdown: Shutdown,
    pub(super) listening: Arc<OnceLock<SocketAddr>>,
}

impl Handle {
    /// Asks the daemon to stop, as a signal does.
    pub fn stop(&self) {
        self.shutdown.ask();
    }

    /// Whether it was asked to stop, by this or by a signal.
    pub fn is_stopping(&self) -> bool {
        self.shutdown.is_asked()
    }

    /// Why it is not ready, as `/readyz` says it; nothing where it is.
    pub fn not_ready(&self) -> Vec<String> {
        self.health.not_ready()
    }

    /// Where health and metrics are served, once they are.
    pub fn listening(&self) -> Option<SocketAddr> {
        self.listening.get().copied()
    }
}
