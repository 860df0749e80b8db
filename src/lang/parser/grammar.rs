//! The parser that pest derives from `grammar/rules.pest`, and nothing else.

/// One variant of [`Rule`] for each rule of the grammar.
#[derive(pest_derive::Parser)]
#[grammar = "../grammar/rules.pest"]
pub(super) struct Grammar;
