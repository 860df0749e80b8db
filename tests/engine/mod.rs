//! Programs and events to alerts.

mod reference;
