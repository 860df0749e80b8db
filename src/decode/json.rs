//! The JSON decoder. Parses through sonic-rs under the field filter; the whole message is checked, whatever is read.
//!
//! Two things are stricter than the parser: escapes in text that is skipped, and keys that are read and occur twice.

use serde::de::DeserializeSeed;

use crate::decode::DecodeError;
use crate::decode::convert::{Source, convert, event_id, event_time};
use crate::decode::guard::{bad_escape, is_too_deep, without_huge_numbers};
use crate::decode::plan::{FieldNames, NodeId, Plan, TypeNodes};
use crate::decode::raw::{Found, NodeSeed, Raw};
use crate::decode::scan::Scanner;
use crate::event::{Event, Text, Value};
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
    /// What was found in the last message; its memory is reused.
    found: Found,
    scanner: Scanner,
}

impl JsonDecoder {
    /// A decoder for what `program` reads of messages whose type, time and id stand at `names`.
    pub fn new(program: &Program, names: &FieldNames, limits: DecodeLimits) -> JsonDecoder {
        let depth_max = limits.depth_max.min(DecodeLimits::DEPTH_CEILING);
        let plan = Plan::new(program, names);
        let found = Found::new(plan.len());
        JsonDecoder { plan, limits: DecodeLimits { depth_max, ..limits }, found, scanner: Scanner::default() }
    }

    /// Decodes one message into `event`, whose list of values is reused. Its position is the caller's to set; after an
    /// error the event is of no use until the next decode.
    ///
    /// An event of an undeclared type has no `type_id` and no values. An id of another kind than text or a 64-bit
    /// integer is no id.
    #[inline]
    pub fn decode(&mut self, bytes: &[u8], event: &mut Event) -> Result<(), DecodeError> {
        let DecodeLimits { bytes_max, depth_max } = self.limits;
        if bytes.len() > bytes_max {
            return Err(DecodeError::TooLarge { bytes: bytes.len(), limit: bytes_max });
        }
        match self.scanner.scan(bytes, &self.plan, depth_max, &mut self.found) {
            Some(message) => self.fill(message, message, event),
            None => self.decode_by_parser(bytes, event),
        }
    }

    /// Decodes a message that the scan does not know what to make of: mostly one to refuse.
    #[cold]
    pub(super) fn decode_by_parser(&mut self, bytes: &[u8], event: &mut Event) -> Result<(), DecodeError> {
        let text = self.check(bytes)?;
        match self.parse(bytes) {
            Err(DecodeError::NotJson { at, problem }) => match without_huge_numbers(bytes) {
                Some(smaller) => self.parse(&smaller)?,
                None => return Err(DecodeError::NotJson { at, problem }),
            },
            parsed => parsed?,
        }
        self.fill("", text, event)
    }

    /// What is checked before the parser sees the message. Gives it as text.
    fn check<'a>(&self, bytes: &'a [u8]) -> Result<&'a str, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::NotUtf8 { at: error.valid_up_to() })?;
        let limit = self.limits.depth_max;
        if is_too_deep(bytes, limit) {
            return Err(DecodeError::TooDeep { limit });
        }
        match bad_escape(bytes) {
            Some(at) => Err(DecodeError::NotJson { at, problem: "invalid escape".to_owned() }),
            None => Ok(text),
        }
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.found.clear();
        let mut parser = sonic_rs::Deserializer::from_slice(bytes);
        let root = NodeSeed { plan: &self.plan, node: NodeId::ROOT, found: &mut self.found };
        let parsed = root.deserialize(&mut parser).and_then(|()| parser.end());
        match (parsed, self.found.duplicate, self.found.at(NodeId::ROOT)) {
            (Ok(()), _, Raw::Object) => Ok(()),
            (Ok(()), ..) => Err(DecodeError::NotAnObject),
            (Err(_), Some(node), _) => Err(DecodeError::DuplicateField { field: self.plan.path(node).to_owned() }),
            (Err(error), None, _) => Err(not_json(&error)),
        }
    }

    /// Makes the event of what was found in a message. What was not copied out of it stands in `message`; `whole` is all
    /// of it.
    #[inline]
    fn fill(&self, message: &str, whole: &str, event: &mut Event) -> Result<(), DecodeError> {
        let source = Source { found: &self.found, message };
        event.values.clear();
        event.type_id = self.type_id(source)?;
        event.time_ms = self.time(source)?;
        event.id = self.first(&self.plan.id).and_then(|(_, raw)| event_id(raw, source));
        if let Some(reads) = event.type_id.and_then(|id| self.plan.values.get(id.index())) {
            event.values.extend(reads.fields.iter().map(|read| convert(read, source)));
            if reads.whole {
                event.values.push(Value::Text(Text::from(whole)));
            }
        }
        Ok(())
    }

    #[inline]
    fn type_id(&self, source: Source<'_>) -> Result<Option<TypeId>, DecodeError> {
        let nodes = match &self.plan.event_type {
            TypeNodes::Fixed(id) => return Ok(id.map(TypeId)),
            TypeNodes::Nodes(nodes) => nodes,
        };
        let (node, raw) = self.first(nodes).ok_or_else(|| DecodeError::NoType { fields: self.listed(nodes) })?;
        match source.text(raw) {
            None | Some("") => Err(DecodeError::BadType { field: self.plan.path(node).to_owned() }),
            Some(name) => Ok(self.plan.types.get(name).map(TypeId)),
        }
    }

    #[inline]
    fn time(&self, source: Source<'_>) -> Result<i64, DecodeError> {
        let nodes = &self.plan.time;
        let (node, raw) = self.first(nodes).ok_or_else(|| DecodeError::NoTime { fields: self.listed(nodes) })?;
        event_time(raw, source).ok_or_else(|| DecodeError::BadTime { field: self.plan.path(node).to_owned() })
    }

    /// The first of the nodes that holds anything.
    #[inline]
    fn first(&self, nodes: &[NodeId]) -> Option<(NodeId, Raw)> {
        nodes.iter().map(|&node| (node, self.found.at(node))).find(|(_, raw)| !raw.is_missing())
    }

    fn listed(&self, nodes: &[NodeId]) -> String {
        let quoted: Vec<String> = nodes.iter().map(|&node| format!("`{}`", self.plan.path(node))).collect();
        quoted.join(", ")
    }
}

fn not_json(error: &sonic_rs::Error) -> DecodeError {
    // The parser's message goes on with its place and a piece of the text; the place is told apart, the text is not.
    let message = error.to_string();
    let problem = message.split(" at line ").next().unwrap_or_default();
    DecodeError::NotJson { at: error.offset(), problem: problem.to_lowercase() }
}
