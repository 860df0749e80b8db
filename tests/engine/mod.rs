//! Programs and events to alerts.

mod crowd;
mod limits;
mod measures;
mod reference;
mod saved;
mod state;
mod support;
mod tables;
mod why;
mod wire;
