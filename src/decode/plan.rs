//! The field filter: which paths of a message are read, and what each event type makes of them. Compiled once from a
//! program and the source's field names.

use crate::program::Program;
use crate::schema::{Field, Kind};

/// Which body fields hold an event's type, time and id. Each is an ordered list of dotted paths, of which the first
/// that is present (and not `null`) counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldNames {
    /// Where the type stands.
    pub event_type: TypeSource,
    /// Where the time stands: ms since the epoch, or RFC 3339 text.
    pub time: Vec<String>,
    /// Where the event's own id stands, if it has one.
    pub id: Vec<String>,
}

/// Where an event's type comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeSource {
    /// From the first of these fields that is present.
    Fields(Vec<String>),
    /// The source holds events of one type only.
    Fixed(String),
}

impl Default for FieldNames {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        FieldNames {
            event_type: TypeSource::Fields(names(&["type"])),
            time: names(&["ts", "time", "timestamp", "event_time", "@timestamp"]),
            id: names(&["event_id", "id"]),
        }
    }
}

/// The number of a node of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) u32);

impl NodeId {
    /// The body itself.
    pub(crate) const ROOT: NodeId = NodeId(0);
    /// No node: what stands there is not read.
    pub(crate) const NONE: NodeId = NodeId(u32::MAX);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The compiled filter.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    nodes: Vec<Node>,
    /// The declared types by name.
    pub(crate) types: PathTable,
    /// By type, the values to make.
    pub(crate) values: Vec<Reads>,
    /// Where the type stands; [`TypeNodes`] says otherwise for a source of one type.
    pub(crate) event_type: TypeNodes,
    /// Where the time stands.
    pub(crate) time: Vec<NodeId>,
    /// Where the id stands.
    pub(crate) id: Vec<NodeId>,
}

/// Where the type stands.
#[derive(Clone, Debug)]
pub(crate) enum TypeNodes {
    /// In the message.
    Nodes(Vec<NodeId>),
    /// The same for every message; nothing where it is not declared.
    Fixed(Option<u32>),
}

/// One name on a path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// The names below it.
    pub(crate) children: PathTable,
    /// How many levels of lists are read here: 0 for none, 1 for a point or a list of texts, 2 for a list of points.
    pub(crate) list_levels: usize,
    path: String,
}

/// The values to make of an event.
#[derive(Clone, Debug)]
pub(crate) struct Reads {
    /// In the order of the event's values.
    pub(crate) fields: Vec<Read>,
    /// Whether the text of the whole event stands behind them.
    pub(crate) whole: bool,
}

/// One value to make.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Where its raw form stands.
    pub(crate) node: NodeId,
    /// Its declared kind.
    pub(crate) kind: Kind,
    /// Of a point, where the latitude and the longitude stand if it is an object.
    pub(crate) place: Option<[NodeId; 2]>,
}

impl Plan {
    /// The filter for what `program` reads of messages whose type, time and id stand at `names`.
    pub(crate) fn new(program: &Program, names: &FieldNames) -> Plan {
        let mut trie = Trie::default();
        let event_type = match &names.event_type {
            TypeSource::Fields(paths) => TypeNodes::Nodes(trie.insert_all(paths)),
            TypeSource::Fixed(name) => TypeNodes::Fixed(type_table(program).get(name)),
        };
        let time = trie.insert_all(&names.time);
        let id = trie.insert_all(&names.id);
        let values = program
            .types
            .iter()
            .zip(&program.schema.types)
            .map(|(plan, event_type)| {
                // What becomes of alerts is never read from a message.
                let fields = plan.fields.iter().filter(|_| !plan.derived);
                let fields = fields.map(|&field| trie.read(&event_type.fields[field])).collect();
                Reads { fields, whole: plan.whole }
            })
            .collect();
        Plan { nodes: trie.compile(), types: type_table(program), values, event_type, time, id }
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node by its number.
    #[inline]
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// A node's dotted path.
    pub(crate) fn path(&self, id: NodeId) -> &str {
        &self.node(id).path
    }
}

/// The declared types by name. A message cannot give itself out for an alert.
fn type_table(program: &Program) -> PathTable {
    let declared = (0..).zip(&program.schema.types).filter(|(id, _)| !program.types[*id as usize].derived);
    PathTable::new(declared.map(|(id, event_type)| (event_type.name.clone(), id)).collect())
}

/// The filter while it grows.
struct Trie {
    nodes: Vec<Growing>,
}

#[derive(Default)]
struct Growing {
    children: Vec<(String, u32)>,
    list_levels: usize,
    path: String,
}

impl Default for Trie {
    fn default() -> Self {
        Trie { nodes: vec![Growing::default()] }
    }
}

impl Trie {
    fn insert_all(&mut self, dotted: &[String]) -> Vec<NodeId> {
        dotted.iter().map(|path| self.insert(NodeId::ROOT, path.split('.'))).collect()
    }

    fn insert<'a>(&mut self, from: NodeId, names: impl IntoIterator<Item = &'a str>) -> NodeId {
        names.into_iter().fold(from, |node, name| self.child(node, name))
    }

    fn child(&mut self, parent: NodeId, name: &str) -> NodeId {
        let known = &self.nodes[parent.index()];
        if let Some((_, child)) = known.children.iter().find(|(known, _)| known == name) {
            return NodeId(*child);
        }
        let path = if parent == NodeId::ROOT { name.to_owned() } else { format!("{}.{name}", known.path) };
        let child = u32::try_from(self.nodes.len()).expect("rule files are limited far below 2^32 fields");
        self.nodes.push(Growing { path, ..Growing::default() });
        self.nodes[parent.index()].children.push((name.to_owned(), child));
        NodeId(child)
    }

    fn read(&mut self, field: &Field) -> Read {
        let node = self.insert(NodeId::ROOT, field.path.iter().map(String::as_str));
        let levels = &mut self.nodes[node.index()].list_levels;
        *levels = (*levels).max(list_levels(&field.kind));
        let place = (field.kind == Kind::Point)
            .then(|| ["latitude", "longitude"].map(|name| self.insert(node, std::iter::once(name))));
        Read { node, kind: field.kind.clone(), place }
    }

    fn compile(self) -> Vec<Node> {
        self.nodes
            .into_iter()
            .map(|Growing { children, list_levels, path }| Node {
                children: PathTable::new(children),
                list_levels,
                path,
            })
            .collect()
    }
}

/// How many levels of JSON lists a kind can be made of.
fn list_levels(kind: &Kind) -> usize {
    match kind {
        Kind::List(of) => 1 + list_levels(of),
        Kind::Point => 1,
        _ => 0,
    }
}

/// Names to numbers, by length first: few names of one object are equally long, so that most lookups compare once.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathTable {
    /// Where the names of each length begin in `entries`; one more for the end. Names longer than all are not found.
    starts: Vec<u32>,
    /// Ordered by length, then by bytes.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    ends: Ends,
    id: u32,
    name: Box<str>,
}

impl PathTable {
    /// Beyond so many names of one length, halving beats walking.
    const WALK_MAX: usize = 8;

    pub(crate) fn new(names: Vec<(String, u32)>) -> PathTable {
        let mut entries: Vec<_> = names
            .into_iter()
            .map(|(name, id)| Entry { ends: Ends::of(name.as_bytes()), id, name: name.into_boxed_str() })
            .collect();
        entries.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
        let longest = entries.last().map_or(0, |entry| entry.name.len());
        let start = |length| entries.partition_point(|entry| entry.name.len() < length);
        let starts = (0..longest + 2)
            .map(|length| u32::try_from(start(length)).expect("rule files are limited far below 2^32 names"))
            .collect();
        PathTable { starts, entries }
    }

    /// The number of a name.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<u32> {
        let &[start, end] = self.starts.get(name.len()..name.len() + 2)? else { return None };
        let same_length = &self.entries[start as usize..end as usize];
        if same_length.is_empty() {
            return None;
        }
        if same_length.len() > Self::WALK_MAX {
            let at = same_length.binary_search_by(|entry| (*entry.name).cmp(name)).ok()?;
            return Some(same_length[at].id);
        }
        let ends = Ends::of(name.as_bytes());
        let is_it = |entry: &&Entry| entry.ends == ends && (name.len() <= Ends::COVERED || *entry.name == *name);
        same_length.iter().find(is_it).map(|entry| entry.id)
    }
}

/// The first and the last eight bytes of a name, which may overlap: all of a name of up to sixteen, compared without a
/// call to memcmp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends(u64, u64);

impl Ends {
    const COVERED: usize = 16;

    #[inline]
    fn of(name: &[u8]) -> Ends {
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            return Ends(u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        }
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            return Ends(u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
        }
        match *name {
            [a, b, c] => Ends(u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 0]), 0),
            [a, b] => Ends(u64::from_le_bytes([a, b, 0, 0, 0, 0, 0, 0]), 0),
            [a] => Ends(a.into(), 0),
            _ => Ends(0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_finds_its_names() {
        let names: Vec<String> = (0..40).map(|i| format!("name{i:02}")).chain(["a".into(), String::new()]).collect();
        let table = PathTable::new(names.iter().cloned().zip(0..).collect());
        for (name, id) in names.iter().zip(0..) {
            assert_eq!(table.get(name), Some(id), "{name}");
        }
        let twins = ["merchant_location_first", "merchant_location_other", "merchant_xxxxxxxx_first"];
        let table = PathTable::new(twins.iter().map(ToString::to_string).zip(0..).collect());
        assert_eq!(twins.map(|name| table.get(name)), [Some(0), Some(1), Some(2)]);
        assert_eq!(table.get("merchant_yyyyyyyy_first"), None);
    }

    #[test]
    fn a_table_finds_no_other_names() {
        let table = PathTable::new(vec![("a".to_owned(), 0), ("name".to_owned(), 1), ("name00".to_owned(), 2)]);
        for name in ["b", "", "nam", "namf", "name0", "name01", "a much longer name"] {
            assert_eq!(table.get(name), None, "{name}");
        }
        assert_eq!(PathTable::default().get(""), None);
    }
}
