//! Trouble in rule text, as values: what, where, why, and the fix.
//!
//! - `span`       places in files, and the files themselves;
//! - `codes`      every code that can be reported, with its one meaning;
//! - `diagnostic` one problem with its labels and fix;
//! - `suggest`    "did you mean";
//! - `render`     as text with source lines, as JSON, as GitHub annotations.
//!
//! Nothing here knows the language, and nothing prints.

mod codes;
mod diagnostic;
mod render;
mod span;
mod suggest;

pub use codes::Code;
pub use diagnostic::{Diagnostic, Fix, Label, Severity};
pub use render::{Format, render};
pub use span::{FileId, SourceMap, Span};
pub use suggest::closest;
