//! Programs and events to alerts.

mod reference;
mod state;
mod support;
mod wire;
