//! The language from text to text.

mod diagnostics;
mod format;
mod functions;
