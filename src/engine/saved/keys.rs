//! The keys of a saved state, and where they are in the engine that takes it up: what is saved of keys names them by
//! number, and a key gets its row with the first thing that is taken up of it.

use crate::engine::codec::{Reader, put, put_all, put_bytes, put_count};
use crate::engine::keys::KeyTable;
use crate::engine::record::{self, KeptValues, Record, Records};
use crate::engine::saved::Names;
use crate::engine::slab::{NONE, Row};
use crate::event::Key;
use crate::program::{Capture, Rule, Shown, Step, StepId};

/// The keys of one `for each`, as they were saved.
pub(in crate::engine) struct SavedKeys<'a> {
    /// The names of its parts.
    pub(in crate::engine) parts: Vec<&'a str>,
    /// Their numbers of then, in order; mostly none is left out.
    numbers: Vec<u32>,
    keys: Vec<&'a [u8]>,
    /// Where they are now.
    rows: Vec<Row>,
}

/// Writes the keys of a table.
pub(in crate::engine) fn save_keys(table: &KeyTable, parts: &[String], out: &mut Vec<u8>) {
    put_all(out, parts.iter(), |out, part| put_bytes(out, part.as_bytes()));
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
        let (mut numbers, mut keys, mut next) = (Vec::new(), Vec::new(), 0_u32);
        for _ in 0..from.count()? {
            let number = next.checked_add(from.narrow()?)?;
            next = number.checked_add(1)?;
            numbers.push(number);
            keys.push(from.bytes()?);
        }
        let rows = vec![NONE; keys.len()];
        Some(SavedKeys { parts, numbers, keys, rows })
    }

    /// The place of a key by its number.
    fn place(&self, number: u32) -> Option<usize> {
        let dense = number as usize;
        if self.numbers.get(dense) == Some(&number) { Some(dense) } else { self.numbers.binary_search(&number).ok() }
    }
}

/// Where something that is taken up goes.
pub(in crate::engine) struct Placing<'p, 'a> {
    pub(in crate::engine) names: &'p Names,
    pub(in crate::engine) saved: &'p mut SavedKeys<'a>,
    /// The table of its key.
    pub(in crate::engine) keys: &'p mut KeyTable,
    /// By step, which values its records keep.
    pub(in crate::engine) values: Vec<KeptValues>,
    /// How far time has come, in ms: nothing was touched after it.
    pub(in crate::engine) now_ms: i64,
}

/// Writes which values the steps of a rule keep, by their paths.
pub(in crate::engine) fn save_captures(rule: &Rule, out: &mut Vec<u8>) {
    put_count(out, rule.steps.len());
    for step in &rule.steps {
        put_all(out, step.captures.iter(), |out, capture| put_bytes(out, path_of(capture).as_bytes()));
    }
}

/// Reads it back, and finds for each value that the steps keep now where it was.
pub(in crate::engine) fn load_captures(from: &mut Reader<'_>, rule: &Rule) -> Option<Vec<KeptValues>> {
    (from.count()? == rule.steps.len()).then_some(())?;
    let step = |step: &Step| {
        let then = (0..from.count()?).map(|_| from.name()).collect::<Option<Vec<&str>>>()?;
        let place = |capture: &Capture| then.iter().position(|then| *then == path_of(capture));
        Some(KeptValues { then: then.len(), now: step.captures.iter().map(place).collect() })
    };
    rule.steps.iter().map(step).collect()
}

/// A whole event has no path.
fn path_of(capture: &Capture) -> &str {
    if capture.shown == Shown::Whole { "" } else { &capture.path }
}

impl Placing<'_, '_> {
    /// Reads a key by its number, and gives its row.
    pub(in crate::engine) fn row(&mut self, from: &mut Reader<'_>) -> Option<Row> {
        let at = self.saved.place(from.narrow()?)?;
        let known = self.saved.rows[at];
        if known != NONE {
            return Some(known);
        }
        let key = Key::checked(self.saved.keys[at], self.saved.parts.len())?;
        let row = self.keys.find_or_insert(key);
        self.saved.rows[at] = row;
        Some(row)
    }

    /// How many parts the keys have.
    pub(in crate::engine) fn parts(&self) -> usize {
        self.saved.parts.len()
    }

    /// Reads what a rule has taken.
    pub(in crate::engine) fn records(&self, from: &mut Reader<'_>) -> Option<Records> {
        let values = |step: StepId| self.values.get(step.index());
        let names = self.names;
        record::renumber(from.bytes()?, values, |id| names.type_of(id), |id| names.source_of(id))
    }

    /// Reads one event that a step has taken.
    pub(in crate::engine) fn record(&self, from: &mut Reader<'_>, step: StepId) -> Option<Records> {
        self.records(from).filter(|records| record::is_one_event(records.as_bytes(), step))
    }

    /// Reads events that a step has taken, each by itself.
    pub(in crate::engine) fn record_list<L: FromIterator<Record>>(
        &self,
        from: &mut Reader<'_>,
        step: StepId,
    ) -> Option<L> {
        let count = from.count()?;
        (0..count).map(|_| Some(Record::from(self.record(from, step)?.as_bytes()))).collect()
    }
}

/// Writes records, each by itself.
pub(in crate::engine) fn put_records<'r>(
    out: &mut Vec<u8>,
    records: impl IntoIterator<Item = &'r Record, IntoIter: ExactSizeIterator>,
) {
    put_all(out, records, |out, record| put_bytes(out, record));
}

/// Writes a key by its number.
pub(in crate::engine) fn put_key(out: &mut Vec<u8>, row: Row) {
    put(out, u64::from(row));
}
