//! Lines, and the comments between them.
//!
//! Comments are written when what follows them is: one that stood alone on its line stands alone again, one that
//! followed something follows the line that this became.

use crate::lang::ast::Comment;

/// How long a line may become before it is broken.
pub(super) const COLUMNS_MAX: usize = 100;

/// The text as it grows.
pub(super) struct Writer<'a> {
    out: String,
    comments: &'a [Comment],
    /// The text in which the comments stood.
    source: &'a str,
    /// Where in it the last thing written ends.
    written_to: usize,
    /// Whether the last line ends with a comment, so that nothing can follow on it.
    commented: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(comments: &'a [Comment], source: &'a str) -> Writer<'a> {
        Writer { out: String::new(), comments, source, written_to: 0, commented: false }
    }

    /// What was written, with the comments that are left.
    pub(super) fn finish(mut self) -> String {
        self.between_items(usize::MAX);
        self.out
    }

    /// A line, after the comments that stood before `start`.
    pub(super) fn line(&mut self, indent: usize, start: usize, text: &str) {
        self.comments_before(start, indent);
        self.raw_line(indent, text);
    }

    /// A line that belongs to the one before it.
    pub(super) fn raw_line(&mut self, indent: usize, text: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out.push_str(text);
        self.out.push('\n');
        self.commented = false;
    }

    /// Whether a comment stands between two places.
    pub(super) fn has_comment(&self, start: usize, end: usize) -> bool {
        self.comments.iter().map(|c| c.span.range().start).find(|at| *at >= start).is_some_and(|at| at < end)
    }

    /// The end of an item, after the comments inside it.
    pub(super) fn end_item(&mut self, end: usize) {
        self.comments_before(end, 2);
        self.written_to = end;
    }

    /// What stands between two items: comments of the one before, an empty line, comments of the one that follows.
    pub(super) fn between_items(&mut self, start: usize) {
        let first = self.out.is_empty();
        while let Some(comment) = self.next_before(start) {
            let at = comment.span.range().start;
            if first || self.leads_next(at) {
                break;
            }
            self.comment(comment, 2);
        }
        let at_end = start == usize::MAX;
        let more = !at_end || !self.comments.is_empty();
        if more && !first {
            self.out.push('\n');
        }
        let mut any = false;
        while let Some(comment) = self.next_before(start) {
            if any && !self.joined_to_last(comment.span.range().start) {
                self.out.push('\n');
            }
            any = true;
            // What stands here follows an empty line, or another comment: it cannot end the last line.
            self.commented = true;
            self.comment(comment, 0);
        }
        if any && !at_end && !self.joined_to_last(start) {
            self.out.push('\n');
        }
    }

    fn comments_before(&mut self, start: usize, indent: usize) {
        while let Some(comment) = self.next_before(start) {
            self.comment(comment, indent);
        }
    }

    fn next_before(&mut self, start: usize) -> Option<&'a Comment> {
        self.comments.first().filter(|c| c.span.range().start < start)
    }

    /// The next comment: at the end of the last line if that is where it stood, else on its own line.
    fn comment(&mut self, comment: &'a Comment, indent: usize) {
        self.comments = &self.comments[1..];
        let span = comment.span.range();
        if !self.alone(span.start) && !self.commented && self.out.ends_with('\n') {
            self.out.pop();
            self.out.push_str("  ");
            self.out.push_str(&comment.text);
            self.out.push('\n');
        } else {
            self.raw_line(indent, &comment.text);
        }
        self.commented = true;
        self.written_to = span.end;
    }

    /// Whether nothing but white space stands before a place on its line.
    fn alone(&self, at: usize) -> bool {
        self.line_before(at).chars().all(|c| c.is_whitespace() || c == '\u{FEFF}')
    }

    /// Whether a comment belongs to the item after it: it stands alone, and neither below a clause nor indented as one.
    fn leads_next(&self, at: usize) -> bool {
        let of_the_last = self.indented(at) && self.joined_to_last(at);
        self.alone(at) && !of_the_last
    }

    fn indented(&self, at: usize) -> bool {
        !self.line_before(at).is_empty()
    }

    fn line_before(&self, at: usize) -> &str {
        let before = self.source.get(..at).unwrap_or("");
        &before[before.rfind('\n').map_or(0, |n| n + 1)..]
    }

    /// Whether no empty line stands between the last thing written and a place.
    fn joined_to_last(&self, at: usize) -> bool {
        let between = self.source.get(self.written_to..at).unwrap_or("");
        between.matches('\n').count() < 2
    }
}
