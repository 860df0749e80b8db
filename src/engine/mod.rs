//! Events in, alerts out: pure, synchronous, the same every time.
//!
//! ```text
//! event -> stream (repeat? watermark, late?) -> reorder (order of time) -> engine (key -> runs) -> alerts -> order
//! ```
//! - `dedupe`    ids that an input has shown, for events that were sent twice;
//! - `watermark` how far event time has come, over several inputs;
//! - `reorder`   events wait here until no earlier one can come;
//! - `sequence`  both of them over several inputs: events in, events in order of time out;
//! - `stream`    a sequencer before an engine: what a shard steps;
//! - `engine`    one program over ordered events: dispatch by type and key, timers;
//! - `candidates` the rules that an event leads to;
//! - `keys`      the keys that have anything open or remembered, each looked up once an event, with a cell for each that
//!   keeps something of it;
//! - `by_key`    rows that somebody keeps, one a key, `touched` in the order in which they were last touched;
//! - `past`      what is remembered of a key: windows and the values that were `seen`;
//! - `fold`      aggregates over what has been seen; `sliding` over a window that moves, with `recent` for distinct
//!   values and `ranked` for percentiles;
//! - `exact`     sums of numbers that do not drift;
//! - `nfa`       the runs of one rule: how they start, move on, complete and end; `unordered` those of `all of`;
//! - `two_step`  runs of two-step sequences, by the value that they are compared with: in `groups`;
//! - `parted`    runs of longer ones by what they wait for, where a key has many;
//! - `crowd`     the runs of a two-step sequence of a key that has as many as it may;
//! - `pairs`     `each pair of`; `sessions`; `held` conditions; `idle` what closes after a silence;
//! - `measures`  measures, with `panes` for windows of time;
//! - `completed` a completed match; `pending` an alert that other rules are to see;
//! - `slab`      rows that keep their number, in `chunks` that are never moved;
//! - `codec`     numbers and values as bytes;
//! - `runs`      where runs are kept, with their orders by key, by age and by deadline; `record` what they keep of an
//!   event;
//! - `eval`      conditions and values;
//! - `memo`      what conditions that several rules share have come to;
//! - `compare`   equality and order of values;
//! - `limits`    how much may be open, and what is dropped when it would be more;
//! - `lookups`   the rows of lists and tables;
//! - `suppress`  `at most once per`;
//! - `desk`      past them to alerts, counted; `emit` from a completed run to an alert;
//! - `history`   how runs ended, and `trace` what conditions saw, for those who ask why there was no alert;
//! - `holds`     conditions on alerts, for tests of rules;
//! - `order`     alerts in their one order;
//! - `saved`     the whole state as bytes, and back;
//! - `stats`     what is counted;
//! - `sizes`     how large the rows are, for the state bill of a rule.
//!
//! There is no clock here, no input or output, and no order that comes from a hash map. All the time there is comes
//! with the events and the watermark. State is owned by the caller's [`Stream`] and moves between threads with it.

mod by_key;
mod candidates;
mod chunks;
mod codec;
mod compare;
mod completed;
mod crowd;
mod dedupe;
mod desk;
mod emit;
mod engine;
mod eval;
mod exact;
mod fold;
mod groups;
mod held;
mod history;
mod holds;
mod idle;
mod keys;
mod limits;
mod lookups;
mod measures;
mod memo;
mod nfa;
mod order;
mod pairs;
mod panes;
mod parted;
mod past;
mod pending;
mod ranked;
mod recent;
mod record;
mod reorder;
mod runs;
mod saved;
mod seen;
mod sequence;
mod sessions;
mod sizes;
mod slab;
mod sliding;
mod stats;
mod stream;
mod suppress;
mod touched;
mod trace;
mod two_step;
mod unordered;
mod watermark;

pub use dedupe::DropDuplicates;
pub use engine::{End, Engine};
pub use history::{Ended, PastRun};
pub use holds::{holds_of_alert, holds_of_emitted};
pub use limits::{Dropped, Limit, Limits, WhenFull};
pub use order::AlertOrder;
pub use saved::{Carried, Damaged, VERSION as STATE_VERSION, state_identity};
pub use sequence::{Admission, InputSettings, LatePolicy, Sequencer};
pub use sizes::sizes;
pub use stats::{MeasureStats, RuleStats, Stats};
pub use stream::Stream;
pub use trace::{Judged, Place, Seen, Traced};
pub use watermark::Watermarks;
