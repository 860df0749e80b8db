//! The rule language: from text to a checked program.
//!
//! - `ast`    the syntax tree;
//! - `parser` text to tree, with all its problems at once;
//! - `fmt`    tree to text, in the one form;
//! - `words`  the keywords, for those who write or check names.

pub mod ast;
pub mod fmt;
mod parser;
pub mod words;

pub use parser::parse;
