//! Lists and tables: rows by key, for `x in list` and `table[key].column`.
//!
//! A program holds the plan and the rows that it was loaded with; an engine holds the rows as they are now, shared
//! until one of them changes.

use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::event::{Key, Value, whole};
use crate::schema::{Kind, TypeId};

/// The number of a list or table in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

impl TableId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A list or a table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is a list: nothing but keys.
    pub is_list: bool,
    /// Where its rows come from.
    pub source: TableSource,
    /// The key.
    pub key: Column,
    /// What a row holds, in order: of a table the key and then its other columns, of a list nothing.
    pub columns: Vec<Column>,
    /// The rows that it begins with; none of a table from a topic.
    pub rows: Arc<Rows>,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub enum TableSource {
    /// From a file, which may be read again.
    File(PathBuf),
    /// From the changes in a topic, which are events of a type called like the table.
    Topic {
        /// The topic.
        topic: String,
        /// How a change is read.
        change: Change,
    },
}

/// Where a change event holds what it changes: indexes into its values.
#[derive(Clone, Debug)]
pub struct Change {
    /// The type of the events.
    pub type_id: TypeId,
    /// The key.
    pub key: u16,
    /// `delete` where the row goes; anything else, and nothing, where it comes or changes.
    pub op: u16,
    /// The row's values, in order.
    pub columns: Vec<u16>,
}

impl Change {
    /// What `op` says where a row goes.
    pub const DELETE: &'static str = "delete";
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, with dots where it is a path.
    pub path: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Where it was read.
    pub path: PathBuf,
    /// The key's kind; none where there is no row to tell it and nothing declares it.
    pub key: Option<Kind>,
    /// As in [`Table::columns`]; the key among them is text where its kind is not known.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Rows,
}

/// Rows by key. Whole numbers are one key whether they come as integers or as numbers.
#[derive(Clone, Debug, Default)]
pub struct Rows(HashMap<Key, Box<[Value]>>);

impl Rows {
    /// The row of a key; none where the value is missing or can be no key.
    #[inline]
    pub fn get(&self, key: &Value) -> Option<&[Value]> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&key_of(key)?).map(|row| &**row)
    }

    /// Sets the row of a key. Returns whether there was one, or none where the value can be no key.
    pub fn insert(&mut self, key: &Value, row: Box<[Value]>) -> Option<bool> {
        Some(self.0.insert(key_of(key)?, row).is_some())
    }

    /// Takes the row of a key away. Returns whether there was one.
    pub fn remove(&mut self, key: &Value) -> bool {
        key_of(key).is_some_and(|key| self.0.remove(&key).is_some())
    }

    /// All rows by their keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &[Value])> {
        self.0.iter().map(|(key, row)| (key, &**row))
    }

    /// Sets the row of a key that [`Rows::iter`] gave.
    pub fn put(&mut self, key: Key, row: Box<[Value]>) {
        self.0.insert(key, row);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The key of a value, the same for all values that are equal; none where the value is missing or can be no key.
#[inline]
pub(super) fn key_of(value: &Value) -> Option<Key> {
    match value {
        Value::Number(n) => whole(*n).map_or_else(|| Key::of(value), |n| Key::of(&Value::Integer(n))),
        value => Key::of(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_numbers_that_are_equal_are_one_key() {
        let mut rows = Rows::default();
        assert_eq!(rows.insert(&Value::Number(7.0), Box::new([])), Some(false));
        assert_eq!(rows.insert(&Value::Integer(7), Box::new([Value::Boolean(true)])), Some(true));
        assert!(rows.get(&Value::Number(7.0)).is_some_and(|row| row.len() == 1));
        assert!(rows.get(&Value::Number(7.5)).is_none() && rows.get(&Value::Text("7".into())).is_none());
        rows.insert(&Value::Integer(9_007_199_254_740_993), Box::new([]));
        assert!(rows.get(&Value::Number(9_007_199_254_740_992.0)).is_none(), "they are two numbers");
        assert!(rows.remove(&Value::Number(7.0)) && !rows.remove(&Value::Integer(7)));
    }

    #[test]
    fn what_is_missing_has_no_row() {
        let mut rows = Rows::default();
        assert_eq!(rows.insert(&Value::Missing, Box::new([])), None);
        rows.insert(&Value::Text("a".into()), Box::new([]));
        assert!(rows.get(&Value::Missing).is_none() && !rows.remove(&Value::Missing));
    }
}
