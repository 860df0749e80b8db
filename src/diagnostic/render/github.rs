//! GitHub workflow commands: `::error file=…,line=…::message`.

use crate::diagnostic::{Diagnostic, SourceMap};

/// A diagnostic as one command.
pub(super) fn render(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let span = diagnostic.primary.span;
    let (line, column) = sources.line_column(span);
    let (end_line, end_column) = super::end_of(diagnostic, sources);
    let mut message = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        message.push_str("\nhelp: ");
        message.push_str(help);
    }
    format!(
        "::{} file={},line={line},endLine={end_line},col={column},endColumn={end_column},title={}::{}\n",
        super::severity(diagnostic),
        property(sources.name(span.file)),
        diagnostic.code.as_str(),
        data(&message),
    )
}

/// A message: a line's end would end the command.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    text.chars().map(|c| if super::commands_terminal(c) { '?' } else { c }).collect()
}

/// A property: `:` and `,` would end it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
