//! Text with source lines and carets, as rustc writes it.

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Severity, SourceMap, Span};

/// A diagnostic and the empty line after it.
pub(super) fn render(diagnostic: &Diagnostic, sources: &SourceMap, color: bool) -> String {
    let shown = Shown::new(diagnostic, sources);
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let primary = diagnostic.primary.span;
    let mut snippet = Snippet::source(&*shown.text)
        .path(&*shown.name)
        .annotation(AnnotationKind::Primary.span(inside(primary, &shown.text)).label(&*shown.primary));
    for (span, text) in &shown.labels {
        snippet = snippet.annotation(AnnotationKind::Context.span(inside(*span, &shown.text)).label(&**text));
    }
    let mut group =
        Group::with_title(level.primary_title(&*shown.message).id(diagnostic.code.as_str())).element(snippet);
    let mut groups = Vec::new();
    match (&shown.help, &shown.fix) {
        (help, Some((span, replacement))) => {
            let title = help.as_deref().unwrap_or("write it like this");
            let patch = Patch::new(inside(*span, &shown.text), &**replacement);
            let corrected = Snippet::source(&*shown.text).path(&*shown.name).patch(patch);
            groups.push(Group::with_title(Level::HELP.secondary_title(title)).element(corrected));
        }
        (Some(help), None) => group = group.element(Level::HELP.message(&**help)),
        (None, None) => {}
    }
    groups.insert(0, group);
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = renderer.render(&groups);
    out.push_str("\n\n");
    out
}

/// The words and the source of a diagnostic, safe for a terminal.
struct Shown {
    name: String,
    text: String,
    message: String,
    primary: String,
    labels: Vec<(Span, String)>,
    help: Option<String>,
    fix: Option<(Span, String)>,
}

impl Shown {
    fn new(diagnostic: &Diagnostic, sources: &SourceMap) -> Shown {
        let file = diagnostic.primary.span.file;
        let mut labels: Vec<_> = Vec::new();
        let mut help = diagnostic.help.as_deref().map(safe);
        for label in &diagnostic.labels {
            if label.span.file == file {
                labels.push((label.span, safe(&label.text)));
            } else {
                // A place in another file is told in words: two files in one picture are hard to tell apart.
                let (line, column) = sources.line_column(label.span);
                let place = format!("{} ({}:{line}:{column})", safe(&label.text), safe(sources.name(label.span.file)));
                help = Some(help.map_or(place.clone(), |help| format!("{help}; {place}")));
            }
        }
        Shown {
            name: safe(sources.name(file)),
            text: safe(sources.text(file)),
            message: safe(&diagnostic.message),
            primary: safe(&diagnostic.primary.text),
            labels,
            help,
            fix: diagnostic
                .fix
                .as_ref()
                .filter(|fix| fix.span.file == file)
                .map(|fix| (fix.span, safe(&fix.replacement))),
        }
    }
}

/// The text with every character that could command a terminal replaced by one of the same length in bytes, so that
/// places stay where they are.
fn safe(text: &str) -> String {
    let replace = |c: char| match (c, c.len_utf8()) {
        ('\n' | '\t' | '\r', _) => c,
        _ if !super::commands_terminal(c) => c,
        (_, 1) => '?',
        (_, 2) => '\u{BF}',
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(replace).collect()
}

/// A place, never beyond the text.
fn inside(span: Span, text: &str) -> std::ops::Range<usize> {
    let end = (span.end as usize).min(text.len());
    (span.start as usize).min(end)..end
}
