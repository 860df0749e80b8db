//! The scan: a message in one pass under the field filter, its texts eight bytes at a time, and without looking at its
//! keys where it has the shape of one before.
//!
//! It knows JSON as it is mostly written, and says nothing about what it does not pass: that is the parser's to judge,
//! which is slower and has the words. What the scan passes, the parser would pass with the same result.

use std::ops::Range;

use serde::de::DeserializeSeed;

use crate::decode::plan::{NodeId, Plan};
use crate::decode::raw::{Found, NodeSeed, Raw, Span};
use crate::decode::shape::{Draft, Form, Member, Shapes, StepId};
use crate::decode::word::{eight_digits, first_stop, length_before, word};

/// Scans one message after another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    shapes: Shapes,
    draft: Draft,
}

impl Scanner {
    /// Finds what the filter reads of a message, which then is UTF-8. None where the parser must look at it: it is no
    /// JSON object, it is nested too deeply, a key that may be read holds an escape or occurs twice, or a number that is
    /// read exceeds a float.
    #[inline]
    pub(crate) fn scan<'de>(
        &mut self,
        bytes: &'de [u8],
        plan: &Plan,
        depth_max: usize,
        found: &mut Found,
    ) -> Option<&'de str> {
        let text = simdutf8::basic::from_utf8(bytes).ok()?;
        if bytes.len() > Span::MAX {
            return None;
        }
        let is_learning = self.shapes.are_of_use();
        let mut scan = Scan { bytes, text, plan, depth_max, found, draft: None };
        scan.found.clear();
        if is_learning && scan.by_shape(&self.shapes).is_some() {
            self.shapes.praise();
            return Some(text);
        }
        scan.found.clear();
        self.draft.clear();
        scan.draft = is_learning.then_some(&mut self.draft);
        scan.message()?;
        if is_learning {
            self.draft.end(bytes.len());
            self.shapes.learn(bytes, &self.draft);
        }
        Some(text)
    }
}

/// A message in the course of its scan.
struct Scan<'a> {
    bytes: &'a [u8],
    text: &'a str,
    plan: &'a Plan,
    depth_max: usize,
    found: &'a mut Found,
    /// Where its shape is noted, if it is.
    draft: Option<&'a mut Draft>,
}

/// Where a text ends.
struct TextEnd {
    /// The place of the quote.
    quote: usize,
    /// Whether there are escapes before it.
    is_escaped: bool,
}

/// Each step takes the place where it begins and gives the place behind what it has passed.
impl Scan<'_> {
    /// A message of a known shape.
    #[inline]
    fn by_shape(&mut self, shapes: &Shapes) -> Option<()> {
        let (mut id, mut at) = (StepId::START, 0);
        loop {
            let (next, step, start) = shapes.next(id, self.bytes, at)?;
            for &object in &step.objects {
                self.found.put(object, Raw::Object);
            }
            let Member { form, node, depth } = step.value;
            at = match form {
                Form::Text => self.string(start - 1, node)? - 1,
                Form::Plain => self.other(start, *self.bytes.get(start)?, node, depth)?,
                Form::End => return Some(()),
            };
            id = next;
        }
    }

    /// A message of any shape.
    fn message(&mut self) -> Option<()> {
        let (start, first) = self.token(0)?;
        if first != b'{' {
            return None;
        }
        let end = self.object(start, NodeId::ROOT, 1)?;
        (self.behind_spaces(end) == self.bytes.len()).then_some(())
    }

    /// The next byte that is no space, and its place.
    #[inline]
    fn token(&self, at: usize) -> Option<(usize, u8)> {
        let byte = *self.bytes.get(at)?;
        if byte > b' ' {
            return Some((at, byte));
        }
        let at = self.behind_spaces(at);
        Some((at, *self.bytes.get(at)?))
    }

    #[cold]
    fn behind_spaces(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
    }

    /// An object; what the filter reads of it stands below its own node.
    fn object(&mut self, at: usize, node: NodeId, depth: usize) -> Option<usize> {
        if depth > self.depth_max {
            return None;
        }
        self.found.put(node, Raw::Object);
        if let Some(draft) = &mut self.draft {
            draft.object(node);
        }
        let (mut at, mut byte) = self.token(at + 1)?;
        if byte == b'}' {
            return Some(at + 1);
        }
        loop {
            if byte != b'"' {
                return None;
            }
            let (key_end, child) = self.key(at + 1, node)?;
            (at, byte) = self.token(key_end)?;
            if byte != b':' {
                return None;
            }
            (at, byte) = self.token(at + 1)?;
            let end = if byte == b'"' { self.string(at, child)? } else { self.other(at, byte, child, depth)? };
            if byte != b'{'
                && let Some(draft) = &mut self.draft
            {
                let form = if byte == b'"' { Form::Text } else { Form::Plain };
                draft.value(at..end, Member { form, node: child, depth });
            }
            (at, byte) = self.token(end)?;
            if byte != b',' {
                return (byte == b'}').then_some(at + 1);
            }
            (at, byte) = self.token(at + 1)?;
        }
    }

    /// A list, of which nothing is kept.
    fn list(&mut self, at: usize, depth: usize) -> Option<usize> {
        if depth > self.depth_max {
            return None;
        }
        let (mut at, mut byte) = self.token(at + 1)?;
        if byte == b']' {
            return Some(at + 1);
        }
        loop {
            at = if byte == b'"' { self.string(at, NodeId::NONE)? } else { self.other(at, byte, NodeId::NONE, depth)? };
            (at, byte) = self.token(at)?;
            if byte != b',' {
                return (byte == b']').then_some(at + 1);
            }
            (at, byte) = self.token(at + 1)?;
        }
    }

    /// A key behind its first quote, and its node.
    #[inline]
    fn key(&self, start: usize, parent: NodeId) -> Option<(usize, NodeId)> {
        let end = self.text_end(start)?;
        if parent == NodeId::NONE {
            return Some((end.quote + 1, NodeId::NONE));
        }
        if end.is_escaped {
            return None;
        }
        let name = self.text.get(start..end.quote)?;
        let child = self.plan.node(parent).children.get(name).map_or(NodeId::NONE, NodeId);
        let is_duplicate = child != NodeId::NONE && !matches!(self.found.at(child), Raw::Absent);
        (!is_duplicate).then_some((end.quote + 1, child))
    }

    /// A text as a value.
    #[inline]
    fn string(&mut self, at: usize, node: NodeId) -> Option<usize> {
        let end = self.text_end(at + 1)?;
        if end.is_escaped {
            return self.parse(node, at..end.quote + 1);
        }
        self.found.put(node, Raw::Slice(Span::new(at + 1..end.quote)));
        Some(end.quote + 1)
    }

    #[inline]
    fn text_end(&self, mut at: usize) -> Option<TextEnd> {
        loop {
            let stop = first_stop(word(self.bytes, at));
            if stop != 0 {
                at += length_before(stop);
                break;
            }
            at += 8;
        }
        match *self.bytes.get(at)? {
            b'"' => Some(TextEnd { quote: at, is_escaped: false }),
            b'\\' => self.escaped_text_end(at),
            _ => None,
        }
    }

    #[cold]
    fn escaped_text_end(&self, mut at: usize) -> Option<TextEnd> {
        loop {
            at += match self.bytes.get(at..)? {
                [b'"', ..] => return Some(TextEnd { quote: at, is_escaped: true }),
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                [b'\\', b'u', digits @ ..] if digits.first_chunk::<4>()?.iter().all(u8::is_ascii_hexdigit) => 6,
                [b'\\' | ..b' ', ..] | [] => return None,
                _ => 1,
            }
        }
    }

    /// A value that is no text.
    fn other(&mut self, at: usize, byte: u8, node: NodeId, depth: usize) -> Option<usize> {
        match byte {
            b'{' => self.object(at, node, depth + 1),
            b'[' => {
                // A list is one value of a shape, whatever is in it.
                let draft = self.draft.take();
                let end = self.list(at, depth + 1)?;
                self.draft = draft;
                if node != NodeId::NONE && self.plan.node(node).list_levels > 0 {
                    return self.parse(node, at..end);
                }
                self.found.put(node, Raw::Other);
                Some(end)
            }
            b't' => self.literal(at, b"true", node, Raw::Boolean(true)),
            b'f' => self.literal(at, b"false", node, Raw::Boolean(false)),
            b'n' => self.literal(at, b"null", node, Raw::Null),
            _ => self.number(at, byte, node),
        }
    }

    fn literal(&mut self, at: usize, word: &[u8], node: NodeId, raw: Raw) -> Option<usize> {
        if !self.bytes[at..].starts_with(word) {
            return None;
        }
        self.found.put(node, raw);
        Some(at + word.len())
    }

    /// Has the parser read a value that is passed.
    #[cold]
    fn parse(&mut self, node: NodeId, range: Range<usize>) -> Option<usize> {
        let end = range.end;
        if node != NodeId::NONE {
            let mut parser = sonic_rs::Deserializer::from_str(self.text.get(range)?);
            NodeSeed { plan: self.plan, node, found: self.found }.deserialize(&mut parser).ok()?;
            parser.end().ok()?;
        }
        Some(end)
    }

    /// A number; where it is not short and simple, the parser reads it.
    #[inline]
    fn number(&mut self, start: usize, byte: u8, node: NodeId) -> Option<usize> {
        let is_negative = byte == b'-';
        let first = start + usize::from(is_negative);
        let (mut at, mut mantissa) = self.digits(first, 0)?;
        if at - first > 1 && self.bytes[first] == b'0' {
            return None;
        }
        let mut decimals = 0;
        if self.bytes.get(at) == Some(&b'.') {
            let point = at;
            (at, mantissa) = self.digits(point + 1, mantissa)?;
            decimals = at - (point + 1);
        }
        if let Some(b'e' | b'E') = self.bytes.get(at) {
            let is_signed = matches!(self.bytes.get(at + 1), Some(b'+' | b'-'));
            (at, _) = self.digits(at + 1 + usize::from(is_signed), 0)?;
            return self.parse(node, start..at);
        }
        let is_simple = at - first < SIMPLE && !(is_negative && mantissa == 0);
        match i64::try_from(mantissa) {
            Ok(mantissa) if is_simple => {
                let signed = if is_negative { -mantissa } else { mantissa };
                // Both are exact as floats, so that the quotient is the float next to the number.
                let raw = if decimals == 0 { Raw::Integer(signed) } else { Raw::Float(signed as f64 / TENS[decimals]) };
                self.found.put(node, raw);
                Some(at)
            }
            _ => self.parse(node, start..at),
        }
    }

    /// At least one digit, and the number that they continue; it wraps where there are too many.
    #[inline]
    fn digits(&self, start: usize, mut number: u64) -> Option<(usize, u64)> {
        let mut at = start;
        if let Some(eight) = eight_digits(word(self.bytes, at)) {
            number = number.wrapping_mul(100_000_000).wrapping_add(eight);
            at += 8;
        }
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(at) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            at += 1;
        }
        (at > start).then_some((at, number))
    }
}

/// A number of fewer characters, without its sign, is below 2^53.
const SIMPLE: usize = 16;

/// The powers of ten.
const TENS: [f64; SIMPLE] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
