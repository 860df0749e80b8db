//! The JSON decoder. Parses through sonic-rs under the field filter; the whole message is checked, whatever is read.
//!
//! Two things are stricter than the parser: escapes in text that is skipped, and keys that are read and occur twice.

use serde::de::DeserializeSeed;

use crate::decode::DecodeError;
use crate::decode::convert::{convert, event_id, event_time};
use crate::decode::guard::{Survey, bad_escape, without_huge_numbers};
use crate::decode::plan::{FieldNames, NodeId, Plan, TypeNodes};
use crate::decode::raw::{Found, NodeSeed, Raw};
use crate::event::Event;
use crate::program::Program;
use crate::schema::TypeId;

/// How large a message may be. What is beyond is refused before it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The most bytes of one message.
    pub bytes_max: usize,
    /// The most levels of objects and lists within each other, up to [`DecodeLimits::DEPTH_CEILING`].
    pub depth_max: usize,
}

impl DecodeLimits {
    /// A higher `depth_max` counts as this one: the parser is recursive, and the stack of a thread must hold it.
    pub const DEPTH_CEILING: usize = 200;
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits { bytes_max: 1 << 20, depth_max: 64 }
    }
}

/// Makes events of JSON objects: only the fields that one program reads.
///
/// ```
/// use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder};
/// use tripline::event::Event;
/// use tripline::program::Program;
///
/// let mut decoder = JsonDecoder::new(&Program::default(), &FieldNames::default(), DecodeLimits::default());
/// let mut event = Event::default();
/// decoder.decode(br#"{"type":"login","ts":1000,"id":7}"#, &mut event)?;
/// assert_eq!((event.time_ms, event.id.as_deref()), (1000, Some("7")));
///
/// let error = decoder.decode(b"[]", &mut event).unwrap_err();
/// assert_eq!(error.reason(), "not_an_object");
/// # Ok::<(), tripline::decode::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct JsonDecoder {
    plan: Plan,
    limits: DecodeLimits,
    /// The list that the last message was collected in, emptied.
    unused: Vec<Raw<'static>>,
}

impl JsonDecoder {
    /// A decoder for what `program` reads of messages whose type, time and id stand at `names`.
    pub fn new(program: &Program, names: &FieldNames, limits: DecodeLimits) -> JsonDecoder {
        let depth_max = limits.depth_max.min(DecodeLimits::DEPTH_CEILING);
        JsonDecoder {
            plan: Plan::new(program, names),
            limits: DecodeLimits { depth_max, ..limits },
            unused: Vec::new(),
        }
    }

    /// Decodes one message into `event`, whose list of values is reused. Its position is the caller's to set; after an
    /// error the event is of no use until the next decode.
    ///
    /// An event of an undeclared type has no `type_id` and no values. An id of another kind than text or a 64-bit
    /// integer is no id.
    pub fn decode(&mut self, bytes: &[u8], event: &mut Event) -> Result<(), DecodeError> {
        self.check(bytes)?;
        match self.decode_checked(bytes, event) {
            Err(DecodeError::NotJson { at, problem }) => match without_huge_numbers(bytes) {
                Some(smaller) => self.decode_checked(&smaller, event),
                None => Err(DecodeError::NotJson { at, problem }),
            },
            other => other,
        }
    }

    /// What is checked before the parser sees the message.
    #[inline]
    fn check(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        let DecodeLimits { bytes_max, depth_max } = self.limits;
        if bytes.len() > bytes_max {
            return Err(DecodeError::TooLarge { bytes: bytes.len(), limit: bytes_max });
        }
        let survey = Survey::of(bytes);
        if !survey.is_ascii {
            std::str::from_utf8(bytes).map_err(|error| DecodeError::NotUtf8 { at: error.valid_up_to() })?;
        }
        if survey.is_too_deep(bytes, depth_max) {
            return Err(DecodeError::TooDeep { limit: depth_max });
        }
        match survey.has_backslash.then(|| bad_escape(bytes)).flatten() {
            Some(at) => Err(DecodeError::NotJson { at, problem: "invalid escape".to_owned() }),
            None => Ok(()),
        }
    }

    #[inline]
    fn decode_checked(&mut self, bytes: &[u8], event: &mut Event) -> Result<(), DecodeError> {
        let mut found = Found::new(std::mem::take(&mut self.unused), self.plan.len());
        let decoded = self.parse(bytes, &mut found).and_then(|()| self.fill(&found, event));
        self.unused = found.recycle();
        decoded
    }

    #[inline]
    fn parse<'de>(&self, bytes: &'de [u8], found: &mut Found<'de>) -> Result<(), DecodeError> {
        let mut parser = sonic_rs::Deserializer::from_slice(bytes);
        let root = NodeSeed { plan: &self.plan, node: NodeId::ROOT, found };
        let parsed = root.deserialize(&mut parser).and_then(|()| parser.end());
        match (parsed, found.duplicate, &found.raws[NodeId::ROOT.index()]) {
            (Ok(()), _, Raw::Object) => Ok(()),
            (Ok(()), ..) => Err(DecodeError::NotAnObject),
            (Err(_), Some(node), _) => Err(DecodeError::DuplicateField { field: self.plan.path(node).to_owned() }),
            (Err(error), None, _) => Err(not_json(&error)),
        }
    }

    #[inline]
    fn fill(&self, found: &Found<'_>, event: &mut Event) -> Result<(), DecodeError> {
        event.values.clear();
        event.type_id = self.type_id(found)?;
        event.time_ms = self.time(found)?;
        event.id = first(&self.plan.id, found).and_then(|(_, raw)| event_id(raw));
        if let Some(reads) = event.type_id.and_then(|id| self.plan.values.get(id.index())) {
            event.values.extend(reads.iter().map(|read| convert(read, &found.raws)));
        }
        Ok(())
    }

    #[inline]
    fn type_id(&self, found: &Found<'_>) -> Result<Option<TypeId>, DecodeError> {
        let nodes = match &self.plan.event_type {
            TypeNodes::Fixed(id) => return Ok(id.map(TypeId)),
            TypeNodes::Nodes(nodes) => nodes,
        };
        let (node, raw) = first(nodes, found).ok_or_else(|| DecodeError::NoType { fields: self.listed(nodes) })?;
        match raw.as_str() {
            None | Some("") => Err(DecodeError::BadType { field: self.plan.path(node).to_owned() }),
            Some(name) => Ok(self.plan.types.get(name).map(TypeId)),
        }
    }

    #[inline]
    fn time(&self, found: &Found<'_>) -> Result<i64, DecodeError> {
        let nodes = &self.plan.time;
        let (node, raw) = first(nodes, found).ok_or_else(|| DecodeError::NoTime { fields: self.listed(nodes) })?;
        event_time(raw).ok_or_else(|| DecodeError::BadTime { field: self.plan.path(node).to_owned() })
    }

    fn listed(&self, nodes: &[NodeId]) -> String {
        let quoted: Vec<String> = nodes.iter().map(|&node| format!("`{}`", self.plan.path(node))).collect();
        quoted.join(", ")
    }
}

/// The first of the nodes that holds anything.
#[inline]
fn first<'a, 'de>(nodes: &[NodeId], found: &'a Found<'de>) -> Option<(NodeId, &'a Raw<'de>)> {
    nodes.iter().map(|&node| (node, &found.raws[node.index()])).find(|(_, raw)| !raw.is_missing())
}

fn not_json(error: &sonic_rs::Error) -> DecodeError {
    // The parser's message goes on with its place and a piece of the text; the place is told apart, the text is not.
    let message = error.to_string();
    let problem = message.split(" at line ").next().unwrap_or_default();
    DecodeError::NotJson { at: error.offset(), problem: problem.to_lowercase() }
}
