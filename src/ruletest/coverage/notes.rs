//! `# coverage: CHANGE: REASON` above a clause: why no test can notice a change.

use crate::diagnostic::FileId;
use crate::ruleset::RuleSet;

const OPENING: &str = "# coverage:";

/// The explanations of a rule set.
pub(super) struct Notes(Vec<Note>);

struct Note {
    file: FileId,
    line: usize,
    text: String,
    used: bool,
}

/// An explanation of something that is noticed, or that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleNote {
    /// The file.
    pub file: FileId,
    /// The line, from 1.
    pub line: usize,
    /// The comment.
    pub text: String,
}

impl Notes {
    /// All of them.
    pub(super) fn collect(set: &RuleSet) -> Notes {
        let mut notes = Vec::new();
        for comment in set.files.iter().flat_map(|file| &file.comments) {
            if let Some(text) = comment.text.strip_prefix(OPENING) {
                let (line, _) = set.sources.line_column(comment.span);
                notes.push(Note { file: comment.span.file, line, text: text.trim().to_owned(), used: false });
            }
        }
        Notes(notes)
    }

    /// Whether a change of the clause on this line is explained; `clauses` are the lines on which clauses begin.
    pub(super) fn explain(&mut self, file: FileId, line: usize, clauses: &[usize], label: &str) -> bool {
        let mut explained = false;
        for note in self.0.iter_mut().filter(|note| note.file == file && note.line <= line) {
            let is_above = !clauses.iter().any(|clause| (note.line..line).contains(clause));
            let reason = note.text.strip_prefix(label).and_then(|rest| rest.strip_prefix(':'));
            if is_above && reason.is_some_and(|reason| !reason.trim().is_empty()) {
                note.used = true;
                explained = true;
            }
        }
        explained
    }

    /// Those that explain nothing, of the lines that are looked at.
    pub(super) fn stale(self, looked_at: impl Fn(FileId, usize) -> bool) -> Vec<StaleNote> {
        let stale = self.0.into_iter().filter(|note| !note.used && looked_at(note.file, note.line));
        stale
            .map(|note| StaleNote { file: note.file, line: note.line, text: format!("{OPENING} {}", note.text) })
            .collect()
    }
}
