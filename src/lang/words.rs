//! The words of the language that cannot be names in some places.
//!
//! The grammar says the same in its own form (`keyword`, `reserved`); a test of the parser compares the two.

/// The words that cannot name a step.
pub const KEYWORDS: &[&str] = &[
    "event", "rule", "test", "list", "table", "risk", "measure", "for", "each", "on", "every", "then", "next", "no",
    "all", "of", "session", "where", "unless", "within", "alert", "or", "and", "not", "is", "in", "over", "after",
    "at", "gap", "score", "to", "tags", "emit", "top", "as", "by", "expect", "with", "true", "false", "null",
];

/// The words that begin an item.
pub(crate) const ITEM_WORDS: &[&str] = &["event", "rule", "test", "list", "table", "risk", "measure"];

/// The words that name a type, a list or a function, or begin a value, only in quotes.
pub(crate) const RESERVED: &[&str] = &[
    "and", "or", "not", "is", "in", "where", "then", "unless", "within", "alert", "over", "for", "on", "every", "true",
    "false", "null",
];

/// The words that are values wherever they stand.
pub(crate) const CONSTANTS: &[&str] = &["true", "false", "null"];

/// Whether a rule file may not hold a character as such. Characters that change the direction of writing are among
/// them: with those a rule reads otherwise than it runs.
pub(crate) fn is_unreadable(c: char) -> bool {
    let turns_writing = matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}');
    !matches!(c, '\n' | '\r' | '\t') && (c.is_control() || turns_writing || c == char::REPLACEMENT_CHARACTER)
}
