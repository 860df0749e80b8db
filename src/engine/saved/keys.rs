//! The keys of a saved state, and where they are in the engine that takes it up: what is saved of keys names them by
//! number, and a key gets its row with the first thing that is taken up of it.

use crate::engine::codec::{Reader, put, put_bytes, put_count};
use crate::engine::keys::KeyTable;
use crate::engine::record::{self, Record, Records};
use crate::engine::saved::Names;
use crate::engine::slab::{NONE, Row};
use crate::event::Key;
use crate::program::{Rule, StepId};

/// The keys of one `for each`, as they were saved.
pub(in crate::engine) struct SavedKeys<'a> {
    /// The names of its parts.
    pub(in crate::engine) parts: Vec<&'a str>,
    /// By their row of then.
    keys: Vec<Option<&'a [u8]>>,
    /// By their row of then, where they are now.
    rows: Vec<Row>,
}

/// So many rows may lie between two keys: tables have as many free rows as they once had keys.
const GAP_MAX: usize = 1 << 28;

/// Writes the keys of a table.
pub(in crate::engine) fn save_keys(table: &KeyTable, parts: &[String], out: &mut Vec<u8>) {
    put_count(out, parts.len());
    parts.iter().for_each(|part| put_bytes(out, part.as_bytes()));
    put_count(out, table.len());
    let mut next = 0;
    for (row, key) in table.iter() {
        put(out, u64::from(row - next));
        put_bytes(out, key.as_bytes());
        next = row + 1;
    }
}

impl<'a> SavedKeys<'a> {
    /// Reads them back; none has a row yet.
    pub(in crate::engine) fn load(from: &mut Reader<'a>) -> Option<SavedKeys<'a>> {
        let parts = (0..from.count()?).map(|_| from.name()).collect::<Option<_>>()?;
        let mut keys = Vec::new();
        for _ in 0..from.count()? {
            let row = keys.len() + from.narrow::<usize>().filter(|gap| *gap < GAP_MAX)?;
            keys.resize(row, None);
            keys.push(Some(from.bytes()?));
        }
        Row::try_from(keys.len()).ok()?;
        let rows = vec![NONE; keys.len()];
        Some(SavedKeys { parts, keys, rows })
    }
}

/// Where something that is taken up goes.
pub(in crate::engine) struct Placing<'p, 'a> {
    pub(in crate::engine) names: &'p Names,
    pub(in crate::engine) saved: &'p mut SavedKeys<'a>,
    /// The table of its key.
    pub(in crate::engine) keys: &'p mut KeyTable,
}

impl Placing<'_, '_> {
    /// Reads a key by its number, and gives its row.
    pub(in crate::engine) fn row(&mut self, from: &mut Reader<'_>) -> Option<Row> {
        let at: usize = from.narrow()?;
        let known = *self.saved.rows.get(at)?;
        if known != NONE {
            return Some(known);
        }
        let key = Key::checked(self.saved.keys[at]?, self.saved.parts.len())?;
        let row = self.keys.find_or_insert(key);
        self.saved.rows[at] = row;
        Some(row)
    }

    /// How many parts the keys have.
    pub(in crate::engine) fn parts(&self) -> usize {
        self.saved.parts.len()
    }

    /// Reads what a rule has taken.
    pub(in crate::engine) fn records(&self, from: &mut Reader<'_>, rule: &Rule) -> Option<Records> {
        let values = |step: StepId| rule.steps.get(step.index()).map(|step| step.captures.len());
        let names = self.names;
        record::renumber(from.bytes()?, values, |id| names.type_of(id), |id| names.source_of(id))
    }

    /// Reads one event that a rule has taken.
    pub(in crate::engine) fn record(&self, from: &mut Reader<'_>, rule: &Rule) -> Option<Records> {
        self.records(from, rule).filter(|records| record::is_one_event(records.as_bytes()))
    }

    /// Reads events that a rule has taken, each by itself.
    pub(in crate::engine) fn record_list<L: FromIterator<Record>>(
        &self,
        from: &mut Reader<'_>,
        rule: &Rule,
    ) -> Option<L> {
        let count = from.count()?;
        (0..count).map(|_| Some(Record::from(self.record(from, rule)?.as_bytes()))).collect()
    }
}

/// Writes records, each by itself.
pub(in crate::engine) fn put_records<'r>(
    out: &mut Vec<u8>,
    records: impl IntoIterator<Item = &'r Record, IntoIter: ExactSizeIterator>,
) {
    let records = records.into_iter();
    put_count(out, records.len());
    records.for_each(|record| put_bytes(out, record));
}

/// Writes a key by its number.
pub(in crate::engine) fn put_key(out: &mut Vec<u8>, row: Row) {
    put(out, u64::from(row));
}
