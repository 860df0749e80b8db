//! What a message leaves of one path of the filter, and the visitors through which the parser leaves it. Kinds are not
//! known here.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::{SmallVec, smallvec};

use crate::decode::plan::{NodeId, PathTable, Plan};

/// A JSON value as far as any kind needs it. Texts and lists are ranges of what [`Found`] holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Raw {
    /// The key is not in the message.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// An integer of 64 bits.
    Integer(i64),
    /// An integer above 64 bits with a sign.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// Text without escapes, as it stands in the message.
    Slice(Span),
    /// Text that was copied out of the message.
    Copied(Span),
    /// A list at a path where some type declares a list or a point.
    List(Span),
    /// An object in such a list: the first of two elements is its latitude, the other its longitude.
    Place(Span),
    /// An object; what is read of it stands at the paths below.
    Object,
    /// A list or an object of which nothing is read.
    Other,
}

impl Raw {
    /// Whether the path holds nothing: no key, or `null`.
    #[inline]
    pub(crate) fn is_missing(self) -> bool {
        matches!(self, Raw::Absent | Raw::Null)
    }
}

/// Where something begins and ends. Of 32 bits, so that a [`Raw`] is two words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The most that a span can hold.
    pub(crate) const MAX: usize = u32::MAX as usize;

    /// A span below [`Span::MAX`].
    #[inline]
    pub(crate) fn new(range: Range<usize>) -> Span {
        debug_assert!(range.end <= Span::MAX);
        #[expect(clippy::cast_possible_truncation, reason = "messages beyond it are not scanned")]
        Span { start: range.start as u32, end: range.end as u32 }
    }

    #[inline]
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What was found in a message, by the number of the path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// One for each node of the filter.
    raws: Vec<Raw>,
    /// The nodes at which there is something.
    present: Vec<NodeId>,
    /// The texts that were copied, one behind the other.
    texts: String,
    /// The elements of lists, each list's together.
    elements: Vec<Raw>,
    /// The node whose key occurred twice, which ended the parse.
    pub(crate) duplicate: Option<NodeId>,
}

impl Found {
    /// Nothing found yet, for a filter of so many nodes.
    pub(crate) fn new(nodes: usize) -> Found {
        Found { raws: vec![Raw::Absent; nodes], present: Vec::with_capacity(nodes), ..Found::default() }
    }

    /// What is at a node.
    #[inline]
    pub(crate) fn at(&self, node: NodeId) -> Raw {
        self.raws[node.index()]
    }

    /// The text, where it is text.
    #[inline]
    pub(crate) fn text<'a>(&'a self, raw: Raw, message: &'a str) -> Option<&'a str> {
        match raw {
            Raw::Slice(span) => message.get(span.range()),
            Raw::Copied(span) => self.texts.get(span.range()),
            _ => None,
        }
    }

    /// The elements of a list or of an object in a list.
    pub(crate) fn elements(&self, span: Span) -> &[Raw] {
        &self.elements[span.range()]
    }

    /// Keeps what is at a node where nothing was yet; what is at none is dropped.
    #[inline]
    pub(crate) fn put(&mut self, node: NodeId, raw: Raw) {
        if node == NodeId::NONE {
            return;
        }
        debug_assert!(matches!(self.at(node), Raw::Absent), "a second value for {node:?}");
        self.raws[node.index()] = raw;
        self.present.push(node);
    }

    fn copy(&mut self, text: &str) -> Raw {
        let start = self.texts.len();
        self.texts.push_str(text);
        Raw::Copied(Span::new(start..self.texts.len()))
    }

    fn keep(&mut self, elements: &[Raw]) -> Span {
        let start = self.elements.len();
        self.elements.extend_from_slice(elements);
        Span::new(start..self.elements.len())
    }

    /// Forgets everything, for another message. The time it takes is that of what is there, however large the filter is.
    #[inline]
    pub(crate) fn clear(&mut self) {
        for node in self.present.drain(..) {
            self.raws[node.index()] = Raw::Absent;
        }
        self.texts.clear();
        self.elements.clear();
        self.duplicate = None;
    }
}

/// Reads the value at one node of the filter into its place.
pub(crate) struct NodeSeed<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) node: NodeId,
    pub(crate) found: &'a mut Found,
}

impl NodeSeed<'_> {
    fn put(self, raw: Raw) {
        self.found.put(self.node, raw);
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.put(Raw::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.put(Raw::Boolean(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.put(Raw::Integer(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.put(unsigned(value));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.put(Raw::Float(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let raw = self.found.copy(value);
        self.put(raw);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        let levels = self.plan.node(self.node).list_levels;
        let list = read_list(seq, levels, self.found)?;
        self.put(list);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.found.put(self.node, Raw::Object);
        read_object(map, self.plan, self.node, self.found)
    }
}

/// Reads an object's keys that stand in the filter; the others are checked and dropped.
fn read_object<'de, A: MapAccess<'de>>(
    mut map: A,
    plan: &Plan,
    node: NodeId,
    found: &mut Found,
) -> Result<(), A::Error> {
    let keys = &plan.node(node).children;
    while let Some(key) = map.next_key_seed(KeySeed(keys))? {
        match key {
            None => {
                map.next_value::<IgnoredAny>()?;
            }
            Some(child) if matches!(found.at(child), Raw::Absent) => {
                map.next_value_seed(NodeSeed { plan, node: child, found })?;
            }
            Some(child) => {
                found.duplicate = Some(child);
                return Err(A::Error::custom("a field occurs twice"));
            }
        }
    }
    Ok(())
}

/// Reads a list, with as many levels of lists within it as some kind can use.
fn read_list<'de, A: SeqAccess<'de>>(mut seq: A, levels: usize, found: &mut Found) -> Result<Raw, A::Error> {
    if levels == 0 {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        return Ok(Raw::Other);
    }
    let mut elements: SmallVec<[Raw; 8]> = smallvec![];
    while let Some(element) = seq.next_element_seed(ElementSeed { levels: levels - 1, found })? {
        elements.push(element);
    }
    Ok(Raw::List(found.keep(&elements)))
}

/// Looks a key up in a table, with its escapes resolved.
struct KeySeed<'a>(&'a PathTable);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<NodeId>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<NodeId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.get(key).map(NodeId))
    }
}

/// Reads one element of a list.
struct ElementSeed<'a> {
    levels: usize,
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = Raw;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ElementSeed<'_> {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(self.found.copy(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Raw, A::Error> {
        read_list(seq, self.levels, self.found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut place = [Raw::Absent, Raw::Absent];
        while let Some(key) = map.next_key_seed(PlaceKeySeed)? {
            match key {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(axis) if matches!(place[axis], Raw::Absent) => {
                    place[axis] = map.next_value_seed(ElementSeed { levels: 0, found: self.found })?;
                }
                // Either of the two could be meant, so there is no place here. The list's other elements stand.
                Some(axis) => {
                    map.next_value::<IgnoredAny>()?;
                    place[axis] = Raw::Other;
                }
            }
        }
        Ok(Raw::Place(self.found.keep(&place)))
    }
}

/// Looks a key up among those of a point: 0 is the latitude, 1 the longitude.
struct PlaceKeySeed;

impl<'de> DeserializeSeed<'de> for PlaceKeySeed {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for PlaceKeySeed {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(match key {
            "latitude" => Some(0),
            "longitude" => Some(1),
            _ => None,
        })
    }
}

fn unsigned(value: u64) -> Raw {
    i64::try_from(value).map_or(Raw::Unsigned(value), Raw::Integer)
}
