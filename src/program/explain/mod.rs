//! A compiled rule explained to people, from the program alone: what runs is what is told, not what was written.
//!
//! - `sentence` the rule read back as one English sentence;
//! - `plan`     how it is run: the strategy, the windows and what they share, where it is judged;
//! - `bill`     what it keeps in memory, how large, and what ends it;
//! - `measure` the same three of a measure;
//! - `words`    conditions and values with their names, for these and for the graph;
//! - `uses`     the windows, first-seen values and tables that a rule reads.
//!
//! Made of the program only. How large the engine's rows are is told by the engine: [`Sizes`].

mod bill;
mod measure;
mod plan;
mod sentence;
mod uses;
pub(in crate::program) mod words;

pub use bill::{Sizes, WindowSizes, bill};
pub use measure::{measure_bill, measure_plan, measure_sentence};
pub use plan::plan;
pub use sentence::sentence;

/// A line of a plan or bill: what it is about, and what there is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about, in a word or two; empty where it goes on with the line before.
    pub about: String,
    /// What there is to say.
    pub text: String,
}

impl Line {
    fn new(about: impl Into<String>, text: impl Into<String>) -> Line {
        Line { about: about.into(), text: text.into() }
    }
}
