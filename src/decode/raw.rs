//! What the parse leaves of one path of the filter, and the visitors that leave it. Borrows from the message where it
//! can; kinds are not known here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::{SmallVec, smallvec};

use crate::decode::plan::{NodeId, PathTable, Plan};

/// A JSON value as far as any kind needs it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Raw<'de> {
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
    /// Text without escapes.
    Borrowed(&'de str),
    /// Text that had escapes.
    Owned(Box<str>),
    /// A list at a path where some type declares a list or a point.
    List(Box<[Raw<'de>]>),
    /// An object in such a list: its latitude and its longitude.
    Place(Box<[Raw<'de>; 2]>),
    /// An object; what is read of it stands at the paths below.
    Object,
    /// A list or an object of which nothing is read.
    Other,
}

impl Raw<'_> {
    /// The text, where it is text.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Raw::Borrowed(text) => Some(text),
            Raw::Owned(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the path holds nothing: no key, or `null`.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Raw::Absent | Raw::Null)
    }
}

/// What the parse has found so far, by the number of the path.
pub(crate) struct Found<'de> {
    /// One for each node of the filter.
    pub(crate) raws: Vec<Raw<'de>>,
    /// The node whose key occurred twice, which ended the parse.
    pub(crate) duplicate: Option<NodeId>,
}

impl<'de> Found<'de> {
    /// Nothing found yet, for a filter of so many nodes. `unused` comes from [`Found::recycle`] or is empty.
    #[inline]
    pub(crate) fn new(unused: Vec<Raw<'de>>, nodes: usize) -> Self {
        let mut raws = unused;
        if raws.len() != nodes {
            raws.resize_with(nodes, Raw::default);
        }
        Found { raws, duplicate: None }
    }

    /// The list with nothing in it, for another message. Collecting in place keeps the allocation although the
    /// lifetime changes; building the list anew for each message cost 50 ns.
    #[inline]
    pub(crate) fn recycle(self) -> Vec<Raw<'static>> {
        self.raws.into_iter().map(|_| Raw::Absent).collect()
    }
}

/// Reads the value at one node of the filter into its place.
pub(crate) struct NodeSeed<'a, 'de> {
    pub(crate) plan: &'a Plan,
    pub(crate) node: NodeId,
    pub(crate) found: &'a mut Found<'de>,
}

impl<'de> NodeSeed<'_, 'de> {
    #[inline]
    fn set(self, raw: Raw<'de>) {
        self.found.raws[self.node.index()] = raw;
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_, 'de> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    #[inline]
    fn visit_unit<E>(self) -> Result<(), E> {
        self.set(Raw::Null);
        Ok(())
    }

    #[inline]
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.set(Raw::Boolean(value));
        Ok(())
    }

    #[inline]
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.set(Raw::Integer(value));
        Ok(())
    }

    #[inline]
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.set(unsigned(value));
        Ok(())
    }

    #[inline]
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.set(Raw::Float(value));
        Ok(())
    }

    #[inline]
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.set(Raw::Borrowed(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.set(Raw::Owned(value.into()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        let levels = self.plan.node(self.node).list_levels;
        let list = read_list(seq, levels)?;
        self.set(list);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.found.raws[self.node.index()] = Raw::Object;
        read_object(map, self.plan, self.node, self.found)
    }
}

/// Reads an object's keys that stand in the filter; the others are checked and dropped.
#[inline]
fn read_object<'de, A: MapAccess<'de>>(
    mut map: A,
    plan: &Plan,
    node: NodeId,
    found: &mut Found<'de>,
) -> Result<(), A::Error> {
    let keys = &plan.node(node).children;
    while let Some(key) = map.next_key_seed(KeySeed(keys))? {
        match key {
            None => {
                map.next_value::<IgnoredAny>()?;
            }
            Some(child) if matches!(found.raws[child.index()], Raw::Absent) => {
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
fn read_list<'de, A: SeqAccess<'de>>(mut seq: A, levels: usize) -> Result<Raw<'de>, A::Error> {
    if levels == 0 {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        return Ok(Raw::Other);
    }
    let mut elements: SmallVec<[Raw<'de>; 8]> = smallvec![];
    while let Some(element) = seq.next_element_seed(ElementSeed { levels: levels - 1 })? {
        elements.push(element);
    }
    Ok(Raw::List(elements.into_boxed_slice()))
}

/// Looks a key up in a table, with its escapes resolved.
struct KeySeed<'a>(&'a PathTable);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<NodeId>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<NodeId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.get(key).map(NodeId))
    }
}

/// Reads one element of a list.
struct ElementSeed {
    levels: usize,
}

impl<'de> DeserializeSeed<'de> for ElementSeed {
    type Value = Raw<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ElementSeed {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Raw<'de>, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw<'de>, E> {
        Ok(Raw::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw<'de>, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw<'de>, E> {
        Ok(unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw<'de>, E> {
        Ok(Raw::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Raw<'de>, E> {
        Ok(Raw::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw<'de>, E> {
        Ok(Raw::Owned(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Raw<'de>, A::Error> {
        read_list(seq, self.levels)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
        let mut place = Box::new([Raw::Absent, Raw::Absent]);
        while let Some(key) = map.next_key_seed(PlaceKeySeed)? {
            match key {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(axis) if matches!(place[axis], Raw::Absent) => {
                    place[axis] = map.next_value_seed(ElementSeed { levels: 0 })?;
                }
                // Either of the two could be meant, so there is no place here. The list's other elements stand.
                Some(axis) => {
                    map.next_value::<IgnoredAny>()?;
                    place[axis] = Raw::Other;
                }
            }
        }
        Ok(Raw::Place(place))
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

#[inline]
fn unsigned<'de>(value: u64) -> Raw<'de> {
    i64::try_from(value).map_or(Raw::Unsigned(value), Raw::Integer)
}
