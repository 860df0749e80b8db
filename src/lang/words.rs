//! The words of the language that cannot be names in some places.
//!
//! The grammar says the same in its own form (`keyword`, `reserved`); a test of the parser compares the two.

/// The words that cannot name a step.
pub const KEYWORDS: &[&str] = &[
    "event", "rule", "test", "list", "table", "risk", "measure", "for", "each", "on", "every", "then", "next", "no",
    "all", "of", "session", "where", "unless", "within", "alert", "or", "and", "not", "is", "in", "over", "after",
    "at", "gap", "score", "to", "tags", "emit", "top", "as", "by", "expect", "with", "true", "false", "null",
];

/// The words that name a type, a list or a function, or begin a value, only in quotes.
pub(crate) const RESERVED: &[&str] = &[
    "and", "or", "not", "is", "in", "where", "then", "unless", "within", "alert", "over", "for", "on", "every", "true",
    "false", "null",
];

/// The words that are values wherever they stand.
pub(crate) const CONSTANTS: &[&str] = &["true", "false", "null"];
