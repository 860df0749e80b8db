//! The shapes of messages: what stands between their values, byte for byte.
//!
//! Producers write the messages of one type alike: the same keys in the same order, and only the values differ. What is
//! learned from one message of a shape (that it is JSON, which values the filter reads, that none of their keys occurs
//! twice) holds for the next one without looking at any key. Shapes that begin alike share their beginning, as a tree.
//!
//! A stream may hold ever new shapes, as where keys are ids. So what is kept is bounded, and looking for it is given up
//! for a while where it is mostly in vain.

use std::ops::Range;

use crate::decode::plan::NodeId;
use crate::decode::word::padded;

/// The shapes that were seen.
#[derive(Clone, Debug)]
pub(crate) struct Shapes {
    /// The first stands before any message.
    steps: Vec<Step>,
    /// How many messages more may be of no known shape than are, before looking is given up.
    credit: u32,
    /// How many messages more are not looked up.
    pause: u32,
}

/// What stands before a value, or behind the last one.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Its first bytes, and ones where there are any.
    head: [(u64, u64); Step::HEAD_WORDS],
    text: Box<[u8]>,
    /// The objects that begin in it, as far as they are read.
    pub(crate) objects: Box<[NodeId]>,
    /// The value behind it.
    pub(crate) value: Member,
    /// The first step that was seen behind the value.
    next: StepId,
    /// Another step that was seen instead of this one.
    other: StepId,
}

/// A value in an object, or the end of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) form: Form,
    /// Where it is kept, if it is.
    pub(crate) node: NodeId,
    /// How many objects it is in.
    pub(crate) depth: usize,
}

/// What kind of value it is, as far as it takes to find its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A text; its quotes belong to what stands around it.
    Text,
    /// A number, a list, `true`, `false` or `null`.
    Plain,
    /// None: the message ends here.
    End,
}

/// The number of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepId(u32);

impl StepId {
    /// Before any message.
    pub(crate) const START: StepId = StepId(0);
    const NONE: StepId = StepId(u32::MAX);

    fn index(self) -> usize {
        self.0 as usize
    }
}

impl Shapes {
    /// About a megabyte, where every one is as large as it may be.
    const STEPS_MAX: usize = 2_048;
    /// So many are tried in turn at most.
    const OTHERS_MAX: usize = 16;
    /// A longer message is not learned.
    const VALUES_MAX: usize = 256;
    const CREDIT_MAX: u32 = 1_000;
    /// A pause costs the messages in it the double; looking in vain before it costs the tenth of that.
    const PAUSE: u32 = 10_000;

    /// Whether to look the next message up.
    #[inline]
    pub(crate) fn are_of_use(&mut self) -> bool {
        if self.pause == 0 {
            return true;
        }
        self.pause -= 1;
        if self.pause == 0 {
            *self = Shapes::default();
        }
        false
    }

    /// The step that stands at a place, behind another one and its value; and where it ends.
    #[inline]
    pub(crate) fn next(&self, behind: StepId, bytes: &[u8], at: usize) -> Option<(StepId, &Step, usize)> {
        let mut id = self.steps[behind.index()].next;
        loop {
            let step = self.steps.get(id.index())?;
            if step.is_at(bytes, at) {
                return Some((id, step, at + step.text.len()));
            }
            id = step.other;
        }
    }

    /// A message was of a known shape.
    #[inline]
    pub(crate) fn praise(&mut self) {
        self.credit = (self.credit + 1).min(Shapes::CREDIT_MAX);
    }

    /// Keeps the shape of a message that was of no known one.
    pub(crate) fn learn(&mut self, message: &[u8], draft: &Draft) {
        self.credit -= 1;
        if self.credit == 0 {
            self.pause = Shapes::PAUSE;
        }
        let is_long = |part: &Part| part.text.len() > Step::BYTES_MAX;
        if draft.parts.len() > Shapes::VALUES_MAX || draft.parts.iter().any(is_long) {
            return;
        }
        let (mut id, mut objects) = (StepId::START, 0);
        for part in &draft.parts {
            let step = Step::new(&message[part.text.clone()], &draft.objects[objects..part.objects_end], part.value);
            let Some(next) = self.insert(id, step) else { return };
            (id, objects) = (next, part.objects_end);
        }
    }

    /// The known step behind another one that is equal to this one, or this one, if there is room.
    fn insert(&mut self, behind: StepId, step: Step) -> Option<StepId> {
        let (mut last, mut others) = (None, 0);
        let mut id = self.steps[behind.index()].next;
        while let Some(known) = self.steps.get(id.index()) {
            if known.text == step.text && known.value == step.value {
                return Some(id);
            }
            (last, others) = (Some(id), others + 1);
            id = known.other;
        }
        if others == Shapes::OTHERS_MAX || self.steps.len() == Shapes::STEPS_MAX {
            return None;
        }
        let id = StepId(u32::try_from(self.steps.len()).expect("far below 2^32"));
        self.steps.push(step);
        match last {
            Some(last) => self.steps[last.index()].other = id,
            None => self.steps[behind.index()].next = id,
        }
        Some(id)
    }
}

impl Default for Shapes {
    fn default() -> Self {
        Shapes { steps: vec![Step::new(b"", &[], Member::END)], credit: Shapes::CREDIT_MAX, pause: 0 }
    }
}

impl Member {
    const END: Member = Member { form: Form::End, node: NodeId::NONE, depth: 0 };
}

impl Step {
    /// Most keys with what is around them are not longer, and so compared without a call to memcmp.
    const HEAD_WORDS: usize = 3;
    const HEAD: usize = 8 * Step::HEAD_WORDS;
    /// A longer text is not learned.
    const BYTES_MAX: usize = 256;

    fn new(text: &[u8], objects: &[NodeId], value: Member) -> Step {
        let mut head = [(0, 0); Step::HEAD_WORDS];
        for (head, bytes) in head.iter_mut().zip(text.chunks(8)) {
            *head = (padded(bytes), padded(&[0xff; 8][..bytes.len()]));
        }
        Step { head, text: text.into(), objects: objects.into(), value, next: StepId::NONE, other: StepId::NONE }
    }

    #[inline]
    fn is_at(&self, bytes: &[u8], at: usize) -> bool {
        let Some(rest) = bytes.get(at..) else { return false };
        let is_text_there = match rest.first_chunk::<{ Step::HEAD }>() {
            Some(first) => {
                let words = first.as_chunks::<8>().0.iter().zip(self.head);
                let differ =
                    words.fold(0, |all, (bytes, (word, ones))| all | (u64::from_le_bytes(*bytes) ^ word) & ones);
                differ == 0 && (self.text.len() <= Step::HEAD || rest.starts_with(&self.text))
            }
            None => rest.starts_with(&self.text),
        };
        is_text_there && self.fits(rest)
    }

    /// Whether behind the text there may be the value. One text may begin another: that before a number also stands
    /// before a text, but for the quote.
    #[inline]
    fn fits(&self, rest: &[u8]) -> bool {
        match self.value.form {
            Form::Text => true,
            Form::Plain => !matches!(rest.get(self.text.len()), Some(b'"' | b'{')),
            Form::End => rest.len() == self.text.len(),
        }
    }
}

/// A shape that is noted while a message is scanned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    parts: Vec<Part>,
    /// The objects of all parts.
    objects: Vec<NodeId>,
    /// Where the last value ends.
    end: usize,
}

/// What becomes a step.
#[derive(Clone, Debug)]
struct Part {
    text: Range<usize>,
    /// Where its objects end; they begin where those of the part before end.
    objects_end: usize,
    value: Member,
}

impl Draft {
    /// Forgets everything, for another message.
    pub(crate) fn clear(&mut self) {
        self.parts.clear();
        self.objects.clear();
        self.end = 0;
    }

    /// An object begins.
    pub(crate) fn object(&mut self, node: NodeId) {
        if node != NodeId::NONE {
            self.objects.push(node);
        }
    }

    /// A value that is no object, from its first byte to behind its last one.
    pub(crate) fn value(&mut self, place: Range<usize>, value: Member) {
        let quote = usize::from(value.form == Form::Text);
        self.parts.push(Part { text: self.end..place.start + quote, objects_end: self.objects.len(), value });
        self.end = place.end - quote;
    }

    /// The message ends.
    pub(crate) fn end(&mut self, length: usize) {
        self.value(length..length, Member::END);
    }
}
