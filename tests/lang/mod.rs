//! The language from text to text.

mod format;
