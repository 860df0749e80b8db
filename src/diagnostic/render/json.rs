//! One JSON object a line, for editors and scripts.

use std::fmt::Write as _;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, SourceMap};

#[derive(Serialize)]
struct Object<'a> {
    code: &'a str,
    severity: &'a str,
    message: &'a str,
    /// What is wrong about the place; empty where the message says it all.
    label: &'a str,
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    help: Option<&'a str>,
    fix: Option<Replacement<'a>>,
    meaning: &'a str,
}

/// Bytes of the file, and what stands there instead.
#[derive(Serialize)]
struct Replacement<'a> {
    start: u32,
    end: u32,
    #[serde(rename = "replacement")]
    text: &'a str,
}

/// A diagnostic as one line.
pub(super) fn render(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let span = diagnostic.primary.span;
    let (line, column) = sources.line_column(span);
    let (end_line, end_column) = super::end_of(diagnostic, sources);
    let object = Object {
        code: diagnostic.code.as_str(),
        severity: super::severity(diagnostic),
        message: &diagnostic.message,
        label: &diagnostic.primary.text,
        file: sources.name(span.file),
        line,
        column,
        end_line,
        end_column,
        help: diagnostic.help.as_deref(),
        fix: diagnostic.fix.as_ref().map(|fix| Replacement {
            start: fix.span.start,
            end: fix.span.end,
            text: &fix.replacement,
        }),
        meaning: diagnostic.code.meaning(),
    };
    let json = serde_json::to_string(&object).expect("strings and numbers always become JSON");
    let mut out = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        // JSON leaves C1 controls and turns of direction as they are; a terminal does not.
        if super::commands_terminal(c) {
            write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string cannot fail");
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    out
}
