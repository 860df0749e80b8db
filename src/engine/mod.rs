//! Events in, alerts out: pure, synchronous, the same every time.
//!
//! ```text
//! event -> stream (watermark, late?) -> reorder (order of time) -> engine (key -> runs) -> alerts -> order
//! ```
//! - `watermark` how far event time has come, over several inputs;
//! - `reorder`   events wait here until no earlier one can come;
//! - `sequence`  both of them over several inputs: events in, events in order of time out;
//! - `stream`    a sequencer before an engine: what a shard steps;
//! - `engine`    one program over ordered events: dispatch by type and key, timers;
//! - `nfa`       the runs of one rule: how they start, move on, complete and end;
//! - `runs`      where runs are kept, with their orders by key, by age and by deadline;
//! - `eval`      conditions and values;
//! - `compare`   equality and order of values;
//! - `suppress`  `at most once per`;
//! - `emit`      from a completed run to an alert;
//! - `history`   how runs ended, for those who ask why there was no alert;
//! - `holds`     conditions on alerts, for tests of rules;
//! - `order`     alerts in their one order.
//!
//! There is no clock here, no input or output, and no order that comes from a hash map. All the time there is comes
//! with the events and the watermark. State is owned by the caller's [`Stream`] and moves between threads with it.

mod compare;
mod emit;
mod engine;
mod eval;
mod history;
mod holds;
mod nfa;
mod order;
mod reorder;
mod runs;
mod sequence;
mod stream;
mod suppress;
mod watermark;

pub use engine::{End, Engine, RuleStats, Stats};
pub use history::{Ended, PastRun};
pub use holds::holds_of_alert;
pub use order::AlertOrder;
pub use sequence::{Admission, InputSettings, LatePolicy, Sequencer};
pub use stream::Stream;
pub use watermark::Watermarks;
