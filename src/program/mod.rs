//! What rules become: an immutable program that engines share.
//!
//! - `program` rules with their steps, guards, keys and alerts, and per event type what is read of it;
//! - `expr`    conditions and values with every name resolved to a slot.
//!
//! Made by `lang`, run by `engine`, read by `decode` for the fields that matter. Nothing here knows the language's
//! text, and nothing here moves.

mod expr;
mod program;

pub use expr::{Aggregate, Arithmetic, Call, Comparison, Condition, Expr, Function, Part, Template};
pub use program::{
    Absence, AlertSpec, Capture, CaptureId, Dispatch, KeyId, KeyPlan, Program, Rule, RuleId, Severity, Step, StepGuard,
    StepId, Strategy, TypePlan, Unless, Within,
};
