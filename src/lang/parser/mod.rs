//! From text to the syntax tree, with all problems at once. Only this folder knows pest.
//!
//! - `scan`     one look over the text: comments, line starts, what cannot be read at all;
//! - `grammar`  the parser that pest derives from `grammar/rules.pest`;
//! - `build`    from pest's pairs to items and clauses, with `expr` and `value` for their parts;
//! - `assemble` the order of clauses;
//! - `explain`  from pest's errors to plain words.
//!
//! An item that can be read is read in one go. One that cannot is read again clause by clause, so that the first
//! error hides no other; it is left out of the tree and its name is kept in [`File::dropped`]. Whether names are
//! known and types agree is not asked here.

mod assemble;
mod build;
mod explain;
mod expr;
mod grammar;
mod scan;
#[cfg(test)]
mod tests;
mod value;

use pest::Parser as _;
use pest::iterators::Pairs;

use crate::diagnostic::{Code, Diagnostic, FileId, Span};
use crate::lang::ast::{File, Name, Spanned};
use crate::lang::words::ITEM_WORDS;
use build::Builder;
use grammar::{Grammar, Rule};
use scan::Scan;

/// The largest file that is read.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Reads a file: the items that could be read, and everything that is wrong with the form of the others.
pub fn parse(file: FileId, text: &str) -> (File, Vec<Diagnostic>) {
    if text.len() > FILE_BYTES_MAX {
        let problem = Diagnostic::new(Code::TooLarge, Span::new(file, 0..0), "the file is larger than 1 MiB")
            .at(format!("{} bytes", text.len()))
            .help("split it: rules of several files are checked together");
        return (File::default(), vec![problem]);
    }
    let mut reader = Reader { file, text, scan: scan::scan(file, text), out: File::default(), diagnostics: Vec::new() };
    reader.run();
    reader.finish()
}

struct Reader<'a> {
    file: FileId,
    text: &'a str,
    scan: Scan,
    out: File,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn run(&mut self) {
        let mut at = self.skip_blank(0);
        while at < self.text.len() {
            let end = self.item(at);
            at = self.skip_blank(end);
        }
    }

    fn finish(mut self) -> (File, Vec<Diagnostic>) {
        self.diagnostics.extend(self.scan.problems.into_iter().map(|(_, problem)| problem));
        self.diagnostics.sort_by_key(|problem| (problem.primary.span.start, problem.primary.span.end));
        self.out.comments = self.scan.comments;
        (self.out, self.diagnostics)
    }

    /// Reads the item that begins here, and returns where it ends.
    fn item(&mut self, at: usize) -> usize {
        // Without what follows, an error cannot be put down to the next item.
        let next = self.next_item(at);
        if let Some(end) = self.whole(at, next, false) {
            return end;
        }
        // What begins a line like an item may be a field of this one.
        if next < self.text.len()
            && let Some(end) = self.whole(at, self.text.len(), true)
        {
            return end;
        }
        self.damaged(at, next);
        next
    }

    /// How far pest may read: not into what the scan refused. And whether that is nearer than asked.
    fn readable(&self, at: usize, end: usize) -> (usize, bool) {
        let first = self.scan.problems.partition_point(|(place, _)| *place < at);
        match self.scan.problems.get(first) {
            Some((place, _)) if *place < end => (*place, true),
            _ => (end, false),
        }
    }

    /// Reads an item in one go; returns where it ends, or none where that fails.
    fn whole(&mut self, at: usize, end: usize, faultless: bool) -> Option<usize> {
        let (limit, cut) = self.readable(at, end);
        let entry = Grammar::parse(Rule::entry, &self.text[at..limit]).ok()?.next()?;
        let pair = entry.into_inner().next()?;
        let mut builder = Builder::new(self.file, at, self.text, &self.scan.comments);
        let span = builder.span(&pair);
        if cut && self.skip_blank(span.range().end) >= limit {
            return None;
        }
        let item = builder.item(pair);
        if faultless && !builder.diagnostics.is_empty() {
            return None;
        }
        self.diagnostics.append(&mut builder.diagnostics);
        match item {
            Some(item) => self.out.items.push(item),
            None => self.drop_item(at),
        }
        Some(span.range().end)
    }

    /// What cannot be read in one go: its error, and the errors of the clauses that stand apart from it.
    fn damaged(&mut self, at: usize, end: usize) {
        let (limit, cut) = self.readable(at, end);
        let error = Grammar::parse(Rule::entry, &self.text[at..limit]).err();
        let place = error.as_ref().map_or(limit, |error| at + explain::place(error));
        let word = first_word(&self.text[at..end]);
        let mut found = 0;
        if let Some((start, rest)) = pieces_of(word) {
            let mut starts: Vec<usize> = vec![at];
            starts.extend(self.scan.clause_starts.iter().copied().filter(|s| *s > at && *s < end));
            starts.push(end);
            for (index, bounds) in starts.windows(2).enumerate() {
                let (from, to) = (bounds[0], bounds[1]);
                // The piece with the first error is explained below, with what stood before it in mind.
                let holds_error = (from..=to).contains(&place);
                if !holds_error {
                    found += self.piece(if index == 0 { start } else { rest }, from, to);
                }
            }
        }
        if let Some(error) = error
            && !(cut && place >= limit)
            && !(found > 0 && place == end)
        {
            let names = explain::Context { file: self.file, text: self.text, base: at, limit, item: word };
            self.diagnostics.push(explain::explain(&error, &names));
        }
        self.drop_item(at);
    }

    /// Reads a part of a damaged item for its errors alone, and counts them.
    fn piece(&mut self, form: Rule, from: usize, to: usize) -> usize {
        if self.readable(from, to).1 {
            return 1;
        }
        let text = &self.text[from..to];
        let mut problems = match Grammar::parse(form, text) {
            Ok(pairs) => self.problems(pairs, from),
            Err(error) => {
                let context = explain::Context {
                    file: self.file,
                    text: self.text,
                    base: from,
                    limit: to,
                    item: first_word(text),
                };
                vec![explain::explain(&error, &context)]
            }
        };
        let found = problems.len();
        self.diagnostics.append(&mut problems);
        found
    }

    fn problems(&self, pairs: Pairs<'_, Rule>, base: usize) -> Vec<Diagnostic> {
        let mut builder = Builder::new(self.file, base, self.text, &self.scan.comments);
        for pair in pairs {
            if matches!(pair.as_rule(), Rule::test_rest | Rule::test_start) {
                for line in pair.into_inner() {
                    builder.test_line(line);
                }
            } else {
                builder.parts(pair);
            }
        }
        builder.diagnostics
    }

    /// Keeps the name of what is left out.
    fn drop_item(&mut self, at: usize) {
        let word = first_word(&self.text[at..]);
        if !ITEM_WORDS.contains(&word) || word == "test" {
            return;
        }
        let start = self.skip_blank(at + word.len());
        let rest = &self.text[start..];
        let (name, length) = match rest.strip_prefix('`').and_then(|quoted| quoted.split_once('`')) {
            Some((quoted, _)) => (quoted, quoted.len() + 2),
            None => (first_word(rest), first_word(rest).len()),
        };
        if !name.is_empty() {
            let name: Name = Spanned::new(name.to_string(), Span::new(self.file, start..start + length));
            self.out.dropped.push(name);
        }
    }

    /// Where the next item begins after this place, or the file ends.
    fn next_item(&self, at: usize) -> usize {
        let next = self.scan.item_starts.partition_point(|start| *start <= at);
        self.scan.item_starts.get(next).copied().unwrap_or(self.text.len())
    }

    /// After white space and comments.
    fn skip_blank(&self, mut at: usize) -> usize {
        loop {
            let rest = self.text[at..].trim_start_matches([' ', '\t', '\r', '\n', '\u{FEFF}']);
            at = self.text.len() - rest.len();
            if !rest.starts_with('#') {
                return at;
            }
            at += rest.find('\n').unwrap_or(rest.len());
        }
    }
}

/// The grammar's rules for the beginning and the rest of a damaged item, by its first word.
fn pieces_of(word: &str) -> Option<(Rule, Rule)> {
    match word {
        "rule" => Some((Rule::rule_start, Rule::rule_rest)),
        "risk" => Some((Rule::risk_start, Rule::risk_rest)),
        "measure" => Some((Rule::measure_start, Rule::measure_rest)),
        "test" => Some((Rule::test_start, Rule::test_rest)),
        _ => None,
    }
}

/// The word at the beginning of a text; may be empty.
fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}
