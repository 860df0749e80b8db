//! What the engine says: alerts, their ids, their form on the wire.
//!
//! - `alert`    an alert as the engine makes it;
//! - `record`   the JSON object on the alerts topic, written and read back; `whole` a matched event as it came, in it;
//! - `template` messages with values in them.
//!
//! Suppression (`at most once per`) is state and lives in `engine`.

mod alert;
mod record;
mod template;
mod whole;

pub use alert::{Alert, AlertEvent, AlertId, Emission, Kind};
pub use record::{AlertRecord, EventRecord, SourceRecord, WindowRecord};
pub use template::{render, render_value};
pub use whole::WholeEvent;
