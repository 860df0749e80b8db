//! One look over the text before it is read: comments, where lines begin items and clauses, and what cannot be read.
//!
//! It is a small lexer that goes through texts, quoted names and comments exactly as the grammar does; so it can
//! promise that what the grammar is given nests at most [`DEPTH_MAX`] deep and closes its texts. It knows no clause
//! and builds nothing.

use crate::diagnostic::{Code, Diagnostic, FileId, Span};
use crate::lang::ast::Comment;
use crate::lang::words::{self, ITEM_WORDS};

/// How deep brackets, and braces of templates, may nest.
pub(super) const DEPTH_MAX: usize = 64;

/// The words that begin a clause, or a line of a test.
const CLAUSE_WORDS: &[&str] =
    &["for", "on", "then", "where", "unless", "within", "alert", "over", "after", "emit", "top", "to", "at", "expect"];

/// Clause words that stand in no bracket: one at the beginning of a line shows that a bracket was forgotten.
const OUTSIDE_BRACKETS: &[&str] = &["then", "unless", "within", "alert"];

/// What was seen.
#[derive(Default)]
pub(super) struct Scan {
    /// Comments in order.
    pub(super) comments: Vec<Comment>,
    /// What cannot be read, by the place from which it cannot.
    pub(super) problems: Vec<(usize, Diagnostic)>,
    /// Where an item's first word stands at the very beginning of a line.
    pub(super) item_starts: Vec<usize>,
    /// Where a clause's first word is the first of a line, outside of brackets.
    pub(super) clause_starts: Vec<usize>,
}

/// Looks over a file.
pub(super) fn scan(file: FileId, text: &str) -> Scan {
    let mut scanner = Scanner {
        file,
        text,
        bytes: text.as_bytes(),
        at: 0,
        open: Vec::new(),
        too_deep: false,
        message: Message::No,
        line_start: true,
        out: Scan::default(),
    };
    scanner.run();
    scanner.control_characters();
    scanner.out.problems.sort_by_key(|(at, _)| *at);
    scanner.out
}

/// Whether the next text is the message of an alert, the only text with braces.
#[derive(Clone, Copy, PartialEq)]
enum Message {
    No,
    /// After `alert`: a severity, `score` or the message may follow.
    AfterAlert,
    /// After the severity.
    AfterSeverity,
    /// After `score`.
    AfterScore,
    /// After the number of `score`.
    AfterNumber,
}

struct Scanner<'a> {
    file: FileId,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Open brackets; `"` stands for a template whose brace follows it.
    open: Vec<(u8, usize)>,
    /// Whether the limit was passed since the last place where brackets are closed.
    too_deep: bool,
    message: Message,
    line_start: bool,
    out: Scan,
}

impl Scanner<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' => {
                    self.leave_holes();
                    self.line_start = true;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' | 0xEF if byte != 0xEF || self.text[self.at..].starts_with('\u{FEFF}') => {
                    self.at += if byte == 0xEF { 3 } else { 1 };
                }
                b'#' => self.comment(),
                _ => {
                    self.token(byte);
                    self.line_start = false;
                }
            }
        }
        self.leave_holes();
        self.close_all();
    }

    fn token(&mut self, byte: u8) {
        match byte {
            b'"' if self.message == Message::No => self.plain_text(),
            b'"' => self.template(),
            b'`' => self.quoted_name(),
            b'(' | b'[' | b'{' => self.push(byte),
            b')' | b']' | b'}' => self.pop(byte),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' | b'-' if self.message == Message::AfterScore => self.score(),
            _ => {
                self.message = Message::No;
                self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8);
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        if self.line_start {
            self.line_word(word, start);
        }
        let field = start > 0 && self.bytes[start - 1] == b'.';
        self.message = match (word, self.message) {
            ("alert", _) if !field => Message::AfterAlert,
            ("score", Message::AfterAlert | Message::AfterSeverity) => Message::AfterScore,
            (_, Message::AfterAlert) if !words::KEYWORDS.contains(&word) => Message::AfterSeverity,
            _ => Message::No,
        };
    }

    /// The number of a score, as the grammar reads it.
    fn score(&mut self) {
        let digits = |from: usize| self.bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let whole = self.at + usize::from(self.bytes[self.at] == b'-');
        let mut end = whole + digits(whole);
        self.message = if end == whole { Message::No } else { Message::AfterNumber };
        if end > whole && self.bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if end > whole && matches!(self.bytes.get(end), Some(b'e' | b'E')) {
            let exponent = end + 1 + usize::from(matches!(self.bytes.get(end + 1), Some(b'+' | b'-')));
            if exponent <= self.bytes.len() && digits(exponent) > 0 {
                end = exponent + digits(exponent);
            }
        }
        self.at = end;
    }

    fn line_word(&mut self, word: &str, start: usize) {
        let column_0 = start == 0 || self.bytes[start - 1] == b'\n' || self.text[..start].ends_with('\u{FEFF}');
        let item = column_0 && ITEM_WORDS.contains(&word);
        if item || OUTSIDE_BRACKETS.contains(&word) {
            self.close_all();
        }
        if item {
            self.out.item_starts.push(start);
        } else if CLAUSE_WORDS.contains(&word) && self.open.is_empty() {
            self.out.clause_starts.push(start);
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let end = memchr::memchr(b'\n', &self.bytes[start..]).map_or(self.bytes.len(), |n| start + n);
        let text = self.text[start..end].trim_end();
        let span = Span::new(self.file, start..start + text.len());
        self.out.comments.push(Comment { text: text.to_string(), span });
        self.at = end;
    }

    /// A text in which braces are characters.
    fn plain_text(&mut self) {
        let start = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                // The quote that closes the message began a text in its hole: the brace is what lacks.
                None | Some(b'\n') if self.open.iter().any(|(b, _)| *b == b'"') => return self.leave_holes(),
                None | Some(b'\n') => return self.unclosed(start, "this text is not closed", "\""),
                Some(b'"') => break self.at += 1,
                Some(b'\\') => self.escape(),
                Some(_) => self.at += 1,
            }
        }
    }

    /// The message of an alert, or what follows a hole in it.
    fn template(&mut self) {
        let start = self.at;
        self.message = Message::No;
        self.at += 1;
        self.template_from(start);
    }

    fn template_from(&mut self, start: usize) {
        loop {
            match self.bytes.get(self.at) {
                None | Some(b'\n') => return self.unclosed(start, "this text is not closed", "\""),
                Some(b'"') => break self.at += 1,
                Some(b'\\') => self.escape(),
                Some(b'{' | b'}') if self.bytes.get(self.at + 1) == self.bytes.get(self.at) => self.at += 2,
                Some(b'{') => {
                    self.open.push((b'"', start));
                    return self.push(b'{');
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// A backslash and what it escapes; the braces of `\u{…}` are part of it.
    fn escape(&mut self) {
        let rest = &self.bytes[self.at + 1..];
        let hex = rest.iter().skip(2).take_while(|b| b.is_ascii_hexdigit()).count();
        self.at += match rest {
            [b'u', b'{', ..] if (1..=6).contains(&hex) && rest.get(2 + hex) == Some(&b'}') => hex + 4,
            [] | [b'\n', ..] => 1,
            _ => 1 + self.text[self.at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }

    fn quoted_name(&mut self) {
        let start = self.at;
        self.message = if self.message == Message::AfterAlert { Message::AfterSeverity } else { Message::No };
        let rest = &self.bytes[start + 1..];
        match memchr::memchr2(b'`', b'\n', rest).map(|n| (n, rest[n])) {
            Some((n, b'`')) => self.at = start + n + 2,
            found => {
                self.at = start + 1 + found.map_or(rest.len(), |(n, _)| n);
                self.unclosed(start, "this quoted name is not closed", "`");
            }
        }
    }

    fn push(&mut self, bracket: u8) {
        self.message = Message::No;
        if self.open.iter().filter(|(b, _)| *b != b'"').count() >= DEPTH_MAX && !self.too_deep {
            self.too_deep = true;
            let problem =
                Diagnostic::new(Code::TooDeep, self.span(1), format!("brackets nest more than {DEPTH_MAX} deep"))
                    .at("the limit is passed here")
                    .help(
                        "name parts of the condition as rules of their own, or leave out brackets that change nothing",
                    );
            self.out.problems.push((self.at, problem));
        }
        // Beyond the limit nothing is read, and so nothing is kept.
        if !self.too_deep {
            self.open.push((bracket, self.at));
        }
        self.at += 1;
    }

    fn pop(&mut self, bracket: u8) {
        self.message = Message::No;
        let opening = match bracket {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        self.at += 1;
        // One that closes nothing is left to the grammar.
        if self.open.last().is_some_and(|(open, _)| *open == opening) {
            self.open.pop();
            if let Some((b'"', start)) = self.open.last().copied() {
                self.open.pop();
                self.template_from(start);
            }
        }
    }

    /// A line's end closes no text: the templates whose holes are open are not closed.
    fn leave_holes(&mut self) {
        if let Some(outermost) = self.open.iter().position(|(b, _)| *b == b'"') {
            let (_, start) = self.open[outermost];
            let brace = self.open[outermost + 1].1;
            self.open.truncate(outermost);
            let span = Span::new(self.file, brace..brace + 1);
            let problem = Diagnostic::new(Code::Unclosed, span, "this `{` is not closed")
                .at("an expression begins here")
                .help("close it with `}` before the text ends; a brace in the text is written `{{`");
            self.out.problems.push((start, problem));
        }
    }

    /// Where no bracket can be open any more.
    fn close_all(&mut self) {
        if std::mem::take(&mut self.too_deep) {
            self.open.clear();
        }
        if let Some(&(bracket, start)) = self.open.last() {
            let closing = match bracket {
                b'(' => ')',
                b'[' => ']',
                _ => '}',
            };
            let bracket = char::from(bracket);
            let span = Span::new(self.file, start..start + 1);
            let problem = Diagnostic::new(Code::Unclosed, span, format!("this `{bracket}` is not closed"))
                .at("its closing bracket is missing")
                .help(format!("write `{closing}` where it ends"));
            self.out.problems.push((start, problem));
            self.open.clear();
        }
    }

    fn unclosed(&mut self, start: usize, message: &str, quote: &str) {
        let problem = self.unclosed_problem(start, message, quote);
        self.out.problems.push((start, problem));
        // What is open around it is not to be reported again.
        self.open.clear();
        self.message = Message::No;
    }

    fn unclosed_problem(&self, start: usize, message: &str, quote: &str) -> Diagnostic {
        let line = &self.text[start..start + self.text[start..].find('\n').unwrap_or(self.text.len() - start)];
        let end = start + line.trim_end().len();
        let help = match quote {
            "\"" => "a text ends on the line on which it begins; `\\n` in it begins a new line",
            _ => "close it with a `",
        };
        Diagnostic::new(Code::Unclosed, Span::new(self.file, start..end), message).at("begins here").help(help)
    }

    fn span(&self, length: usize) -> Span {
        Span::new(self.file, self.at..self.at + length)
    }

    /// One problem for all of them: a binary file would give thousands.
    fn control_characters(&mut self) {
        let mut bad = self.text.char_indices().filter(|(_, c)| words::is_unreadable(*c));
        let Some((at, first)) = bad.next() else { return };
        let others = bad.count();
        let what = if first == char::REPLACEMENT_CHARACTER {
            "bytes that are not UTF-8".to_string()
        } else {
            format!("the control character U+{:04X}", u32::from(first))
        };
        let more = if others == 0 { String::new() } else { format!(", and {others} more of its kind") };
        let span = Span::new(self.file, at..at + first.len_utf8());
        let problem = Diagnostic::new(Code::NotText, span, format!("the file holds {what}{more}"))
            .at("not readable as text")
            .help("a rule file is plain UTF-8 text; write such characters in texts as `\\u{…}`");
        self.out.problems.push((at, problem));
    }
}
