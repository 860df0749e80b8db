//! Diagnostics for people and for programs.
//!
//! - `full`   text with source lines and carets, as rustc writes it;
//! - `json`   one object a line;
//! - `github` workflow commands, which GitHub shows beside the changed lines.
//!
//! Nothing is printed here, and nothing of a rule file that could command a terminal gets through.

mod full;
mod github;
mod json;

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
    let mut ordered: Vec<&Diagnostic> = diagnostics.iter().collect();
    ordered.sort_by_key(|d| (d.primary.span, d.code));
    let one = |diagnostic: &Diagnostic| match format {
        Format::Full { color } => full::render(diagnostic, sources, color),
        Format::Json => json::render(diagnostic, sources),
        Format::Github => github::render(diagnostic, sources),
    };
    ordered.into_iter().map(one).collect()
}

/// Whether a character could command a terminal: controls, and turns of the direction of writing. Line ends and tabs
/// are left to each form.
fn commands_terminal(c: char) -> bool {
    let turns_writing = matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}');
    turns_writing || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// The word for a severity.
fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity() {
        crate::diagnostic::Severity::Error => "error",
        crate::diagnostic::Severity::Warning => "warning",
    }
}

/// Line and column where a place ends, both from 1.
fn end_of(diagnostic: &Diagnostic, sources: &SourceMap) -> (usize, usize) {
    let span = diagnostic.primary.span;
    sources.line_column(crate::diagnostic::Span { start: span.end, ..span })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Span};

    const TEXT: &str = "rule a\n  on login where contry is \"DE\"\n  alert high\n";

    fn sample(name: &str, text: &str) -> (SourceMap, Diagnostic) {
        let mut sources = SourceMap::default();
        let file = sources.add(name, text);
        let at = text.find("contry").expect("the sample holds it");
        let span = Span::new(file, at..at + 6);
        let problem = Diagnostic::new(Code::UnknownField, span, "`login` has no field `contry`")
            .at("unknown field")
            .did_you_mean(span, "contry", ["country"]);
        (sources, problem)
    }

    #[test]
    fn full_shows_the_line_and_the_corrected_line() {
        let (sources, problem) = sample("a.rules", TEXT);
        insta::assert_snapshot!(render(&[problem], &sources, Format::Full { color: false }), @r#"
        error[E102]: `login` has no field `contry`
         --> a.rules:2:18
          |
        2 |   on login where contry is "DE"
          |                  ^^^^^^ unknown field
          |
        help: did you mean `country`?
          |
        2 |   on login where country is "DE"
          |                    +
        "#);
    }

    #[test]
    fn json_is_one_object_a_line() {
        let (sources, problem) = sample("a.rules", TEXT);
        let out = render(&[problem.clone(), problem], &sources, Format::Json);
        assert_eq!(out.lines().count(), 2);
        let first: serde_json::Value = serde_json::from_str(out.lines().next().expect("two lines")).expect("JSON");
        assert_eq!(first["code"], "E102");
        assert_eq!((&first["line"], &first["column"]), (&2.into(), &18.into()));
        assert_eq!((&first["end_line"], &first["end_column"]), (&2.into(), &24.into()));
        assert_eq!(first["fix"], serde_json::json!({"start": 24, "end": 30, "replacement": "country"}));
        assert_eq!(first["meaning"], Code::UnknownField.meaning());
    }

    #[test]
    fn github_escapes_what_would_end_the_command() {
        let (sources, mut problem) = sample("dir,a:b%.rules", TEXT);
        problem.message = "two\nlines, 100%".to_string();
        assert_eq!(
            render(&[problem], &sources, Format::Github),
            "::error file=dir%2Ca%3Ab%25.rules,line=2,endLine=2,col=18,endColumn=24,title=E102::two%0Alines, 100%25%0A\
             help: did you mean `country`?\n"
        );
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let text = TEXT.replace("\"DE\"", "\"\u{1b}[31m\u{9b}\u{202e}\u{7}\"");
        let (sources, mut problem) = sample("a\u{1b}.rules", &text);
        problem.message.push('\u{1b}');
        problem.primary.text.push('\u{9b}');
        for format in [Format::Full { color: false }, Format::Github, Format::Json] {
            let out = render(std::slice::from_ref(&problem), &sources, format);
            assert!(!out.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}']), "{out:?}");
        }
    }
}
