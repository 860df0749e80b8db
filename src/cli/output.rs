//! The terminal: where text goes, and whether in colour.

use std::fmt;
use std::io::{self, IsTerminal, Write};

/// Writes a line to standard error. That it is closed is nobody's concern.
pub(super) fn complain(line: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// Writes text to standard output; an error is a closed pipe or a full disk.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whether a stream takes colours: it is a terminal, and `NO_COLOR` (no-color.org) is not set.
pub(super) fn color(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
