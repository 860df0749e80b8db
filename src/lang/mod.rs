//! The rule language: from text to a checked program.
//!
//! - `ast`       the syntax tree;
//! - `parser`    text to tree, with all its problems at once;
//! - `fmt`       tree to text, in the one form;
//! - `words`     the keywords, for those who write or check names;
//! - `types`     the types of expressions;
//! - `functions` the functions of the language, one file each;
//! - `check`     trees to a program, with all their problems at once.

pub mod ast;
mod check;
pub mod fmt;
pub mod functions;
mod parser;
pub mod types;
pub mod words;

pub use check::{Checked, Expectation, RuleTest, TestCase, check};
pub use parser::parse;
