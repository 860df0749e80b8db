//! What rules become: an immutable program that engines share.
//!
//! - `program` rules with their steps, guards, keys and alerts, and per event type what is read of it;
//! - `window`  what is remembered of a key's past events;
//! - `measure` aggregates that are emitted by window;
//! - `table`   lists and tables;
//! - `two_step` sequences of two steps, and which of them run together; `waits` what runs of longer ones wait for, both by
//!   the `parts` of conditions;
//! - `cells`   where in a key's row each has its place;
//! - `evidence` what alerts carry of the events that they matched;
//! - `expr`    conditions and values with every name resolved to a slot;
//! - `shared`  conditions that several places ask, judged once an event;
//! - `index`   which rules an event can mean anything to, found by its values;
//! - `duration` lengths of time in words; `lookback` how far back the rules look;
//! - `explain` a rule told to people: a sentence, the plan, the state bill; `graph` its states drawn.
//!
//! Made by `lang`, run by `engine`, read by `decode` for the fields that matter. Nothing here knows the language's
//! text, and nothing here moves.

mod cells;
mod duration;
mod evidence;
mod explain;
mod expr;
mod graph;
mod index;
mod lookback;
mod measure;
mod parts;
mod program;
mod shared;
mod table;
mod two_step;
mod waits;
mod window;

pub use duration::{duration, whole_unit};
pub use evidence::Evidence;
pub use explain::{Line, Sizes, WindowSizes, bill, measure_bill, measure_plan, measure_sentence, plan, sentence};
pub use expr::{Aggregate, Arithmetic, Call, Comparison, Condition, Expr, Function, Part, PredicateId, Template};
pub use graph::{Graph, State};
pub use index::{Bounds, Equality, Found, Index, Judged, Thresholds};
pub use measure::{FoldInput, Measure, MeasureFold, MeasureGuard, MeasureId, MeasureWindow, Top};
pub use program::{
    Absence, AlertSpec, Capture, CaptureId, CellId, Derived, DerivedValue, Dispatch, Elsewhere, Held, KeyId, KeyPlan,
    Link, Program, Rule, RuleId, Session, SessionFold, Severity, Shown, Step, StepGuard, StepId, Strategy, TypePlan,
    Unless, Within,
};
pub use table::{Change, Column, Contents, Rows, Table, TableId, TableSource};
pub use two_step::{Member, Second, TwoStep, TwoStepId};
pub use waits::{Awaited, Wait};
pub use window::{Novelty, NoveltyId, Window, WindowId, WindowRange};
