//! Diagnostics for people and for programs.

use crate::diagnostic::{Diagnostic, SourceMap};

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with source lines and carets; coloured where asked.
    Full {
        /// Whether to use terminal colours.
        color: bool,
    },
    /// One JSON object a line.
    Json,
    /// GitHub workflow commands.
    Github,
}

/// All diagnostics, in the order of files and places.
pub fn render(diagnostics: &[Diagnostic], sources: &SourceMap, format: Format) -> String {
    let _ = (diagnostics, sources, format);
    String::new()
}
