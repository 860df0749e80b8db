//! The rule language: from text to a checked program.
//!
//! - `ast`       the syntax tree;
//! - `parser`    text to tree, with all its problems at once;
//! - `fmt`       tree to text, in the one form;
//! - `walk`      ways through an expression;
//! - `words`     the keywords, for those who write or check names;
//! - `types`     the types of expressions;
//! - `functions` the functions of the language, one file each;
//! - `aggregates` the aggregates, by name;
//! - `check`     trees to a program, with all their problems at once.

pub mod aggregates;
pub mod ast;
mod check;
pub mod fmt;
pub mod functions;
mod parser;
pub mod types;
pub mod walk;
pub mod words;

pub use check::{
    Checked, Expectation, FileLookup, FileRead, Lookups, RuleTest, TestCase, check, check_with, file_lookups,
};
pub use parser::parse;
